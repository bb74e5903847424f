//! CUDA implementation of activation functions.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError};

use super::Activation;
use crate::cuda::layer::function_constant;
use crate::cuda::memory::zeros;
use crate::cuda::{Argument, Buffer, Grid, Source, context};
use crate::{Map, Nchw, Tensor4, len};

static KERNELS: Source = Source {
    name: "activation",
    code: include_str!("kernels.cu"),
};

impl Map<Activation> for Cuda {
    /// Output of a fusible function, input of another one.
    type Kept = Tensor4<Cuda>;

    fn forward(
        &self,
        op: Activation,
        input: &Tensor4<Cuda>,
        _: bool,
    ) -> Result<(Tensor4<Cuda>, Self::Kept), CudaError> {
        let count = len(*input.shape());
        let (output, to) = zeros(self, *input.shape())?;
        let arguments = [Argument::tensor(input), to, count.into()];
        // SAFETY: input and output hold `count` values each.
        unsafe { launch(op, "forward", count, &arguments) }?;
        let kept = if op.is_fusible() { &output } else { input }.clone();
        Ok((output, kept))
    }

    fn backward(
        &self,
        op: Activation,
        kept: Self::Kept,
        input: Nchw,
        incoming: Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CudaError> {
        let arguments = [
            Argument::tensor(&kept),
            Argument::buffer(&incoming),
            Argument::buffer(to_input),
            len(input).into(),
        ];
        // SAFETY: the kept tensor and both gradients hold as many values as the input.
        unsafe { launch(op, "backward", len(input), &arguments) }
    }
}

/// # Safety
/// The arguments must be those of the kernel, and each array must hold `count` values.
unsafe fn launch(
    op: Activation,
    kernel: &'static str,
    count: usize,
    arguments: &[Argument],
) -> Result<(), CudaError> {
    let constants = [function_constant(op)];
    // SAFETY: the caller upholds the contract above.
    unsafe { context().launch(&KERNELS, kernel, &constants, Grid::over(count), arguments) }?;
    Ok(())
}
