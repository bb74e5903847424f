//! Common part of operations without parameters, from one tensor to another.

use dfdx::shapes::HasShape;
use dfdx::tensor::{PutTape, SplitTape, Tape};

use super::memory::{Memory, take};
use super::{Nchw, Tensor4, device_failed};

/// A device's implementation of `Op`, an operation without parameters.
pub trait Map<Op>: Memory {
    /// Data that the forward pass keeps for the backward pass.
    type Kept: 'static;

    /// `keep` is false if there will be no backward pass.
    fn forward(
        &self,
        op: Op,
        input: &Tensor4<Self>,
        keep: bool,
    ) -> Result<(Tensor4<Self>, Self::Kept), Self::Err>;

    /// Adds to the gradient of the input, which has shape `input`.
    fn backward(
        &self,
        op: Op,
        kept: Self::Kept,
        input: Nchw,
        incoming: Self::Vec,
        to_input: &mut Self::Vec,
    ) -> Result<(), Self::Err>;
}

/// Computes an operation and records its backward pass on the tape.
pub(super) fn map<Op: Copy + 'static, B: Map<Op>, T: Tape<f32, B>>(
    name: &'static str,
    op: Op,
    input: Tensor4<B, T>,
) -> Tensor4<B, T> {
    let (input, mut tape) = input.split_tape();
    let device = input.device().clone();
    let (output, kept) = device
        .forward(op, &input, T::OWNS_TAPE)
        .unwrap_or_else(device_failed(name));
    let (shape, input, output_id) = (*input.shape(), input.ghost(), output.ghost());
    tape.add_backward_op(move |gradients| {
        let incoming = take(&device, gradients.get_or_alloc_mut(&output_id)?)?;
        let mut to_input = take(&device, gradients.get_or_alloc_mut(&input)?)?;
        device.backward(op, kept, shape, incoming, &mut to_input)?;
        *gradients.get_or_alloc_mut(&input)? = to_input;
        Ok(())
    });
    output.put_tape(tape)
}
