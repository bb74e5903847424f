//! CPU implementation of the sum of two tensors.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, Storage, TensorFromVec};

use super::Add;
use crate::cpu::pieces;
use crate::cpu::values::values;
use crate::{Combine, Tensor4};

type Buffer = <Cpu as Storage<f32>>::Vec;

impl Combine<Add> for Cpu {
    type Kept = ();

    fn forward(&self, _: Add, inputs: &[Tensor4<Cpu>]) -> Result<(Tensor4<Cpu>, ()), CpuError> {
        let mut output = values(&inputs[0]).to_vec();
        pieces::add(&mut output, values(&inputs[1]));
        Ok((self.try_tensor_from_vec(output, *inputs[0].shape())?, ()))
    }

    fn backward(
        &self,
        _: Add,
        (): &(),
        _: usize,
        incoming: &Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CpuError> {
        pieces::add(to_input, incoming);
        Ok(())
    }
}
