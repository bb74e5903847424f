//! CPU implementation of nearest-neighbor upsampling.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, Storage, TensorFromVec};
use rayon::prelude::*;

use super::UpsampleNearest2d;
use crate::cpu::pieces;
use crate::cpu::values::values;
use crate::{Map, Nchw, Tensor4};

type Buffer = <Cpu as Storage<f32>>::Vec;

impl Map<UpsampleNearest2d> for Cpu {
    type Kept = ();

    fn forward(
        &self,
        UpsampleNearest2d { factor }: UpsampleNearest2d,
        input: &Tensor4<Cpu>,
        _: bool,
    ) -> Result<(Tensor4<Cpu>, ()), CpuError> {
        let (n, c, h, w) = *input.shape();
        let mut output = pieces::zeros(n * c * h * w * factor * factor);
        // A row of the input becomes `factor` equal rows.
        let rows = output
            .par_chunks_mut(w * factor * factor)
            .zip(values(input).par_chunks(w));
        rows.with_min_len(h).for_each(|(to, from)| {
            let (first, others) = to.split_at_mut(w * factor);
            first
                .chunks_exact_mut(factor)
                .zip(from)
                .for_each(|(to, &value)| to.fill(value));
            others
                .chunks_exact_mut(w * factor)
                .for_each(|row| row.copy_from_slice(first));
        });
        Ok((
            self.try_tensor_from_vec(output, (n, c, h * factor, w * factor))?,
            (),
        ))
    }

    fn backward(
        &self,
        UpsampleNearest2d { factor }: UpsampleNearest2d,
        (): (),
        (_, _, h, w): Nchw,
        incoming: Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CpuError> {
        let rows = to_input
            .par_chunks_mut(w)
            .zip(incoming.par_chunks(w * factor * factor));
        rows.with_min_len(h).for_each(|(to, from)| {
            for from in from.chunks_exact(w * factor) {
                to.iter_mut()
                    .zip(from.chunks_exact(factor))
                    .for_each(|(to, from)| *to += from.iter().sum::<f32>());
            }
        });
        Ok(())
    }
}
