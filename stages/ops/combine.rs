//! Common part of operations without parameters, from several tensors to one.

use dfdx::tensor::{PutTape, SplitTape, Tape};

use super::memory::{Memory, take};
use super::{Tensor4, device_failed};

/// A device's implementation of `Op`, an operation on several tensors without parameters.
pub trait Combine<Op>: Memory {
    /// Data that the forward pass keeps for the backward pass.
    type Kept: 'static;

    fn forward(
        &self,
        op: Op,
        inputs: &[Tensor4<Self>],
    ) -> Result<(Tensor4<Self>, Self::Kept), Self::Err>;

    /// Adds to the gradient of the input at index `which`. Called once for each input, in order.
    fn backward(
        &self,
        op: Op,
        kept: &Self::Kept,
        which: usize,
        incoming: &Self::Vec,
        to_input: &mut Self::Vec,
    ) -> Result<(), Self::Err>;
}

/// Computes an operation on tensors of one or several branches, merges their tapes, and records the backward pass.
/// The same tensor may be given several times.
pub(super) fn combine<Op: Copy + 'static, B: Combine<Op>, T: Tape<f32, B>>(
    name: &'static str,
    op: Op,
    branches: Vec<Tensor4<B, T>>,
) -> Tensor4<B, T> {
    let mut tape = T::default();
    let mut inputs = Vec::with_capacity(branches.len());
    for branch in branches {
        let (input, of_branch) = branch.split_tape();
        tape = tape.merge(of_branch);
        inputs.push(input);
    }
    let device = inputs[0].device().clone();
    let (output, kept) = device
        .forward(op, &inputs)
        .unwrap_or_else(device_failed(name));
    let inputs: Vec<_> = inputs.iter().map(|input| input.ghost()).collect();
    let output_id = output.ghost();
    tape.add_backward_op(move |gradients| {
        let incoming = take(&device, gradients.get_or_alloc_mut(&output_id)?)?;
        for (which, input) in inputs.iter().enumerate() {
            let to_input = gradients.get_or_alloc_mut(input)?;
            device.backward(op, &kept, which, &incoming, to_input)?;
        }
        Ok(())
    });
    output.put_tape(tape)
}
