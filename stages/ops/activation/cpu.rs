//! CPU implementation of activation functions.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, Storage, TensorFromVec};

use crate::cpu::activation::{add_bias, chain};
use crate::cpu::pieces;
use crate::cpu::values::values;
use crate::{Activation, Map, Nchw, Tensor4};

type Buffer = <Cpu as Storage<f32>>::Vec;

impl Map<Activation> for Cpu {
    type Kept = Tensor4<Cpu>;

    fn forward(
        &self,
        op: Activation,
        input: &Tensor4<Cpu>,
        _: bool,
    ) -> Result<(Tensor4<Cpu>, Self::Kept), CpuError> {
        let input_values = values(input);
        let mut output = pieces::zeros(input_values.len());
        pieces::zip(&mut output, input_values, |to, from| {
            add_bias(op, 0.0, from, to)
        });
        let output = self.try_tensor_from_vec(output, *input.shape())?;
        Ok((output.clone(), output))
    }

    fn backward(
        &self,
        op: Activation,
        kept: Self::Kept,
        _: Nchw,
        mut incoming: Buffer,
        to_input: &mut Buffer,
    ) -> Result<(), CpuError> {
        pieces::zip(&mut incoming, values(&kept), |gradient, output| {
            chain(op, output, gradient)
        });
        pieces::add(to_input, &incoming);
        Ok(())
    }
}
