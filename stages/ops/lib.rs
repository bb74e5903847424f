//! Differentiable operations for dfdx tensors.
//!
//! Each operation has a folder: `mod.rs` has the function that networks call, `cpu.rs` and `cuda.rs` have its
//! implementations. A device implements an operation with a weight and a bias as a [`Layer`], an operation without
//! parameters as a [`Map`], and such an operation on several tensors as a [`Combine`]. A device that implements all operations is a [`Backend`].
//!
//! This is a package of its own, so that kernels are compiled apart from everything else.
//!
//! On the CPU, every result is bit-identical for any number of threads: work is divided by shape alone, and
//! partial sums are added in a fixed order.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read what they wrote")
)]

pub mod activation;
pub mod add;
pub mod avg_pool2d;
pub mod batch_norm;
#[cfg(test)]
mod check;
mod combine;
pub mod concat;
pub mod conv2d;
pub mod conv_pool2d;
pub mod conv_transpose2d;
pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod dense;
pub mod dropout;
mod failure;
mod function;
mod geometry;
pub mod global_max_pool2d;
#[cfg(feature = "cuda")]
mod gpu_check;
pub mod group_norm;
mod layer;
pub mod losses;
mod map;
pub mod max_pool2d;
mod memory;
pub mod optimizer;
mod pool2d;
#[cfg(test)]
mod reference;
mod reshape;
pub mod scale_channels;
mod transfer;
pub mod upsample_nearest2d;
mod vector_jacobian;

use dfdx::tensor::{Cpu, NoneTape, Tensor};
use dfdx::tensor_ops::Device;

pub use activation::activation;
pub use add::add;
pub use avg_pool2d::{avg_pool2d, global_avg_pool2d};
pub use batch_norm::{BatchNorm, RunningStats, batch_norm_eval, batch_norm_train};
pub use combine::Combine;
pub use concat::concat;
pub use conv_pool2d::{ConvPool2d, conv_pool2d};
pub use conv_transpose2d::{ConvTranspose2d, conv_transpose2d};
pub use conv2d::{Conv2d, Padding, conv2d};
pub use dense::dense;
pub use dropout::{dropout, spatial_dropout};
pub use failure::DeviceError;
#[cfg(feature = "cuda")]
pub(crate) use failure::catch_device_failed;
pub(crate) use failure::device_failed;
pub use failure::on_pool;
#[cfg(feature = "cuda")]
pub(crate) use failure::unwind;
pub use function::{Activation, LEAKY_SLOPE};
pub(crate) use geometry::Geometry;
pub use global_max_pool2d::global_max_pool2d;
#[cfg(feature = "cuda")]
pub use gpu_check::self_test;
pub use group_norm::{GroupNorm, group_norm, layer_norm};
pub use layer::{Layer, LayerBackward, Wanted};
pub use losses::{backward, binary_cross_entropy, cross_entropy, soft_cross_entropy};
pub use map::Map;
pub use max_pool2d::max_pool2d;
pub use memory::{Memory, from_host};
pub use optimizer::{Average, Optimizer, OptimizerConfig, ParameterOptions, Penalty};
pub use pool2d::Pool2d;
pub use reshape::{flatten, reshape};
pub use scale_channels::scale_channels;
pub use transfer::{Reading, Staged, to_host};
pub use upsample_nearest2d::upsample_nearest2d;
pub use vector_jacobian::vector_jacobian;

/// Shape of all tensors here: batch, channels, height, width.
///
/// The features of a dense layer are channels of 1×1 images. A weight is (filters, channels, kernel height,
/// kernel width) for a convolution, (channels in, channels out, kernel height, kernel width) for a transposed
/// convolution, and (units, features, 1, 1) for a dense layer. A bias or a scale is (1, channels, 1, 1).
pub type Nchw = (usize, usize, usize, usize);

/// A contiguous tensor of shape [`Nchw`].
pub type Tensor4<B, T = NoneTape> = Tensor<Nchw, f32, B, T>;

/// A loss, as dfdx's `backward` requires it.
pub type Scalar<B, T = NoneTape> = Tensor<(), f32, B, T>;

/// A device that implements every operation of this package.
pub trait Backend:
    Device<f32>
    + Memory
    + Layer<Conv2d>
    + Layer<ConvPool2d>
    + Layer<ConvTranspose2d>
    + Layer<dense::Dense>
    + Layer<GroupNorm>
    + Map<Activation>
    + Map<max_pool2d::MaxPool2d>
    + Map<avg_pool2d::AvgPool2d>
    + Map<avg_pool2d::GlobalAvgPool2d>
    + Map<global_max_pool2d::GlobalMaxPool2d>
    + Map<upsample_nearest2d::UpsampleNearest2d>
    + Map<dropout::Dropout>
    + Combine<add::Add>
    + Combine<concat::Concat>
    + Combine<scale_channels::ScaleChannels>
    + batch_norm::BatchNormKernel
    + losses::LossKernel
    + optimizer::OptimizerKernel
{
}

impl Backend for Cpu {}

#[cfg(feature = "cuda")]
impl Backend for dfdx::tensor::Cuda {}

/// Number of values in a tensor of this shape.
pub fn len((n, c, h, w): Nchw) -> usize {
    n * c * h * w
}
