//! CPU implementation of max pooling.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, Storage, TensorFromVec};
use rayon::prelude::*;

use super::MaxPool2d;
use crate::cpu::pieces;
use crate::cpu::values::values;
use crate::cpu::vectorized;
use crate::{Map, Nchw, Pool2d, Tensor4, len};

type Buffer = <Cpu as Storage<f32>>::Vec;

impl Map<MaxPool2d> for Cpu {
    /// For every window, the index of its maximum in the channel.
    type Kept = Vec<u32>;

    fn forward(
        &self,
        MaxPool2d(op): MaxPool2d,
        input: &Tensor4<Cpu>,
        keep: bool,
    ) -> Result<(Tensor4<Cpu>, Self::Kept), CpuError> {
        let (_, _, height, width) = *input.shape();
        assert!(
            u32::try_from(height * width).is_ok(),
            "a channel of fewer than 2³² values"
        );
        let shape = op.output_shape(*input.shape());
        let windows = shape.2 * shape.3;
        let mut output = pieces::zeros(len(shape));
        let mut places = vec![0; if keep { output.len() } else { 0 }];
        let planes = output
            .par_chunks_mut(windows)
            .zip(values(input).par_chunks(height * width));
        let rows = |channel: &[f32], to: &mut [f32], places: &mut [u32]| {
            let rows = to
                .chunks_exact_mut(shape.3)
                .zip(places.chunks_exact_mut(shape.3));
            rows.enumerate().for_each(|(row, (to, places))| {
                vectorized(|| maxima(op, channel, width, row, to, places));
            });
        };
        if keep {
            planes
                .zip(places.par_chunks_mut(windows))
                .for_each(|((to, channel), places)| rows(channel, to, places));
        } else {
            planes.for_each_init(
                || vec![0; windows],
                |places, (to, channel)| rows(channel, to, places),
            );
        }
        Ok((self.try_tensor_from_vec(output, shape)?, places))
    }

    fn backward(
        &self,
        MaxPool2d(op): MaxPool2d,
        places: Self::Kept,
        input: Nchw,
        incoming: Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CpuError> {
        let (_, _, height, width) = input;
        let (_, _, rows, columns) = op.output_shape(input);
        let gradients = incoming
            .par_chunks(rows * columns)
            .zip(places.par_chunks(rows * columns));
        to_input
            .par_chunks_mut(height * width)
            .zip(gradients)
            .for_each(|(to, (gradients, places))| {
                for (gradient, &place) in gradients.iter().zip(places) {
                    to[place as usize] += gradient;
                }
            });
        Ok(())
    }
}

/// Writes the maxima of a row of windows, and their indices in the channel.
#[inline(always)]
fn maxima(
    op: Pool2d,
    channel: &[f32],
    width: usize,
    row: usize,
    to: &mut [f32],
    places: &mut [u32],
) {
    let places = &mut places[..to.len()];
    for (column, (to, place)) in to.iter_mut().zip(places.iter_mut()).enumerate() {
        let first = row * op.stride[0] * width + column * op.stride[1];
        (*to, *place) = (channel[first], first as u32);
    }
    for y in 0..op.kernel[0] {
        let first = (row * op.stride[0] + y) * width;
        let line = &channel[first..first + width];
        match op {
            // The compiler vectorizes the loop if it knows the size.
            Pool2d {
                kernel: [2, 2],
                stride: [2, 2],
            } => side_by_side::<2>(line, first, to, places),
            Pool2d {
                kernel: [_, kernel],
                stride: [_, stride],
            } => {
                for x in 0..kernel {
                    let met = line[x..]
                        .iter()
                        .step_by(stride)
                        .zip((first + x..).step_by(stride));
                    let best = to.iter_mut().zip(places.iter_mut());
                    best.zip(met).for_each(|((to, place), (&value, at))| {
                        choose(to, place, value, at as u32)
                    });
                }
            }
        }
    }
}

/// Updates the maxima of a row of adjacent windows with one row of the image.
#[inline(always)]
fn side_by_side<const K: usize>(line: &[f32], first: usize, to: &mut [f32], places: &mut [u32]) {
    let windows = line.as_chunks::<K>().0;
    for (((to, place), window), at) in to.iter_mut().zip(places).zip(windows).zip(0u32..) {
        for (x, &value) in window.iter().enumerate() {
            choose(to, place, value, first as u32 + at * K as u32 + x as u32);
        }
    }
}

/// Replaces the best value so far by `value` if that is larger or NaN. The processor cannot predict which is larger,
/// so bits are selected by a mask, which the compiler does not turn into a branch.
#[inline(always)]
fn choose(best: &mut f32, best_place: &mut u32, value: f32, place: u32) {
    let better = u32::from((value > *best) | value.is_nan()).wrapping_neg();
    *best = f32::from_bits((value.to_bits() & better) | (best.to_bits() & !better));
    *best_place = (place & better) | (*best_place & !better);
}
