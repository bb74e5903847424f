//! CPU implementation of batch normalization.

use std::ops::Range;

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, Storage, TensorFromVec};
use rayon::prelude::*;

use super::{BatchNorm, BatchNormKernel, RunningStats};
use crate::cpu::pieces;
use crate::cpu::pieces::{add, sum, sum_by};
use crate::cpu::values::{values, values_mut};
use crate::cpu::vectorized;
use crate::{Nchw, Tensor4};

type Buffer = <Cpu as Storage<f32>>::Vec;

/// Mean and 1 / √(variance + ε) of every channel.
pub struct Statistics {
    mean: Vec<f32>,
    inverse_deviation: Vec<f32>,
}

impl BatchNormKernel for Cpu {
    type Statistics = Statistics;

    fn normalize_by_batch(
        &self,
        op: BatchNorm,
        x: &Tensor4<Cpu>,
        scale: &Tensor4<Cpu>,
        shift: &Tensor4<Cpu>,
        running: &mut RunningStats<Cpu>,
    ) -> Result<(Tensor4<Cpu>, Statistics), CpuError> {
        let (shape, from) = (*x.shape(), values(x));
        let count = (shape.0 * shape.2 * shape.3) as f64;
        let mean = per_channel(shape, |channel| {
            sum_channel(shape, channel, |part| sum(&from[part])) / count
        });
        let variance = per_channel(shape, |channel| {
            let mean = mean[channel];
            sum_channel(shape, channel, |part| {
                sum_by(&from[part.clone()], &from[part], |x, _| {
                    (x - mean) * (x - mean)
                })
            }) / count
        });
        for (running, batch) in [
            (&mut running.mean, &mean),
            (&mut running.variance, &variance),
        ] {
            for (running, batch) in values_mut(running).iter_mut().zip(batch) {
                *running = op.momentum * *running + (1.0 - op.momentum) * batch;
            }
        }
        let statistics = Statistics {
            inverse_deviation: inverse_deviation(&variance, op.epsilon),
            mean,
        };
        Ok((normalize(self, x, scale, shift, &statistics)?, statistics))
    }

    /// With x̂ the normalized input, σ the deviation and m the number of values in a channel:
    /// dx = scale / σ · (dy − (Σdy + x̂·Σ(dy·x̂)) / m).
    fn normalize_by_batch_backward(
        &self,
        x: &Tensor4<Cpu>,
        scale: &Tensor4<Cpu>,
        Statistics {
            mean,
            inverse_deviation,
        }: Statistics,
        incoming: Buffer,
        to_input: Option<&mut Buffer>,
        to_parameters: Option<(&mut Buffer, &mut Buffer)>,
    ) -> Result<(), CpuError> {
        let (shape, x) = (*x.shape(), values(x));
        let incoming: &[f32] = &incoming;
        let to_shift = per_channel(shape, |channel| {
            sum_channel(shape, channel, |part| sum(&incoming[part]))
        });
        let to_scale = per_channel(shape, |channel| {
            let mean = mean[channel];
            let centred = |part: Range<usize>| {
                sum_by(&incoming[part.clone()], &x[part], |dy, x| dy * (x - mean))
            };
            sum_channel(shape, channel, centred) * f64::from(inverse_deviation[channel])
        });
        if let Some(to_input) = to_input {
            let scale = values(scale);
            let count = (shape.0 * shape.2 * shape.3) as f32;
            each_channel(shape, to_input, |channel, part, to| {
                let (mean, inverse_deviation) = (mean[channel], inverse_deviation[channel]);
                let (constant, slope) = (
                    to_shift[channel] / count,
                    to_scale[channel] / count * inverse_deviation,
                );
                let factor = scale[channel] * inverse_deviation;
                for ((to, dy), x) in to.iter_mut().zip(&incoming[part.clone()]).zip(&x[part]) {
                    *to += factor * (dy - constant - slope * (x - mean));
                }
            });
        }
        if let Some((scale, shift)) = to_parameters {
            add(scale, &to_scale);
            add(shift, &to_shift);
        }
        Ok(())
    }

    fn normalize_by_running(
        &self,
        op: BatchNorm,
        x: &Tensor4<Cpu>,
        scale: &Tensor4<Cpu>,
        shift: &Tensor4<Cpu>,
        running: &RunningStats<Cpu>,
    ) -> Result<Tensor4<Cpu>, CpuError> {
        let statistics = Statistics {
            mean: values(&running.mean).to_vec(),
            inverse_deviation: inverse_deviation(values(&running.variance), op.epsilon),
        };
        normalize(self, x, scale, shift, &statistics)
    }

    fn normalize_by_running_backward(
        &self,
        op: BatchNorm,
        scale: &Tensor4<Cpu>,
        variance: &Tensor4<Cpu>,
        shape: Nchw,
        incoming: Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CpuError> {
        let inverse_deviation = inverse_deviation(values(variance), op.epsilon);
        let scale = values(scale);
        each_channel(shape, to_input, |channel, part, to| {
            let factor = scale[channel] * inverse_deviation[channel];
            to.iter_mut()
                .zip(&incoming[part])
                .for_each(|(to, dy)| *to += factor * dy);
        });
        Ok(())
    }
}

fn normalize(
    cpu: &Cpu,
    x: &Tensor4<Cpu>,
    scale: &Tensor4<Cpu>,
    shift: &Tensor4<Cpu>,
    Statistics {
        mean,
        inverse_deviation,
    }: &Statistics,
) -> Result<Tensor4<Cpu>, CpuError> {
    let (from, scale, shift) = (values(x), values(scale), values(shift));
    let mut output = pieces::zeros(from.len());
    each_channel(*x.shape(), &mut output, |channel, part, to| {
        let (mean, factor, shift) = (
            mean[channel],
            inverse_deviation[channel] * scale[channel],
            shift[channel],
        );
        to.iter_mut()
            .zip(&from[part])
            .for_each(|(to, x)| *to = (x - mean) * factor + shift);
    });
    cpu.try_tensor_from_vec(output, *x.shape())
}

fn inverse_deviation(variance: &[f32], epsilon: f32) -> Vec<f32> {
    variance
        .iter()
        .map(|variance| 1.0 / (variance + epsilon).sqrt())
        .collect()
}

/// Computes one value per channel, channels in parallel.
fn per_channel((_, channels, ..): Nchw, f: impl Fn(usize) -> f64 + Sync) -> Vec<f32> {
    (0..channels)
        .into_par_iter()
        .map(|channel| f(channel) as f32)
        .collect()
}

/// Sums `f` over a channel's range in every image.
fn sum_channel(
    (images, channels, h, w): Nchw,
    channel: usize,
    f: impl Fn(Range<usize>) -> f32,
) -> f64 {
    let part = |image: usize| {
        (image * channels + channel) * h * w..(image * channels + channel + 1) * h * w
    };
    (0..images)
        .map(|image| f64::from(vectorized(|| f(part(image)))))
        .sum()
}

/// Calls `f` for every channel of every image, images in parallel, with the channel's index, the range of its
/// values, and the matching part of `to`.
fn each_channel(
    (_, channels, h, w): Nchw,
    to: &mut [f32],
    f: impl Fn(usize, Range<usize>, &mut [f32]) + Sync,
) {
    let (channel_size, image_size) = (h * w, channels * h * w);
    to.par_chunks_mut(image_size)
        .enumerate()
        .for_each(|(image, to)| {
            for (channel, to) in to.chunks_exact_mut(channel_size).enumerate() {
                let first = image * image_size + channel * channel_size;
                vectorized(|| f(channel, first..first + channel_size, to));
            }
        });
}
