//! CUDA implementation of batch normalization.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError, Storage};

use super::{BatchNorm, BatchNormKernel, RunningStats};
use crate::cuda::layer::slices;
use crate::cuda::memory::zeros;
use crate::cuda::{Argument, Buffer, Constant, Grid, Source, context};
use crate::{Nchw, Tensor4, len};

static KERNELS: Source = Source {
    name: "batch_norm",
    code: include_str!("kernels.cu"),
};

/// Threads per block of the kernels that sum; equal to `THREADS` in `kernels.cu`.
const THREADS: usize = 256;

/// Number of scratch floats per block of a sum. Each block stores two doubles.
const FLOATS_PER_BLOCK: usize = 4;

impl BatchNormKernel for Cuda {
    /// The channels' means, followed by their 1 / √(variance + ε).
    type Statistics = Buffer;

    fn normalize_by_batch(
        &self,
        op: BatchNorm,
        x: &Tensor4<Cuda>,
        scale: &Tensor4<Cuda>,
        shift: &Tensor4<Cuda>,
        running: &mut RunningStats<Cuda>,
    ) -> Result<(Tensor4<Cuda>, Buffer), CudaError> {
        let shape = *x.shape();
        let statistics: Buffer = self.try_alloc_len(2 * shape.1)?;
        let sum = Sum::over(shape);
        {
            let partial = context().scratch(sum.scratch(shape))?;
            let moments = [Argument::tensor(x), partial.at(0), shape.0.into()];
            let finish = [
                partial.at(0),
                Argument::buffer(&statistics),
                Argument::tensor(&running.mean),
                Argument::tensor(&running.variance),
                sum.slices.into(),
                shape.0.into(),
                op.momentum.into(),
                op.epsilon.into(),
            ];
            // SAFETY: x has this shape, the scratch memory holds the partial sums of every block, and the
            // other arrays have one value per channel (statistics two).
            unsafe {
                launch("moments", shape, sum.grid(shape), &moments)?;
                launch("finish_moments", shape, Grid::over(shape.1), &finish)?;
            }
        }
        let output = normalize(self, x, &statistics, scale, shift)?;
        Ok((output, statistics))
    }

    fn normalize_by_batch_backward(
        &self,
        x: &Tensor4<Cuda>,
        scale: &Tensor4<Cuda>,
        statistics: Buffer,
        incoming: Buffer,
        to_input: Option<&mut Buffer>,
        to_parameters: Option<(&mut Buffer, &mut Buffer)>,
    ) -> Result<(), CudaError> {
        let shape = *x.shape();
        let (images, channels, height, width) = shape;
        let sum = Sum::over(shape);
        let left = sum.scratch(shape);
        let partial = context().scratch(left + 2 * channels)?;
        let sums = partial.at(left);
        let (to_scale, to_shift) = match to_parameters {
            Some((scale, shift)) => (Argument::buffer(scale), Argument::buffer(shift)),
            None => (Argument::Pointer(0), Argument::Pointer(0)),
        };
        let moments = [
            Argument::tensor(x),
            Argument::buffer(&statistics),
            Argument::buffer(&incoming),
            partial.at(0),
            images.into(),
        ];
        let finish = [partial.at(0), sums, to_scale, to_shift, sum.slices.into()];
        // SAFETY: x and its gradients have this shape, the scratch memory holds the partial sums of every
        // block, and the other arrays have one value per channel (statistics and sums two).
        unsafe {
            launch("gradient_moments", shape, sum.grid(shape), &moments)?;
            launch("finish_gradient", shape, Grid::over(channels), &finish)?;
            if let Some(to_input) = to_input {
                let arguments = [
                    Argument::tensor(x),
                    Argument::buffer(&statistics),
                    Argument::tensor(scale),
                    sums,
                    Argument::buffer(&incoming),
                    Argument::buffer(to_input),
                    len(shape).into(),
                    Argument::Float((images * height * width) as f32),
                ];
                launch("input_gradient", shape, Grid::over(len(shape)), &arguments)?;
            }
        }
        Ok(())
    }

