//! CPU implementation of activation functions.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, Storage, TensorFromVec};

use crate::cpu::activation::{add_bias, chain, fill, hard_sigmoid, multiply, sigmoid};
use crate::cpu::pieces;
use crate::cpu::values::values;
use crate::{Activation, Map, Nchw, Tensor4};

type Buffer = <Cpu as Storage<f32>>::Vec;

impl Map<Activation> for Cpu {
    /// Output of a fusible function, input of another one.
    type Kept = Tensor4<Cpu>;

    fn forward(
        &self,
        op: Activation,
        input: &Tensor4<Cpu>,
        _: bool,
    ) -> Result<(Tensor4<Cpu>, Self::Kept), CpuError> {
        let input_values = values(input);
        let mut output = pieces::zeros(input_values.len());
        pieces::zip(&mut output, input_values, |to, from| match op {
            Activation::Silu => fill(from, to, |x| x * sigmoid(x)),
            Activation::Gelu => fill(from, to, |x| x * normal(x)),
            Activation::HardSwish => fill(from, to, |x| x * hard_sigmoid(x)),
            fusible => add_bias(fusible, 0.0, from, to),
        });
        let output = self.try_tensor_from_vec(output, *input.shape())?;
        let kept = if op.is_fusible() { &output } else { input }.clone();
        Ok((output, kept))
    }

    fn backward(
        &self,
        op: Activation,
        kept: Self::Kept,
        _: Nchw,
        mut incoming: Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CpuError> {
        pieces::zip(&mut incoming, values(&kept), |gradient, kept| match op {
            Activation::Silu => multiply(kept, gradient, silu_derivative),
            Activation::Gelu => multiply(kept, gradient, |x| normal(x) + x * density(x)),
            Activation::HardSwish => multiply(kept, gradient, hard_swish_derivative),
            fusible => chain(fusible, kept, gradient),
        });
        pieces::add(to_input, &incoming);
        Ok(())
    }
}

#[inline(always)]
fn silu_derivative(x: f32) -> f32 {
    let share = sigmoid(x);
    share * (1.0 + x * (1.0 - share))
}

#[inline(always)]
fn hard_swish_derivative(x: f32) -> f32 {
    if x <= -3.0 {
        0.0
    } else if x < 3.0 {
        x / 3.0 + 0.5
    } else {
        1.0
    }
}

/// Returns the probability that a value of the standard normal distribution is at most `x`. The error function's
/// complement is exact even where 1 + erf is close to 0.
fn normal(x: f32) -> f32 {
    0.5 * libm::erfcf(-x * FRAC_1_SQRT_2)
}

/// Returns the density of the standard normal distribution.
fn density(x: f32) -> f32 {
    0.5 * FRAC_1_SQRT_2 * FRAC_2_SQRT_PI * (-0.5 * x * x).exp()
}
