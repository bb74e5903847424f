//! Common part of operations with a weight and a bias.

use dfdx::shapes::HasShape;
use dfdx::tensor::{PutTape, SplitTape, Storage, Tape};

use super::memory::{Memory, take};
use super::{Tensor4, device_failed, len};

/// Gradients to compute in the backward pass. The first layer of a network needs no gradient for its input, and a
/// frozen network needs none for its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub input: bool,
    pub parameters: bool,
}

/// A device's implementation of `Op`, a layer with a weight, a bias and an activation.
pub trait Layer<Op>: Memory {
    /// Data that the forward pass keeps for the backward pass, besides input and output.
    type Kept: 'static;

    fn forward(
        &self,
        op: Op,
        input: &Tensor4<Self>,
        weight: &Tensor4<Self>,
        bias: &Tensor4<Self>,
    ) -> Result<(Tensor4<Self>, Self::Kept), Self::Err>;

    /// Adds to the gradients that are `Some`.
    fn backward(
        &self,
        op: Op,
        kept: Self::Kept,
        call: LayerBackward<'_, Self>,
    ) -> Result<(), Self::Err>;
}

/// Arguments of a layer's backward pass.
pub struct LayerBackward<'a, B: Storage<f32>> {
    pub input: &'a Tensor4<B>,
    pub weight: &'a Tensor4<B>,
    /// Output of the forward pass, after the activation.
    pub output: &'a Tensor4<B>,
    /// Gradient of `output`; may be overwritten.
    pub incoming: B::Vec,
    pub to_input: Option<&'a mut B::Vec>,
    /// Gradients of the weight and of the bias.
    pub to_parameters: Option<(&'a mut B::Vec, &'a mut B::Vec)>,
}

/// Computes a layer and records its backward pass on the tape.
pub(super) fn layer<Op: Copy + 'static, B: Layer<Op>, T: Tape<f32, B>>(
    name: &'static str,
    op: Op,
    input: Tensor4<B, T>,
    weight: &Tensor4<B>,
    bias: &Tensor4<B>,
    wanted: Wanted,
) -> Tensor4<B, T> {
    let outputs = bias.shape().1;
    assert_eq!(
        *bias.shape(),
        (1, outputs, 1, 1),
        "the shape of the bias of {name}"
    );
    let (input, mut tape) = input.split_tape();
    let device = input.device().clone();
    let (output, kept) = device
        .forward(op, &input, weight, bias)
        .unwrap_or_else(device_failed(name));
    if wanted.input || wanted.parameters {
        let (weight, bias, output) = (weight.clone(), bias.ghost(), output.clone());
        tape.add_backward_op(move |gradients| {
            let incoming = take(&device, gradients.get_or_alloc_mut(&output)?)?;
            let mut to_input = None;
            if wanted.input {
                to_input = Some(take(&device, gradients.get_or_alloc_mut(&input)?)?);
            }
            let mut to_parameters = None;
            if wanted.parameters {
                let mut to_weight = take(&device, gradients.get_or_alloc_mut(&weight)?)?;
                let mut to_bias = take(&device, gradients.get_or_alloc_mut(&bias)?)?;
                // An optimizer's placeholder for a gradient is an empty buffer.
                device.fill_if_empty(&mut to_weight, len(*weight.shape()))?;
                device.fill_if_empty(&mut to_bias, outputs)?;
                to_parameters = Some((to_weight, to_bias));
            }
            let call = LayerBackward {
                input: &input,
                weight: &weight,
                output: &output,
                incoming,
                to_input: to_input.as_mut(),
                to_parameters: to_parameters.as_mut().map(|(weight, bias)| (weight, bias)),
            };
            device.backward(op, kept, call)?;
            if let Some(buffer) = to_input {
                *gradients.get_or_alloc_mut(&input)? = buffer;
            }
            if let Some((to_weight, to_bias)) = to_parameters {
                *gradients.get_or_alloc_mut(&weight)? = to_weight;
                *gradients.get_or_alloc_mut(&bias)? = to_bias;
            }
            Ok(())
        });
    }
    output.put_tape(tape)
}
