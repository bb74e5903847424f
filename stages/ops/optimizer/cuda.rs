//! CUDA implementation of optimizers.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError, Storage};

use super::{Adam, OptimizerKernel, RmsProp, Sgd};
use crate::cuda::{Argument, Buffer, Grid, Source, context};
use crate::{Tensor4, len};

static KERNELS: Source = Source {
    name: "optimizer",
    code: include_str!("kernels.cu"),
};

/// Threads per block of the kernels that sum; equal to `THREADS` in `kernels.cu`.
const THREADS: usize = 256;

/// Number of scratch floats per block of a sum. Each block stores a double.
const FLOATS_PER_BLOCK: usize = 2;

impl OptimizerKernel for Cuda {
    fn adam(
        &self,
        constants: Adam,
        parameter: &mut Tensor4<Cuda>,
        gradient: &Buffer,
        first: &mut Buffer,
        second: &mut Buffer,
    ) -> Result<(), CudaError> {
        let count = len(*parameter.shape());
        let arguments = [
            Argument::tensor(parameter),
            Argument::buffer(gradient),
            Argument::buffer(first),
            Argument::buffer(second),
            count.into(),
            (constants.learning_rate / constants.first_correction).into(),
            constants.beta1.into(),
            constants.beta2.into(),
            constants.epsilon.into(),
            constants.second_correction.sqrt().into(),
            constants.remainder.into(),
            constants.penalty.l1.into(),
            constants.penalty.l2.into(),
        ];
        // SAFETY: all hold as many values as the parameter.
        unsafe { context().launch(&KERNELS, "adam", &[], Grid::over(count), &arguments) }?;
        Ok(())
    }

    fn rms_prop(
        &self,
        constants: RmsProp,
        parameter: &mut Tensor4<Cuda>,
        gradient: &Buffer,
        square: &mut Buffer,
        velocity: &mut Buffer,
    ) -> Result<(), CudaError> {
        let count = len(*parameter.shape());
        let arguments = [
            Argument::tensor(parameter),
            Argument::buffer(gradient),
            Argument::buffer(square),
            Argument::buffer(velocity),
            count.into(),
            constants.learning_rate.into(),
            constants.decay.into(),
            constants.momentum.into(),
            constants.epsilon.into(),
            constants.penalty.l1.into(),
            constants.penalty.l2.into(),
        ];
        // SAFETY: all hold as many values as the parameter.
        unsafe { context().launch(&KERNELS, "rms_prop", &[], Grid::over(count), &arguments) }?;
        Ok(())
    }

    fn sgd(
        &self,
        constants: Sgd,
        parameter: &mut Tensor4<Cuda>,
        gradient: &Buffer,
        velocity: &mut Buffer,
    ) -> Result<(), CudaError> {
        let count = len(*parameter.shape());
        let arguments = [
            Argument::tensor(parameter),
            Argument::buffer(gradient),
            Argument::buffer(velocity),
            count.into(),
            constants.learning_rate.into(),
            constants.momentum.into(),
            constants.penalty.l1.into(),
            constants.penalty.l2.into(),
        ];
        // SAFETY: all hold as many values as the parameter.
        unsafe { context().launch(&KERNELS, "sgd", &[], Grid::over(count), &arguments) }?;
        Ok(())
    }

    fn clip(&self, most: f32, gradients: &mut [Buffer]) -> Result<(), CudaError> {
        let counts: Vec<usize> = gradients
            .iter()
            .map(|gradient| Storage::<f32>::len(self, gradient))
            .collect();
        let blocks: Vec<usize> = counts.iter().map(|&count| blocks(count)).collect();
        let total: usize = blocks.iter().sum();
        let scratch = context().scratch(FLOATS_PER_BLOCK * total + 1)?;
        let factor = scratch.at(FLOATS_PER_BLOCK * total);
        let mut first = 0;
        for ((gradient, &count), blocks) in gradients.iter().zip(&counts).zip(blocks) {
            let grid = Grid {
                blocks: (blocks, 1, 1),
                threads: THREADS,
            };
            let partial = scratch.at(FLOATS_PER_BLOCK * first);
            let arguments = [Argument::buffer(gradient), partial, count.into()];
            // SAFETY: the scratch memory holds the sum of every block.
            unsafe { context().launch(&KERNELS, "squares", &[], grid, &arguments) }?;
            first += blocks;
        }
        let one_block = Grid {
            blocks: (1, 1, 1),
            threads: THREADS,
        };
        let arguments = [scratch.at(0), factor, total.into(), most.into()];
        // SAFETY: the scratch memory holds the sums of all blocks and the factor.
        unsafe { context().launch(&KERNELS, "clip_factor", &[], one_block, &arguments) }?;
        for (gradient, count) in gradients.iter().zip(counts) {
            let arguments = [Argument::buffer(gradient), factor, count.into()];
            // SAFETY: the gradient has `count` values.
            unsafe { context().launch(&KERNELS, "multiply", &[], Grid::over(count), &arguments) }?;
        }
        Ok(())
    }

    fn average(
        &self,
        decay: f32,
        value: &Tensor4<Cuda>,
        average: &mut Tensor4<Cuda>,
    ) -> Result<(), CudaError> {
        let count = len(*value.shape());
        let arguments = [
            Argument::tensor(value),
            Argument::tensor(average),
            count.into(),
            decay.into(),
        ];
        // SAFETY: both have the same shape, and no other tensor shares the memory of the average.
        unsafe { context().launch(&KERNELS, "average", &[], Grid::over(count), &arguments) }?;
        Ok(())
    }
}

/// Number of blocks that sum the squares of `count` values. It depends on nothing else, so that equal gradients have
/// equal norms on all GPUs.
fn blocks(count: usize) -> usize {
    count.div_ceil(THREADS * 16).clamp(1, 256)
}
