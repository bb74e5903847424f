//! CPU implementation of max pooling over whole channels.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, Storage, TensorFromVec};
use rayon::prelude::*;

use super::GlobalMaxPool2d;
use crate::cpu::pieces::at_least;
use crate::cpu::values::values;
use crate::{Map, Nchw, Tensor4};

type Buffer = <Cpu as Storage<f32>>::Vec;

impl Map<GlobalMaxPool2d> for Cpu {
    /// For every channel, the index of its maximum.
    type Kept = Vec<usize>;

    fn forward(
        &self,
        _: GlobalMaxPool2d,
        input: &Tensor4<Cpu>,
        _: bool,
    ) -> Result<(Tensor4<Cpu>, Self::Kept), CpuError> {
        let (images, channels, height, width) = *input.shape();
        let (maxima, places) = values(input)
            .par_chunks(height * width)
            .with_min_len(at_least(height * width))
            .map(largest)
            .unzip();
        let output = self.try_tensor_from_vec(maxima, (images, channels, 1, 1))?;
        Ok((output, places))
    }

    fn backward(
        &self,
        _: GlobalMaxPool2d,
        places: Self::Kept,
        (_, _, height, width): Nchw,
        incoming: Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CpuError> {
        let channels = to_input.chunks_exact_mut(height * width);
        for ((to, place), gradient) in channels.zip(places).zip(incoming.iter()) {
            to[place] += gradient;
        }
        Ok(())
    }
}

/// Returns the largest value and the index of the first one that is as large.
fn largest(channel: &[f32]) -> (f32, usize) {
    let (mut best, mut place) = (channel[0], 0);
    for (at, &value) in channel.iter().enumerate() {
        if value > best || (value.is_nan() && !best.is_nan()) {
            (best, place) = (value, at);
        }
    }
    (best, place)
}
