//! CPU implementation of dropout.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, Storage, TensorFromVec};
use rayon::prelude::*;

use super::Dropout;
use crate::cpu::values::values;
use crate::cpu::{pieces, vectorized};
use crate::{Map, Nchw, Tensor4};

type Buffer = <Cpu as Storage<f32>>::Vec;

impl Map<Dropout> for Cpu {
    type Kept = ();

    fn forward(
        &self,
        op: Dropout,
        input: &Tensor4<Cpu>,
        _: bool,
    ) -> Result<(Tensor4<Cpu>, ()), CpuError> {
        let mut output = values(input).to_vec();
        mask(op, &mut output);
        Ok((self.try_tensor_from_vec(output, *input.shape())?, ()))
    }

    fn backward(
        &self,
        op: Dropout,
        (): (),
        _: Nchw,
        mut incoming: Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CpuError> {
        mask(op, &mut incoming);
        pieces::add(to_input, &incoming);
        Ok(())
    }
}

/// Drops or scales every value, in place.
fn mask(op: Dropout, values: &mut [f32]) {
    let (scale, threshold) = (op.scale(), op.threshold());
    if op.span > 1 {
        let spans = values.par_chunks_mut(op.span).enumerate();
        spans
            .with_min_len(pieces::at_least(op.span))
            .for_each(|(index, values)| {
                let bits = op.bits(index as u64 / 2) >> (index % 2 * 32);
                if bits & 0xffff_ffff < threshold {
                    values.fill(0.0);
                } else {
                    vectorized(|| values.iter_mut().for_each(|value| *value *= scale));
                }
            });
        return;
    }
    pieces::indexed(values, |first, values| {
        for (pair, values) in (first as u64 / 2..).zip(values.chunks_mut(2)) {
            let bits = op.bits(pair);
            for (value, bits) in values.iter_mut().zip([bits & 0xffff_ffff, bits >> 32]) {
                *value = if bits < threshold {
                    0.0
                } else {
                    *value * scale
                };
            }
        }
    });
}
