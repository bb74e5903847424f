//! Convolutions of any size, as products with a matrix of unfolded windows.
//!
//! With `U(x)` the matrix of unfolded windows of an image (a row per weight of a filter, a column per
//! window), `W` the weight (a row per filter) and `y` the filters' outputs:
//! [`correlate`] is `y = W·U(x)`, [`spread`] is `x = Uᵀ(Wᵀ·y)` and [`weight_gradient`] is `y·U(x)ᵀ`.
//! See Chellapilla, Puri and Simard (2006), "High performance convolutional neural networks for
//! document processing".

mod correlate;
mod spread;
mod unfold;
mod weight_gradient;

pub(super) use correlate::correlate;
pub(super) use spread::spread;
pub(super) use weight_gradient::weight_gradient;
