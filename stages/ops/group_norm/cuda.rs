//! CUDA implementation of group normalization.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError, Storage};

use super::GroupNorm;
use crate::cuda::memory::zeros;
use crate::cuda::{Argument, Buffer, Constant, Grid, Source, context};
use crate::{Layer, LayerBackward, Nchw, Tensor4, len};

static KERNELS: Source = Source {
    name: "group_norm",
    code: include_str!("kernels.cu"),
};

/// Number of scratch floats per plane. The kernels that sum store two doubles for each.
const FLOATS_PER_PLANE: usize = 4;

impl Layer<GroupNorm> for Cuda {
    /// For every group of every image, the mean and 1 / √(variance + ε).
    type Kept = Buffer;

    fn forward(
        &self,
        op: GroupNorm,
        input: &Tensor4<Cuda>,
        weight: &Tensor4<Cuda>,
        bias: &Tensor4<Cuda>,
    ) -> Result<(Tensor4<Cuda>, Buffer), CudaError> {
        let shape = *input.shape();
        let (planes, groups, count) = (shape.0 * shape.1, shape.0 * op.groups, len(shape));
        let statistics: Buffer = self.try_alloc_len(2 * groups)?;
        let (output, to) = zeros(self, shape)?;
        let partial = context().scratch(FLOATS_PER_PLANE * planes)?;
        let moments = [Argument::tensor(input), partial.at(0)];
        let finish = [
            partial.at(0),
            Argument::buffer(&statistics),
            groups.into(),
            op.epsilon.into(),
        ];
        let normalize = [
            Argument::tensor(input),
            Argument::buffer(&statistics),
            Argument::tensor(weight),
            Argument::tensor(bias),
            to,
            count.into(),
        ];
        // SAFETY: input and output have this shape, the scratch memory holds two sums of every plane, and there
        // are a scale and a shift for every channel, and two statistics for every group.
        unsafe {
            launch("moments", shape, op, each_plane(planes), &moments)?;
            launch("finish_moments", shape, op, Grid::over(groups), &finish)?;
            launch("normalize", shape, op, Grid::over(count), &normalize)?;
        }
        Ok((output, statistics))
    }

    fn backward(
        &self,
        op: GroupNorm,
        statistics: Buffer,
        call: LayerBackward<'_, Cuda>,
    ) -> Result<(), CudaError> {
        let shape = *call.input.shape();
        let (planes, groups, count) = (shape.0 * shape.1, shape.0 * op.groups, len(shape));
        let partial = context().scratch(FLOATS_PER_PLANE * planes + 2 * groups)?;
        let sums = partial.at(FLOATS_PER_PLANE * planes);
        let (x, scale) = (Argument::tensor(call.input), Argument::tensor(call.weight));
        let statistics = Argument::buffer(&statistics);
        let incoming = Argument::buffer(&call.incoming);
        let moments = [x, statistics, incoming, partial.at(0)];
        // SAFETY: the input and its gradients have this shape, the scratch memory holds two sums of every plane
        // and of every group, and there are two parameters for every channel and two statistics for every group.
        unsafe {
            launch("gradient_moments", shape, op, each_plane(planes), &moments)?;
            if let Some((to_scale, to_shift)) = call.to_parameters {
                let arguments = [
                    partial.at(0),
                    Argument::buffer(to_scale),
                    Argument::buffer(to_shift),
                    shape.0.into(),
                ];
                let grid = Grid::over(shape.1);
                launch("parameter_gradient", shape, op, grid, &arguments)?;
            }
            if let Some(to_input) = call.to_input {
                let finish = [partial.at(0), scale, sums, groups.into()];
                launch("finish_gradient", shape, op, Grid::over(groups), &finish)?;
                let arguments = [
                    x,
                    statistics,
                    scale,
                    sums,
                    incoming,
                    Argument::buffer(to_input),
                    count.into(),
                ];
                launch("input_gradient", shape, op, Grid::over(count), &arguments)?;
            }
        }
        Ok(())
    }
}

/// One block for each plane.
fn each_plane(planes: usize) -> Grid {
    Grid {
        blocks: (planes.max(1), 1, 1),
        threads: 256,
    }
}

/// # Safety
/// The arguments must be those of the kernel, for tensors of this shape.
unsafe fn launch(
    kernel: &'static str,
    (_, channels, height, width): Nchw,
    op: GroupNorm,
    grid: Grid,
    arguments: &[Argument],
) -> Result<(), CudaError> {
    let constants: [Constant; 3] = [
        ("CHANNELS", channels as i64),
        ("PIXELS", (height * width) as i64),
        ("GROUP", (channels / op.groups) as i64),
    ];
    // SAFETY: the caller upholds the contract above.
    unsafe { context().launch(&KERNELS, kernel, &constants, grid, arguments) }?;
    Ok(())
}
