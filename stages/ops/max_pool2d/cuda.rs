//! CUDA implementation of max pooling.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError, Storage};

use super::MaxPool2d;
use crate::cuda::memory::zeros;
use crate::cuda::{Argument, Buffer, Grid, Source, context};
use crate::{Map, Nchw, Tensor4, len};

static KERNELS: Source = Source {
    name: "max_pool2d",
    code: include_str!("kernels.cu"),
};

impl Map<MaxPool2d> for Cuda {
    /// For every window, the index of its maximum in the channel.
    type Kept = <Cuda as Storage<u32>>::Vec;

    fn forward(
        &self,
        MaxPool2d(op): MaxPool2d,
        input: &Tensor4<Cuda>,
        _: bool,
    ) -> Result<(Tensor4<Cuda>, Self::Kept), CudaError> {
        let shape = op.output_shape(*input.shape());
        let (output, to) = zeros(self, shape)?;
        let places = Storage::<u32>::try_alloc_len(self, len(shape))?;
        let arguments = [
            Argument::tensor(input),
            to,
            Argument::buffer(&places),
            len(shape).into(),
        ];
        let (constants, grid) = (op.constants(*input.shape()), Grid::over(len(shape)));
        // SAFETY: input and output have the shapes that the constants describe, and there is a place for every
        // output.
        unsafe { context().launch(&KERNELS, "forward", &constants, grid, &arguments) }?;
        Ok((output, places))
    }

    fn backward(
        &self,
        MaxPool2d(op): MaxPool2d,
        places: Self::Kept,
        input: Nchw,
        incoming: Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CudaError> {
        let arguments = [
            Argument::buffer(&incoming),
            Argument::buffer(&places),
            Argument::buffer(to_input),
            len(input).into(),
        ];
        let (constants, grid) = (op.constants(input), Grid::over(len(input)));
        // SAFETY: both gradients have the shapes that the constants describe, and there is a place for every
        // output.
        unsafe { context().launch(&KERNELS, "backward", &constants, grid, &arguments) }?;
        Ok(())
    }
}
