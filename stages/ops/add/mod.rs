//! Sum of two tensors.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use dfdx::shapes::HasShape;
use dfdx::tensor::Tape;

use super::combine::combine;
use super::{Backend, Tensor4};

/// The operation of [`add`] for the device's [`Combine`](super::Combine) implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Add;

/// Adds two tensors of the same shape, as residual connections do. The tensors may come from branches of one tensor:
/// `a.retaped()` begins a branch with a tape of its own, and the gradients of all branches are added.
///
/// # Panics
/// If the shapes differ, or the device fails.
pub fn add<B: Backend, T: Tape<f32, B>>(a: Tensor4<B, T>, b: Tensor4<B, T>) -> Tensor4<B, T> {
    assert_eq!(a.shape(), b.shape(), "the shapes of the terms of add");
    combine("add", Add, vec![a, b])
}
