//! CUDA implementation of the products of channels with factors.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError};

use super::ScaleChannels;
use crate::cuda::memory::zeros;
use crate::cuda::{Argument, Buffer, Grid, Source, context};
use crate::{Combine, Tensor4, len};

static KERNELS: Source = Source {
    name: "scale_channels",
    code: include_str!("kernels.cu"),
};

impl Combine<ScaleChannels> for Cuda {
    /// The input and the factors.
    type Kept = [Tensor4<Cuda>; 2];

    fn forward(
        &self,
        _: ScaleChannels,
        inputs: &[Tensor4<Cuda>],
    ) -> Result<(Tensor4<Cuda>, Self::Kept), CudaError> {
        let kept = [0, 1].map(|which: usize| inputs[which].clone());
        let (output, to) = zeros(self, *kept[0].shape())?;
        // SAFETY: input and output have the shape of the kept input.
        unsafe { add_scaled(&kept, Argument::tensor(&kept[0]), to) }?;
        Ok((output, kept))
    }

    fn backward(
        &self,
        _: ScaleChannels,
        kept: &Self::Kept,
        which: usize,
        incoming: &Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CudaError> {
        let (incoming, to_input) = (Argument::buffer(incoming), Argument::buffer(to_input));
        if which == 0 {
            // SAFETY: both gradients have the shape of the input.
            return unsafe { add_scaled(kept, incoming, to_input) };
        }
        let (images, channels, height, width) = *kept[0].shape();
        let grid = Grid {
            blocks: ((images * channels).max(1), 1, 1),
            threads: 256,
        };
        let arguments = [Argument::tensor(&kept[0]), incoming, to_input];
        let constants = [("PIXELS", (height * width) as i64)];
        // SAFETY: every channel of the input has one block and one factor.
        unsafe { context().launch(&KERNELS, "factor_gradient", &constants, grid, &arguments) }?;
        Ok(())
    }
}

/// Adds every channel of `from`, times its factor, to that of `to`.
///
/// # Safety
/// `from` and `to` must each have as many values as the kept input.
unsafe fn add_scaled(
    [x, factors]: &[Tensor4<Cuda>; 2],
    from: Argument,
    to: Argument,
) -> Result<(), CudaError> {
    let (shape, count) = (*x.shape(), len(*x.shape()));
    let arguments = [from, Argument::tensor(factors), to, count.into()];
    let constants = [("PIXELS", (shape.2 * shape.3) as i64)];
    let grid = Grid::over(count);
    // SAFETY: the caller upholds the contract above, and every channel has a factor.
    unsafe { context().launch(&KERNELS, "add_scaled", &constants, grid, &arguments) }?;
    Ok(())
}