    fn normalize_by_running(
        &self,
        op: BatchNorm,
        x: &Tensor4<Cuda>,
        scale: &Tensor4<Cuda>,
        shift: &Tensor4<Cuda>,
        running: &RunningStats<Cuda>,
    ) -> Result<Tensor4<Cuda>, CudaError> {
        let mean = Argument::tensor(&running.mean);
        let statistics = running_statistics(self, op, mean, &running.variance, *x.shape())?;
        normalize(self, x, &statistics, scale, shift)
    }

    fn normalize_by_running_backward(
        &self,
        op: BatchNorm,
        scale: &Tensor4<Cuda>,
        variance: &Tensor4<Cuda>,
        shape: Nchw,
        incoming: Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CudaError> {
        // The gradient does not depend on the mean, so `variance` takes its place.
        let statistics = running_statistics(self, op, Argument::tensor(variance), variance, shape)?;
        let arguments = [
            Argument::buffer(&statistics),
            Argument::tensor(scale),
            Argument::buffer(&incoming),
            Argument::buffer(to_input),
            len(shape).into(),
        ];
        // SAFETY: both gradients have this shape, and the other arrays have one value per channel (statistics
        // two).
        unsafe {
            launch(
                "running_gradient",
                shape,
                Grid::over(len(shape)),
                &arguments,
            )
        }
    }
}

/// Splits the sum over a channel's values among blocks.
struct Sum {
    /// Blocks per channel.
    slices: usize,
}

impl Sum {
    fn over((images, channels, height, width): Nchw) -> Self {
        Self {
            slices: slices(images * height * width, channels, context().multiprocessors),
        }
    }

    fn grid(&self, shape: Nchw) -> Grid {
        Grid {
            // Channels are distributed along x, because the other axes allow too few blocks.
            blocks: (shape.1, self.slices, 1),
            threads: THREADS,
        }
    }

    fn scratch(&self, shape: Nchw) -> usize {
        FLOATS_PER_BLOCK * self.slices * shape.1
    }
}

fn normalize(
    cuda: &Cuda,
    x: &Tensor4<Cuda>,
    statistics: &Buffer,
    scale: &Tensor4<Cuda>,
    shift: &Tensor4<Cuda>,
) -> Result<Tensor4<Cuda>, CudaError> {
    let shape = *x.shape();
    let (output, to) = zeros(cuda, shape)?;
    let arguments = [
        Argument::tensor(x),
        Argument::buffer(statistics),
        Argument::tensor(scale),
        Argument::tensor(shift),
        to,
        len(shape).into(),
    ];
    // SAFETY: x and output have this shape, and the other arrays have one value per channel (statistics two).
    unsafe { launch("normalize", shape, Grid::over(len(shape)), &arguments) }?;
    Ok(output)
}

fn running_statistics(
    cuda: &Cuda,
    op: BatchNorm,
    mean: Argument,
    variance: &Tensor4<Cuda>,
    shape: Nchw,
) -> Result<Buffer, CudaError> {
    let statistics: Buffer = cuda.try_alloc_len(2 * shape.1)?;
    let arguments = [
        mean,
        Argument::tensor(variance),
        Argument::buffer(&statistics),
        op.epsilon.into(),
    ];
    // SAFETY: every array has one value per channel (statistics two).
    unsafe { launch("running_statistics", shape, Grid::over(shape.1), &arguments) }?;
    Ok(statistics)
}

/// # Safety
/// The arguments must be those of the kernel, for tensors of this shape.
unsafe fn launch(
    kernel: &'static str,
    (_, channels, height, width): Nchw,
    grid: Grid,
    arguments: &[Argument],
) -> Result<(), CudaError> {
    let constants: [Constant; 2] = [
        ("CHANNELS", channels as i64),
        ("PIXELS", (height * width) as i64),
    ];
    // SAFETY: the caller upholds the contract above.
    unsafe { context().launch(&KERNELS, kernel, &constants, grid, arguments) }?;
    Ok(())
}
