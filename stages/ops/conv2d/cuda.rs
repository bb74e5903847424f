//! CUDA implementation of convolution.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError};

use super::Conv2d;
use crate::cuda::Argument;
use crate::cuda::convolution::{Batch, Finish, backward, correlate, direct};
use crate::cuda::memory::zeros;
use crate::{Layer, LayerBackward, Tensor4};

impl Layer<Conv2d> for Cuda {
    type Kept = ();

    fn forward(
        &self,
        op: Conv2d,
        input: &Tensor4<Cuda>,
        weight: &Tensor4<Cuda>,
        bias: &Tensor4<Cuda>,
    ) -> Result<(Tensor4<Cuda>, ()), CudaError> {
        if !op.is_plain() {
            let windows = op.windows(*input.shape(), *weight.shape());
            let [rows, columns] = windows.output;
            let (output, to) = zeros(self, (input.shape().0, weight.shape().0, rows, columns))?;
            let images = Argument::tensor(input);
            // SAFETY: the windows match input, weight and output.
            unsafe { direct::correlate(&windows, images, weight, bias, op.activation, to) }?;
            return Ok((output, ()));
        }
        let geometry = op.geometry(*input.shape(), *weight.shape());
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
        // SAFETY: the geometry matches input, weight and output.
        unsafe { correlate(&geometry, source, weight, filters, to, finish) }?;
        Ok((output, ()))
    }

    fn backward(&self, op: Conv2d, (): (), call: LayerBackward<'_, Cuda>) -> Result<(), CudaError> {
        if !op.is_plain() {
            let windows = op.windows(*call.input.shape(), *call.weight.shape());
            // SAFETY: the windows match input, weight and output.
            return unsafe { direct::backward(&windows, op.activation, call) };
        }
        let geometry = op.geometry(*call.input.shape(), *call.weight.shape());
        // SAFETY: the geometry matches input, weight and output.
        unsafe { backward(&geometry, op.activation, None, call) }
    }
}
