//! CPU implementation of average pooling.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, Storage, TensorFromVec};
use rayon::prelude::*;

use super::{AvgPool2d, GlobalAvgPool2d};
use crate::cpu::pieces;
use crate::cpu::pieces::sum;
use crate::cpu::values::values;
use crate::{Map, Nchw, Pool2d, Tensor4, len};

type Buffer = <Cpu as Storage<f32>>::Vec;

impl Map<AvgPool2d> for Cpu {
    type Kept = ();

    fn forward(
        &self,
        AvgPool2d(op): AvgPool2d,
        input: &Tensor4<Cpu>,
        _: bool,
    ) -> Result<(Tensor4<Cpu>, ()), CpuError> {
        let (_, _, height, width) = *input.shape();
        let shape = op.output_shape(*input.shape());
        let mut output = pieces::zeros(len(shape));
        let planes = output
            .par_chunks_mut(shape.2 * shape.3)
            .zip(values(input).par_chunks(height * width));
        planes.for_each(|(to, from)| {
            visit(op, shape, width, |window, row| {
                to[window] += from[row].iter().sum::<f32>()
            });
            to.iter_mut().for_each(|value| *value *= share(op));
        });
        Ok((self.try_tensor_from_vec(output, shape)?, ()))
    }

    fn backward(
        &self,
        AvgPool2d(op): AvgPool2d,
        (): (),
        input: Nchw,
        incoming: Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CpuError> {
        let (_, _, height, width) = input;
        let shape = op.output_shape(input);
        let planes = to_input
            .par_chunks_mut(height * width)
            .zip(incoming.par_chunks(shape.2 * shape.3));
        planes.for_each(|(to, from)| {
            visit(op, shape, width, |window, row| {
                to[row]
                    .iter_mut()
                    .for_each(|value| *value += from[window] * share(op));
            });
        });
        Ok(())
    }
}

impl Map<GlobalAvgPool2d> for Cpu {
    type Kept = ();

    fn forward(
        &self,
        _: GlobalAvgPool2d,
        input: &Tensor4<Cpu>,
        _: bool,
    ) -> Result<(Tensor4<Cpu>, ()), CpuError> {
        let (n, c, h, w) = *input.shape();
        let means = values(input)
            .par_chunks(h * w)
            .map(|channel| sum(channel) / (h * w) as f32)
            .collect();
        Ok((self.try_tensor_from_vec(means, (n, c, 1, 1))?, ()))
    }

    fn backward(
        &self,
        _: GlobalAvgPool2d,
        (): (),
        (_, _, h, w): Nchw,
        incoming: Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CpuError> {
        to_input
            .par_chunks_mut(h * w)
            .zip(incoming.par_iter())
            .for_each(|(to, gradient)| {
                to.iter_mut()
                    .for_each(|value| *value += gradient / (h * w) as f32);
            });
        Ok(())
    }
}

/// Weight of a value in the mean of its window.
fn share(op: Pool2d) -> f32 {
    1.0 / (op.kernel[0] * op.kernel[1]) as f32
}

/// Calls `f` for every row of every window, with the window's index and the row's range in the channel.
fn visit(
    op: Pool2d,
    (_, _, rows, columns): Nchw,
    width: usize,
    mut f: impl FnMut(usize, std::ops::Range<usize>),
) {
    for row in 0..rows {
        for column in 0..columns {
            for y in 0..op.kernel[0] {
                let first = (row * op.stride[0] + y) * width + column * op.stride[1];
                f(row * columns + column, first..first + op.kernel[1]);
            }
        }
    }
}
