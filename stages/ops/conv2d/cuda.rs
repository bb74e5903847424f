use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError};

use super::Conv2d;
use super::cpu::geometry;
use crate::cuda::Argument;
use crate::cuda::convolution::{Batch, Finish, correlate, spread, weight_gradient};
use crate::cuda::layer::before_activation;
use crate::cuda::memory::zeros;
use crate::ops::{Layer, LayerBackward, Tensor4};

impl Layer<Conv2d> for Cuda {
    type Kept = ();

    fn forward(
        &self,
        op: Conv2d,
        input: &Tensor4<Cuda>,
        weight: &Tensor4<Cuda>,
        bias: &Tensor4<Cuda>,
    ) -> Result<(Tensor4<Cuda>, ()), CudaError> {
        let geometry = geometry(op, *input.shape(), *weight.shape());
        let (images, filters) = (input.shape().0, weight.shape().0);
        let (rows, columns) = geometry.windows;
        let (output, to) = zeros(self, (images, filters, rows, columns))?;
        let source = Batch {
            images,
            values: Argument::tensor(input),
        };
        let finish = Finish::Store {
            bias: Argument::tensor(bias),
            activation: op.activation,
        };
        // SAFETY: the geometry is that of input, weight and output.
        unsafe { correlate(&geometry, source, weight, filters, to, finish) }?;
        Ok((output, ()))
    }

    fn backward(&self, op: Conv2d, (): (), call: LayerBackward<'_, Cuda>) -> Result<(), CudaError> {
        let geometry = geometry(op, *call.input.shape(), *call.weight.shape());
        let ((images, ..), filters) = (*call.input.shape(), call.weight.shape().0);
        let mut incoming = call.incoming;
        let (to_weight, to_bias) = call.to_parameters.unzip();
        let shape = *call.output.shape();
        before_activation(op.activation, call.output, shape, &mut incoming, to_bias)?;
        let source = Batch {
            images,
            values: Argument::tensor(call.input),
        };
        let outputs = Batch {
            images,
            values: Argument::buffer(&incoming),
        };
        // SAFETY: the geometry is that of input, weight and output, and of their gradients.
        unsafe {
            if let Some(to_weight) = to_weight {
                weight_gradient(&geometry, source, outputs.values, None, filters, to_weight)?;
            }
            if let Some(to_input) = call.to_input {
                let to = Argument::buffer(to_input);
                spread(
                    &geometry,
                    outputs,
                    None,
                    call.weight,
                    filters,
                    to,
                    Finish::Add,
                )?;
            }
        }
        Ok(())
    }
}
