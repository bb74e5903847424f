//! Common parts of the operations' CPU implementations.

pub(crate) mod activation;
pub mod convolution;
pub mod pieces;
mod prefetch;
pub mod processor;
pub mod product;
pub mod scratch;
pub mod transpose;
pub mod values;
mod vectorized;

pub use prefetch::prefetch;
pub use vectorized::vectorized;
