//! CPU implementation of the products of channels with factors.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, Storage, TensorFromVec};
use rayon::prelude::*;

use super::ScaleChannels;
use crate::cpu::pieces::{self, at_least, sum_by};
use crate::cpu::values::values;
use crate::cpu::vectorized;
use crate::{Combine, Tensor4};

type Buffer = <Cpu as Storage<f32>>::Vec;

impl Combine<ScaleChannels> for Cpu {
    /// The input and the factors.
    type Kept = [Tensor4<Cpu>; 2];

    fn forward(
        &self,
        _: ScaleChannels,
        inputs: &[Tensor4<Cpu>],
    ) -> Result<(Tensor4<Cpu>, Self::Kept), CpuError> {
        let [x, factors] = [0, 1].map(|which: usize| inputs[which].clone());
        let mut output = pieces::zeros(values(&x).len());
        add_scaled(&mut output, values(&x), values(&factors));
        let output = self.try_tensor_from_vec(output, *x.shape())?;
        Ok((output, [x, factors]))
    }

    fn backward(
        &self,
        _: ScaleChannels,
        [x, factors]: &Self::Kept,
        which: usize,
        incoming: &Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CpuError> {
        if which == 0 {
            add_scaled(to_input, incoming, values(factors));
            return Ok(());
        }
        let (_, _, height, width) = *x.shape();
        let channels = incoming
            .par_chunks(height * width)
            .zip(values(x).par_chunks(height * width));
        to_input
            .par_iter_mut()
            .zip(channels)
            .with_min_len(at_least(height * width))
            .for_each(|(to, (incoming, x))| {
                *to += vectorized(|| sum_by(incoming, x, |gradient, x| gradient * x));
            });
        Ok(())
    }
}

/// Adds every channel of `from`, times its factor, to that of `to`.
fn add_scaled(to: &mut [f32], from: &[f32], factors: &[f32]) {
    let size = to.len() / factors.len();
    to.par_chunks_mut(size)
        .zip(from.par_chunks(size))
        .zip(factors)
        .with_min_len(at_least(size))
        .for_each(|((to, from), factor)| {
            vectorized(|| {
                to.iter_mut()
                    .zip(from)
                    .for_each(|(to, from)| *to += factor * from);
            });
        });
}
