//! The three products of a convolution, from which its forward and backward, and those of its
//! transpose, are made.
//!
//! With `U(x)` the matrix of unfolded windows of an image (a row per weight of a filter, a column per
//! window), `W` the weight (a row per filter) and `y` the filters' outputs:
//! [`correlate`] is `y = W·U(x)`, [`spread`] is `x = Uᵀ(Wᵀ·y)` and [`weight_gradient`] is `y·U(x)ᵀ`.
//! See Chellapilla, Puri and Simard (2006), "High performance convolutional neural networks for
//! document processing".

mod correlate;
mod geometry;
mod spread;
mod unfold;
mod weight_gradient;

pub use correlate::correlate;
pub use geometry::Geometry;
pub use spread::spread;
pub use weight_gradient::weight_gradient;
