//! CPU implementation of group normalization.

use std::ops::Range;

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, TensorFromVec};
use rayon::prelude::*;

use super::GroupNorm;
use crate::cpu::pieces::{self, add, at_least, sum, sum_by};
use crate::cpu::values::values;
use crate::cpu::vectorized;
use crate::{Layer, LayerBackward, Nchw, Tensor4};

/// Mean and 1 / √(variance + ε) of every group of every image.
pub struct Statistics {
    mean: Vec<f32>,
    inverse_deviation: Vec<f32>,
}

/// The planes of a tensor, which are the channels of its images.
#[derive(Clone, Copy)]
struct Planes {
    channels: usize,
    /// Values in a plane.
    size: usize,
    /// Planes in a group.
    group: usize,
}

impl Layer<GroupNorm> for Cpu {
    type Kept = Statistics;

    fn forward(
        &self,
        op: GroupNorm,
        input: &Tensor4<Cpu>,
        weight: &Tensor4<Cpu>,
        bias: &Tensor4<Cpu>,
    ) -> Result<(Tensor4<Cpu>, Statistics), CpuError> {
        let (planes, x) = (Planes::of(*input.shape(), op), values(input));
        let (scale, shift) = (values(weight), values(bias));
        let count = planes.values_per_group();
        let sums = planes.each(x.len(), |_, part| sum(&x[part]));
        let mean = planes.per_group(&sums, |_, sum| sum, |sum| (sum / count) as f32);
        let squares = planes.each(x.len(), |plane, part| {
            let mean = mean[plane / planes.group];
            sum_by(&x[part.clone()], &x[part], |x, _| (x - mean) * (x - mean))
        });
        let inverse_deviation = planes.per_group(
            &squares,
            |_, sum| sum,
            |sum| 1.0 / ((sum / count) as f32 + op.epsilon).sqrt(),
        );
        let mut output = pieces::zeros(x.len());
        planes.fill(&mut output, |plane, part, to| {
            let (group, channel) = planes.place(plane);
            let (mean, shift) = (mean[group], shift[channel]);
            let factor = inverse_deviation[group] * scale[channel];
            to.iter_mut()
                .zip(&x[part])
                .for_each(|(to, x)| *to = (x - mean) * factor + shift);
        });
        let output = self.try_tensor_from_vec(output, *input.shape())?;
        let statistics = Statistics {
            mean,
            inverse_deviation,
        };
        Ok((output, statistics))
    }

    /// With x̂ the normalized input, σ the deviation and m the number of values in a group:
    /// dx = (s·dy − (Σ s·dy + x̂·Σ s·dy·x̂) / m) / σ, where s is the scale of each channel.
    fn backward(
        &self,
        op: GroupNorm,
        statistics: Statistics,
        call: LayerBackward<'_, Cpu>,
    ) -> Result<(), CpuError> {
        let Statistics {
            mean,
            inverse_deviation,
        } = statistics;
        let (planes, x) = (Planes::of(*call.input.shape(), op), values(call.input));
        let (scale, incoming): (_, &[f32]) = (values(call.weight), &call.incoming);
        let shifts = planes.each(x.len(), |_, part| sum(&incoming[part]));
        let scales = planes.each(x.len(), |plane, part| {
            let group = plane / planes.group;
            let mean = mean[group];
            let product = sum_by(&incoming[part.clone()], &x[part], |dy, x| dy * (x - mean));
            product * inverse_deviation[group]
        });
        if let Some((to_scale, to_shift)) = call.to_parameters {
            add(to_scale, &planes.per_channel(&scales));
            add(to_shift, &planes.per_channel(&shifts));
        }
        if let Some(to_input) = call.to_input {
            let count = planes.values_per_group();
            let scaled = |plane: usize, sum: f64| f64::from(scale[plane % planes.channels]) * sum;
            let constants = planes.per_group(&shifts, scaled, |sum| (sum / count) as f32);
            let slopes = planes.per_group(&scales, scaled, |sum| (sum / count) as f32);
            planes.fill(to_input, |plane, part, to| {
                let (group, channel) = planes.place(plane);
                let (mean, inverse) = (mean[group], inverse_deviation[group]);
                let (scale, constant) = (scale[channel], constants[group]);
                let slope = slopes[group] * inverse;
                for ((to, dy), x) in to.iter_mut().zip(&incoming[part.clone()]).zip(&x[part]) {
                    *to += inverse * (scale * dy - constant - slope * (x - mean));
                }
            });
        }
        Ok(())
    }
}

impl Planes {
    fn of((_, channels, height, width): Nchw, op: GroupNorm) -> Self {
        Self {
            channels,
            size: height * width,
            group: channels / op.groups,
        }
    }

    fn values_per_group(&self) -> f64 {
        (self.group * self.size) as f64
    }

    /// Returns the group (counted over all images) and the channel of a plane.
    fn place(&self, plane: usize) -> (usize, usize) {
        (plane / self.group, plane % self.channels)
    }

    /// Computes one value per plane, planes in parallel, from the plane's index and the range of its values.
    fn each(&self, len: usize, f: impl Fn(usize, Range<usize>) -> f32 + Sync) -> Vec<f32> {
        (0..len / self.size)
            .into_par_iter()
            .with_min_len(at_least(self.size))
            .map(|plane| vectorized(|| f(plane, plane * self.size..(plane + 1) * self.size)))
            .collect()
    }

    /// Calls `f` for every plane, in parallel, with its index, the range of its values, and the matching part of `to`.
    fn fill(&self, to: &mut [f32], f: impl Fn(usize, Range<usize>, &mut [f32]) + Sync) {
        to.par_chunks_mut(self.size)
            .enumerate()
            .with_min_len(at_least(self.size))
            .for_each(|(plane, to)| {
                let first = plane * self.size;
                vectorized(|| f(plane, first..first + self.size, to));
            });
    }

    /// Sums a function of every plane's value over each group, and returns a function of each sum.
    fn per_group(
        &self,
        of_planes: &[f32],
        f: impl Fn(usize, f64) -> f64,
        finish: impl Fn(f64) -> f32,
    ) -> Vec<f32> {
        let groups = of_planes.chunks_exact(self.group).enumerate();
        groups
            .map(|(group, values)| {
                let planes = values.iter().zip(group * self.group..);
                finish(planes.map(|(&value, plane)| f(plane, value.into())).sum())
            })
            .collect()
    }

    /// Sums every channel's value over all images.
    fn per_channel(&self, of_planes: &[f32]) -> Vec<f32> {
        let mut sums = vec![0.0; self.channels];
        for image in of_planes.chunks_exact(self.channels) {
            let values = sums.iter_mut().zip(image);
            values.for_each(|(sum, &value)| *sum += f64::from(value));
        }
        sums.into_iter().map(|sum| sum as f32).collect()
    }
}
