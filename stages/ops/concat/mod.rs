//! Concatenation of tensors along their channels.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use dfdx::shapes::HasShape;
use dfdx::tensor::Tape;

use super::combine::combine;
use super::{Backend, Nchw, Tensor4};

/// The operation of [`concat`] for the device's [`Combine`](super::Combine) implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concat;

/// Joins the channels of all tensors, in order, as in DenseNet and Inception. The tensors may come from branches of
/// one tensor; see [`add`](super::add()).
///
/// # Panics
/// If there is no tensor, they differ in more than the number of channels, or the device fails.
pub fn concat<B: Backend, T: Tape<f32, B>>(tensors: Vec<Tensor4<B, T>>) -> Tensor4<B, T> {
    let without_channels = |tensor: &Tensor4<B, T>| {
        let (images, _, height, width) = *tensor.shape();
        (images, height, width)
    };
    let first = tensors.first().expect("a tensor to concatenate");
    let expected = without_channels(first);
    for tensor in &tensors {
        let found = without_channels(tensor);
        assert_eq!(found, expected, "images, rows and columns for concat");
    }
    combine("concat", Concat, tensors)
}

/// The place of one input in the output.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// Values of an image of the input.
    size: usize,
    /// Index of the input's first value in an image of the output.
    offset: usize,
    /// Values of an image of the output.
    total: usize,
}

/// Returns the shape of the output, and the place of each input in it.
fn arrange(inputs: &[Nchw]) -> (Nchw, Vec<Slot>) {
    let (images, _, height, width) = inputs[0];
    let channels: usize = inputs.iter().map(|shape| shape.1).sum();
    let mut offset = 0;
    let slots = inputs.iter().map(|shape| {
        let size = shape.1 * height * width;
        offset += size;
        Slot {
            size,
            offset: offset - size,
            total: channels * height * width,
        }
    });
    let slots = slots.collect();
    ((images, channels, height, width), slots)
}
