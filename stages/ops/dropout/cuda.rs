//! CUDA implementation of dropout.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError};

use super::Dropout;
use crate::cuda::memory::zeros;
use crate::cuda::{Argument, Buffer, Grid, Source, context};
use crate::{Map, Nchw, Tensor4, len};

static KERNELS: Source = Source {
    name: "dropout",
    code: include_str!("kernels.cu"),
};

impl Map<Dropout> for Cuda {
    type Kept = ();

    fn forward(
        &self,
        op: Dropout,
        input: &Tensor4<Cuda>,
        _: bool,
    ) -> Result<(Tensor4<Cuda>, ()), CudaError> {
        let (output, to) = zeros(self, *input.shape())?;
        let count = len(*input.shape());
        // SAFETY: input and output hold `count` values each.
        unsafe { launch(op, "forward", Argument::tensor(input), to, count) }?;
        Ok((output, ()))
    }

    fn backward(
        &self,
        op: Dropout,
        (): (),
        input: Nchw,
        incoming: Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CudaError> {
        let (from, to) = (Argument::buffer(&incoming), Argument::buffer(to_input));
        // SAFETY: both gradients hold as many values as the input.
        unsafe { launch(op, "backward", from, to, len(input)) }
    }
}

/// # Safety
/// `from` and `to` must each point to `count` values.
unsafe fn launch(
    op: Dropout,
    kernel: &'static str,
    from: Argument,
    to: Argument,
    count: usize,
) -> Result<(), CudaError> {
    let arguments = [
        from,
        to,
        count.into(),
        op.span.into(),
        Argument::Long(op.key.cast_signed()),
        Argument::Long(op.threshold().cast_signed()),
        op.scale().into(),
    ];
    // SAFETY: the caller upholds the contract above.
    unsafe { context().launch(&KERNELS, kernel, &[], Grid::over(count), &arguments) }?;
    Ok(())
}
