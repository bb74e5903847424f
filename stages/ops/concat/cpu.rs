//! CPU implementation of concatenation.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, Storage, TensorFromVec};
use rayon::prelude::*;

use super::{Concat, Slot, arrange};
use crate::cpu::values::values;
use crate::cpu::{pieces, vectorized};
use crate::{Combine, Nchw, Tensor4, len};

type Buffer = <Cpu as Storage<f32>>::Vec;

impl Combine<Concat> for Cpu {
    type Kept = Vec<Slot>;

    fn forward(
        &self,
        _: Concat,
        inputs: &[Tensor4<Cpu>],
    ) -> Result<(Tensor4<Cpu>, Self::Kept), CpuError> {
        let shapes: Vec<Nchw> = inputs.iter().map(|input| *input.shape()).collect();
        let (shape, slots) = arrange(&shapes);
        let mut output = pieces::zeros(len(shape));
        output
            .par_chunks_mut(slots[0].total)
            .enumerate()
            .for_each(|(image, to)| {
                for (input, slot) in inputs.iter().zip(&slots) {
                    let from = &values(input)[image * slot.size..(image + 1) * slot.size];
                    to[slot.offset..slot.offset + slot.size].copy_from_slice(from);
                }
            });
        Ok((self.try_tensor_from_vec(output, shape)?, slots))
    }

    fn backward(
        &self,
        _: Concat,
        slots: &Self::Kept,
        which: usize,
        incoming: &Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CpuError> {
        let slot = slots[which];
        to_input
            .par_chunks_mut(slot.size)
            .zip(incoming.par_chunks(slot.total))
            .for_each(|(to, from)| {
                let from = &from[slot.offset..slot.offset + slot.size];
                vectorized(|| to.iter_mut().zip(from).for_each(|(to, from)| *to += from));
            });
        Ok(())
    }
}
