//! Fully connected layer with bias and activation.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use dfdx::shapes::HasShape;
use dfdx::tensor::Tape;

use super::layer::{Wanted, layer};
use super::{Activation, Backend, Tensor4};

/// The operation of [`dense`] for the device's [`Layer`](super::Layer) implementation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dense {
    pub activation: Activation,
}

/// Multiplies `x` (n, f, 1, 1) by the transpose of `weight` (units, f, 1, 1), adds `bias` (1, units, 1, 1) and
/// applies the activation. The shape of the output is (n, units, 1, 1).
///
/// # Panics
/// If the shapes do not match, or the device fails.
pub fn dense<B: Backend, T: Tape<f32, B>>(
    x: Tensor4<B, T>,
    weight: &Tensor4<B>,
    bias: &Tensor4<B>,
    activation: Activation,
    wanted: Wanted,
) -> Tensor4<B, T> {
    let ((images, features, ..), (units, ..)) = (*x.shape(), *weight.shape());
    assert_eq!(
        *x.shape(),
        (images, features, 1, 1),
        "the shape of the input of dense"
    );
    assert_eq!(
        *weight.shape(),
        (units, features, 1, 1),
        "the shape of the weight of dense"
    );
    assert_eq!(units, bias.shape().1, "units of the weight of dense");
    layer("dense", Dense { activation }, x, weight, bias, wanted)
}
