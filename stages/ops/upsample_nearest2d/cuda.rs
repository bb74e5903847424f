//! CUDA implementation of nearest-neighbor upsampling.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError};

use super::UpsampleNearest2d;
use crate::cuda::memory::zeros;
use crate::cuda::{Argument, Buffer, Constant, Grid, Source, context};
use crate::{Map, Nchw, Tensor4, len};

static KERNELS: Source = Source {
    name: "upsample_nearest2d",
    code: include_str!("kernels.cu"),
};

impl Map<UpsampleNearest2d> for Cuda {
    type Kept = ();

    fn forward(
        &self,
        op: UpsampleNearest2d,
        input: &Tensor4<Cuda>,
        _: bool,
    ) -> Result<(Tensor4<Cuda>, ()), CudaError> {
        let (images, channels, height, width) = *input.shape();
        let shape = (images, channels, height * op.factor, width * op.factor);
        let (output, to) = zeros(self, shape)?;
        let arguments = [Argument::tensor(input), to, len(shape).into()];
        let (constants, grid) = (constants(op, *input.shape()), Grid::over(len(shape)));
        // SAFETY: input and output have the shapes that the constants describe.
        unsafe { context().launch(&KERNELS, "forward", &constants, grid, &arguments) }?;
        Ok((output, ()))
    }

    fn backward(
        &self,
        op: UpsampleNearest2d,
        (): (),
        input: Nchw,
        incoming: Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CudaError> {
        let arguments = [
            Argument::buffer(&incoming),
            Argument::buffer(to_input),
            len(input).into(),
        ];
        let (constants, grid) = (constants(op, input), Grid::over(len(input)));
        // SAFETY: both gradients have the shapes that the constants describe.
        unsafe { context().launch(&KERNELS, "backward", &constants, grid, &arguments) }?;
        Ok(())
    }
}

fn constants(op: UpsampleNearest2d, (_, _, height, width): Nchw) -> [Constant; 3] {
    [
        ("HEIGHT", height as i64),
        ("WIDTH", width as i64),
        ("FACTOR", op.factor as i64),
    ]
}
