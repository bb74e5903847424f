//! CUDA implementation of max pooling over whole channels.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError, Storage};

use super::GlobalMaxPool2d;
use crate::cuda::memory::zeros;
use crate::cuda::{Argument, Buffer, Grid, Source, context};
use crate::{Map, Nchw, Tensor4};

static KERNELS: Source = Source {
    name: "global_max_pool2d",
    code: include_str!("kernels.cu"),
};

impl Map<GlobalMaxPool2d> for Cuda {
    /// For every channel, the index of its maximum.
    type Kept = <Cuda as Storage<u32>>::Vec;

    fn forward(
        &self,
        _: GlobalMaxPool2d,
        input: &Tensor4<Cuda>,
        _: bool,
    ) -> Result<(Tensor4<Cuda>, Self::Kept), CudaError> {
        let (images, channels, height, width) = *input.shape();
        let (output, to) = zeros(self, (images, channels, 1, 1))?;
        let places = Storage::<u32>::try_alloc_len(self, images * channels)?;
        let grid = Grid {
            blocks: ((images * channels).max(1), 1, 1),
            threads: 256,
        };
        let constants = [("PIXELS", (height * width) as i64)];
        let arguments = [Argument::tensor(input), to, Argument::buffer(&places)];
        // SAFETY: every channel has one block, one output value and one place.
        unsafe { context().launch(&KERNELS, "forward", &constants, grid, &arguments) }?;
        Ok((output, places))
    }

    fn backward(
        &self,
        _: GlobalMaxPool2d,
        places: Self::Kept,
        (images, channels, height, width): Nchw,
        incoming: Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CudaError> {
        let arguments = [
            Argument::buffer(&incoming),
            Argument::buffer(&places),
            Argument::buffer(to_input),
            (images * channels).into(),
        ];
        let grid = Grid::over(images * channels);
        let constants = [("PIXELS", (height * width) as i64)];
        // SAFETY: every channel of the input has one incoming gradient and one place, which is in the channel.
        unsafe { context().launch(&KERNELS, "backward", &constants, grid, &arguments) }?;
        Ok(())
    }
}
