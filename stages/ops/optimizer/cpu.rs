//! CPU implementation of optimizers.

use dfdx::tensor::{Cpu, CpuError, Storage};
use rayon::prelude::*;

use super::{Adam, OptimizerKernel, Penalty, RmsProp, Sgd};
use crate::Tensor4;
use crate::cpu::values::{values, values_mut};
use crate::cpu::{pieces, vectorized};

type Buffer = <Cpu as Storage<f32>>::Vec;

/// Values of a parameter per piece of work.
const PIECE: usize = 1 << 14;

impl OptimizerKernel for Cpu {
    fn adam(
        &self,
        constants: Adam,
        parameter: &mut Tensor4<Cpu>,
        gradient: &Buffer,
        first: &mut Buffer,
        second: &mut Buffer,
    ) -> Result<(), CpuError> {
        let Adam {
            beta1,
            beta2,
            epsilon,
            remainder,
            penalty,
            ..
        } = constants;
        let rate = constants.learning_rate / constants.first_correction;
        let root_correction = constants.second_correction.sqrt();
        let pieces = values_mut(parameter)
            .par_chunks_mut(PIECE)
            .zip(gradient.par_chunks(PIECE));
        let moments = first
            .par_chunks_mut(PIECE)
            .zip(second.par_chunks_mut(PIECE));
        pieces
            .zip(moments)
            .for_each(|((parameter, gradient), (first, second))| {
                vectorized(|| {
                    let values = parameter
                        .iter_mut()
                        .zip(gradient)
                        .zip(first.iter_mut().zip(second));
                    for ((w, &g), (m, v)) in values {
                        let g = penalty.add(g, *w);
                        *m = beta1 * *m + (1.0 - beta1) * g;
                        *v = beta2 * *v + (1.0 - beta2) * g * g;
                        *w = remainder * *w - rate * *m / (v.sqrt() / root_correction + epsilon);
                    }
                });
            });
        Ok(())
    }

    fn rms_prop(
        &self,
        RmsProp {
            learning_rate,
            decay,
            momentum,
            epsilon,
            penalty,
        }: RmsProp,
        parameter: &mut Tensor4<Cpu>,
        gradient: &Buffer,
        square: &mut Buffer,
        velocity: &mut Buffer,
    ) -> Result<(), CpuError> {
        let pieces = values_mut(parameter)
            .par_chunks_mut(PIECE)
            .zip(gradient.par_chunks(PIECE));
        let moments = square
            .par_chunks_mut(PIECE)
            .zip(velocity.par_chunks_mut(PIECE));
        pieces
            .zip(moments)
            .for_each(|((parameter, gradient), (square, velocity))| {
                vectorized(|| {
                    let values = parameter
                        .iter_mut()
                        .zip(gradient)
                        .zip(square.iter_mut().zip(velocity));
                    for ((w, &g), (s, v)) in values {
                        let g = penalty.add(g, *w);
                        *s = decay * *s + (1.0 - decay) * g * g;
                        *v = momentum * *v + g / (s.sqrt() + epsilon);
                        *w -= learning_rate * *v;
                    }
                });
            });
        Ok(())
    }

    fn sgd(
        &self,
        Sgd {
            learning_rate,
            momentum,
            penalty,
        }: Sgd,
        parameter: &mut Tensor4<Cpu>,
        gradient: &Buffer,
        velocity: &mut Buffer,
    ) -> Result<(), CpuError> {
        let pieces = values_mut(parameter)
            .par_chunks_mut(PIECE)
            .zip(gradient.par_chunks(PIECE));
        pieces
            .zip(velocity.par_chunks_mut(PIECE))
            .for_each(|((parameter, gradient), velocity)| {
                for ((w, &g), v) in parameter.iter_mut().zip(gradient).zip(velocity) {
                    *v = momentum * *v + penalty.add(g, *w);
                    *w -= learning_rate * *v;
                }
            });
        Ok(())
    }

    fn clip(&self, most: f32, gradients: &mut [Buffer]) -> Result<(), CpuError> {
        let squares: f64 = gradients
            .iter()
            .map(|gradient| sum_of_squares(gradient))
            .sum();
        let factor = f64::from(most) / (squares.sqrt() + 1e-6);
        // NaN must not count as 1.
        let factor = if factor >= 1.0 { 1.0 } else { factor as f32 };
        for gradient in gradients {
            pieces::indexed(gradient, |_, gradient| {
                gradient.iter_mut().for_each(|value| *value *= factor);
            });
        }
        Ok(())
    }

    fn average(
        &self,
        decay: f32,
        value: &Tensor4<Cpu>,
        average: &mut Tensor4<Cpu>,
    ) -> Result<(), CpuError> {
        pieces::zip(values_mut(average), values(value), |average, value| {
            average
                .iter_mut()
                .zip(value)
                .for_each(|(average, value)| *average = decay * *average + (1.0 - decay) * value);
        });
        Ok(())
    }
}

/// Returns the sum of the squares, added piece by piece in order.
fn sum_of_squares(values: &[f32]) -> f64 {
    let pieces = values.par_chunks(PIECE);
    let sums: Vec<f64> = pieces
        .map(|piece| piece.iter().map(|&value| f64::from(value).powi(2)).sum())
        .collect();
    sums.into_iter().sum()
}

impl Penalty {
    /// Returns the gradient plus the gradient of the penalty. The derivative of |w| at 0 counts as 0.
    #[inline(always)]
    fn add(&self, gradient: f32, w: f32) -> f32 {
        let sign = if w > 0.0 {
            1.0
        } else if w < 0.0 {
            -1.0
        } else {
            0.0
        };
        gradient + self.l1 * sign + 2.0 * self.l2 * w
    }
}
