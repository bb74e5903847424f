//! The operations of optimizers that a device implements, and their constants.

use dfdx::tensor::Storage;

use super::Penalty;
use crate::Tensor4;

/// A device's implementation of optimizers. Updates a parameter and the moments of its gradient in place.
pub trait OptimizerKernel: Storage<f32> {
    /// `first` and `second` are the decaying means of g and of g².
    fn adam(
        &self,
        constants: Adam,
        parameter: &mut Tensor4<Self>,
        gradient: &Self::Vec,
        first: &mut Self::Vec,
        second: &mut Self::Vec,
    ) -> Result<(), Self::Err>;

    /// `square` is the decaying mean of g².
    fn rms_prop(
        &self,
        constants: RmsProp,
        parameter: &mut Tensor4<Self>,
        gradient: &Self::Vec,
        square: &mut Self::Vec,
        velocity: &mut Self::Vec,
    ) -> Result<(), Self::Err>;

    fn sgd(
        &self,
        constants: Sgd,
        parameter: &mut Tensor4<Self>,
        gradient: &Self::Vec,
        velocity: &mut Self::Vec,
    ) -> Result<(), Self::Err>;

    /// Multiplies all gradients by min(1, `most` / (n + 10⁻⁶)), where n is the Euclidean norm of all of their values
    /// together, as PyTorch's `clip_grad_norm_`. The squares are summed in double precision, in a fixed order.
    fn clip(&self, most: f32, gradients: &mut [Self::Vec]) -> Result<(), Self::Err>;

    /// Sets `average` to `decay`·`average` + (1 − `decay`)·`value`.
    fn average(
        &self,
        decay: f32,
        value: &Tensor4<Self>,
        average: &mut Tensor4<Self>,
    ) -> Result<(), Self::Err>;
}

/// The constants of one Adam step for one parameter.
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    pub learning_rate: f32,
    pub beta1: f32,
    pub beta2: f32,
    /// Added to the root of the corrected second moment.
    pub epsilon: f32,
    /// 1 − β₁ᵗ, where t is the number of this step, counted from 1.
    pub first_correction: f32,
    /// 1 − β₂ᵗ.
    pub second_correction: f32,
    /// Factor on the parameter before the step: 1 − lr · λ.
    pub remainder: f32,
    pub penalty: Penalty,
}

/// The constants of one RMSprop step for one parameter.
#[derive(Clone, Copy, Debug)]
pub struct RmsProp {
    pub learning_rate: f32,
    pub decay: f32,
    pub momentum: f32,
    pub epsilon: f32,
    pub penalty: Penalty,
}

/// The constants of one step of gradient descent for one parameter.
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    pub learning_rate: f32,
    pub momentum: f32,
    pub penalty: Penalty,
}
