//! CUDA implementation of optimizers.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cuda, CudaError};

use super::{Adam, OptimizerKernel, Sgd};
use crate::cuda::{Argument, Buffer, Grid, Source, context};
use crate::{Tensor4, len};

static KERNELS: Source = Source {
    name: "optimizer",
    code: include_str!("kernels.cu"),
};

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
            constants.penalty.l1.into(),
            constants.penalty.l2.into(),
        ];
        // SAFETY: all hold as many values as the parameter.
        unsafe { context().launch(&KERNELS, "adam", &[], Grid::over(count), &arguments) }?;
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
}
