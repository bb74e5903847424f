//! CUDA implementation of transposed convolution.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError};

use super::ConvTranspose2d;
use crate::cuda::Argument;
use crate::cuda::convolution::{Batch, Finish, correlate, spread, weight_gradient};
use crate::cuda::layer::before_activation;
use crate::cuda::memory::zeros;
use crate::{Layer, LayerBackward, Tensor4};

/// The forward pass of a transposed convolution computes the gradient of a convolution's input, and vice versa.
/// So `input` has the role of that convolution's output, and `output` has the role of its image.
impl Layer<ConvTranspose2d> for Cuda {
    type Kept = ();

    fn forward(
        &self,
        op: ConvTranspose2d,
        input: &Tensor4<Cuda>,
        weight: &Tensor4<Cuda>,
        bias: &Tensor4<Cuda>,
    ) -> Result<(Tensor4<Cuda>, ()), CudaError> {
        let geometry = op.geometry(*input.shape(), *weight.shape());
        let (images, filters, ..) = *input.shape();
        let shape = (images, geometry.channels, geometry.height, geometry.width);
        let (output, to) = zeros(self, shape)?;
        let outputs = Batch {
            images,
            values: Argument::tensor(input),
        };
        let finish = Finish::Store {
            bias: Argument::tensor(bias),
            activation: op.activation,
        };
        // SAFETY: the geometry matches output, weight and input.
        unsafe { spread(&geometry, outputs, None, weight, filters, to, finish) }?;
        Ok((output, ()))
    }

    fn backward(
        &self,
        op: ConvTranspose2d,
        (): (),
        call: LayerBackward<'_, Cuda>,
    ) -> Result<(), CudaError> {
        let geometry = op.geometry(*call.input.shape(), *call.weight.shape());
        let (images, filters, ..) = *call.input.shape();
        let mut incoming = call.incoming;
        let (to_weight, to_bias) = call.to_parameters.unzip();
        let shape = *call.output.shape();
        before_activation(op.activation, call.output, shape, &mut incoming, to_bias)?;
        let source = Batch {
            images,
            values: Argument::buffer(&incoming),
        };
        // SAFETY: the geometry matches output, weight and input, and their gradients.
        unsafe {
            if let Some(to_weight) = to_weight {
                let outputs = Argument::tensor(call.input);
                weight_gradient(&geometry, source, outputs, None, filters, to_weight)?;
            }
            if let Some(to_input) = call.to_input {
                let to = Argument::buffer(to_input);
                correlate(&geometry, source, call.weight, filters, to, Finish::Add)?;
            }
        }
        Ok(())
    }
}
