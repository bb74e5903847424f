//! CUDA implementation of dense layers.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError};

use super::Dense;
use crate::cuda::layer::{add_bias, before_activation};
use crate::cuda::memory::zeros;
use crate::cuda::{Matrix, address, buffer_address, product};
use crate::{Layer, LayerBackward, Tensor4};

impl Layer<Dense> for Cuda {
    type Kept = ();

    fn forward(
        &self,
        op: Dense,
        input: &Tensor4<Cuda>,
        weight: &Tensor4<Cuda>,
        bias: &Tensor4<Cuda>,
    ) -> Result<(Tensor4<Cuda>, ()), CudaError> {
        let ((images, features, ..), units) = (*input.shape(), weight.shape().0);
        let (output, _) = zeros(self, (images, units, 1, 1))?;
        let x = Matrix::rows(address(input), features);
        let transposed = Matrix::columns(address(weight), features);
        let size = [images, features, units];
        // SAFETY: these are the sizes of input, weight and output.
        unsafe { product(size, x, transposed, address(&output), false) }?;
        add_bias(op.activation, &output, bias)?;
        Ok((output, ()))
    }

    fn backward(&self, op: Dense, (): (), call: LayerBackward<'_, Cuda>) -> Result<(), CudaError> {
        let ((images, features, ..), units) = (*call.input.shape(), call.weight.shape().0);
        let mut incoming = call.incoming;
        let (to_weight, to_bias) = call.to_parameters.unzip();
        let shape = *call.output.shape();
        before_activation(op.activation, call.output, shape, &mut incoming, to_bias)?;
        let incoming = buffer_address(&incoming);
        // SAFETY: these are the sizes of input, weight and output, and of their gradients.
        unsafe {
            if let Some(to_weight) = to_weight {
                let transposed = Matrix::columns(incoming, units);
                let x = Matrix::rows(address(call.input), features);
                let to = buffer_address(to_weight);
                product([units, images, features], transposed, x, to, true)?;
            }
            if let Some(to_input) = call.to_input {
                let gradient = Matrix::rows(incoming, units);
                let weight = Matrix::rows(address(call.weight), features);
                let to = buffer_address(to_input);
                product([images, units, features], gradient, weight, to, true)?;
            }
        }
        Ok(())
    }
}
