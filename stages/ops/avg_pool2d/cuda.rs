//! CUDA implementation of average pooling.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError};

use super::{AvgPool2d, GlobalAvgPool2d};
use crate::cuda::memory::zeros;
use crate::cuda::{Argument, Buffer, Constant, Grid, Source, context};
use crate::{Map, Nchw, Tensor4, len};

static WINDOWS: Source = Source {
    name: "avg_pool2d",
    code: include_str!("windows.cu"),
};

static CHANNELS: Source = Source {
    name: "global_avg_pool2d",
    code: include_str!("channels.cu"),
};

impl Map<AvgPool2d> for Cuda {
    type Kept = ();

    fn forward(
        &self,
        AvgPool2d(op): AvgPool2d,
        input: &Tensor4<Cuda>,
        _: bool,
    ) -> Result<(Tensor4<Cuda>, ()), CudaError> {
        let shape = op.output_shape(*input.shape());
        let (output, to) = zeros(self, shape)?;
        let arguments = [Argument::tensor(input), to, len(shape).into()];
        let (constants, grid) = (op.constants(*input.shape()), Grid::over(len(shape)));
        // SAFETY: input and output have the shapes that the constants describe.
        unsafe { context().launch(&WINDOWS, "forward", &constants, grid, &arguments) }?;
        Ok((output, ()))
    }

    fn backward(
        &self,
        AvgPool2d(op): AvgPool2d,
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
        let (constants, grid) = (op.constants(input), Grid::over(len(input)));
        // SAFETY: both gradients have the shapes that the constants describe.
        unsafe { context().launch(&WINDOWS, "backward", &constants, grid, &arguments) }?;
        Ok(())
    }
}

impl Map<GlobalAvgPool2d> for Cuda {
    type Kept = ();

    fn forward(
        &self,
        _: GlobalAvgPool2d,
        input: &Tensor4<Cuda>,
        _: bool,
    ) -> Result<(Tensor4<Cuda>, ()), CudaError> {
        let (images, channels, ..) = *input.shape();
        let (output, to) = zeros(self, (images, channels, 1, 1))?;
        let grid = Grid {
            blocks: ((images * channels).max(1), 1, 1),
            threads: 256,
        };
        let constants = pixels(*input.shape());
        let arguments = [Argument::tensor(input), to];
        // SAFETY: every channel has one block and one output value.
        unsafe { context().launch(&CHANNELS, "forward", &constants, grid, &arguments) }?;
        Ok((output, ()))
    }

    fn backward(
        &self,
        _: GlobalAvgPool2d,
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
        let (constants, grid) = (pixels(input), Grid::over(len(input)));
        // SAFETY: every channel of the input has one incoming gradient.
        unsafe { context().launch(&CHANNELS, "backward", &constants, grid, &arguments) }?;
        Ok(())
    }
}

fn pixels((_, _, height, width): Nchw) -> [Constant; 1] {
    [("PIXELS", (height * width) as i64)]
}
