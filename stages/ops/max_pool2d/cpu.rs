use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, Storage, TensorFromVec};
use rayon::prelude::*;

use super::MaxPool2d;
use crate::ops::cpu::values::values;
use crate::ops::{Map, Nchw, Pool2d, Tensor4, len};

type Buffer = <Cpu as Storage<f32>>::Vec;

impl Map<MaxPool2d> for Cpu {
    /// For every window, where in its channel the maximum lies.
    type Kept = Vec<u32>;

    fn forward(
        &self,
        MaxPool2d(op): MaxPool2d,
        input: &Tensor4<Cpu>,
        keep: bool,
    ) -> Result<(Tensor4<Cpu>, Self::Kept), CpuError> {
        let (_, _, height, width) = *input.shape();
        let shape = op.output_shape(*input.shape());
        let windows = shape.2 * shape.3;
        let mut output = vec![0.0; len(shape)];
        let mut places = vec![0; if keep { output.len() } else { 0 }];
        let planes = output
            .par_chunks_mut(windows)
            .zip(values(input).par_chunks(height * width));
        if keep {
            planes
                .zip(places.par_chunks_mut(windows))
                .for_each(|((to, from), places)| {
                    visit(op, from, width, shape.3, |window, place, value| {
                        (to[window], places[window]) = (value, place)
                    });
                });
        } else {
            planes.for_each(|(to, from)| {
                visit(op, from, width, shape.3, |window, _, value| {
                    to[window] = value
                })
            });
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

/// Calls `write` with every window's number, the place of its maximum and the maximum.
#[inline(always)]
fn visit(
    op: Pool2d,
    from: &[f32],
    width: usize,
    columns: usize,
    mut write: impl FnMut(usize, u32, f32),
) {
    let rows = (from.len() / width - op.kernel) / op.stride + 1;
    for window in 0..rows * columns {
        let first = window / columns * op.stride * width + window % columns * op.stride;
        let (mut best, mut best_place) = (from[first], first);
        for y in 0..op.kernel {
            for place in (first + y * width..).take(op.kernel) {
                if from[place] > best || from[place].is_nan() {
                    (best, best_place) = (from[place], place);
                }
            }
        }
        write(
            window,
            u32::try_from(best_place).expect("a channel of fewer than 2³² values"),
            best,
        );
    }
}
