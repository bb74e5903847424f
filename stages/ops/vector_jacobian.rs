//! Gradients of a weighted sum of an operation's outputs.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Gradients, OwnedTape, PutTape, SplitTape, Tape};
use dfdx::tensor_ops::ReshapeTo;

use super::{Backend, Tensor4, backward, from_host, len};

/// Returns the gradients of the sum of `output` times `coefficients`, which are in row-major order, with respect to
/// every tensor that the tape knows. Does not wait for the device.
///
/// # Panics
/// If there is not one coefficient for each value, or the device fails.
pub fn vector_jacobian<B: Backend>(
    output: Tensor4<B, OwnedTape<f32, B>>,
    coefficients: Vec<f32>,
) -> Gradients<f32, B> {
    let (output, mut tape) = output.split_tape();
    let device = output.device().clone();
    assert_eq!(
        coefficients.len(),
        len(*output.shape()),
        "one coefficient for each value"
    );
    // dfdx starts from a single number; its value does not matter. dfdx's own sum is not used, because on a GPU it
    // adds in any order.
    let sum = from_host(&device, vec![0.0], (1, 1, 1, 1)).reshape_like(&());
    tape.add_backward_op(move |gradients| {
        device.write(&coefficients, gradients.get_or_alloc_mut(&output)?)
    });
    backward(sum.put_tape(tape))
}
