//! The stage kinds of `runner`, and all of its numerics.
//!
//! One file per stage kind: this folder's listing is the catalogue. [`contract`] is what the engine
//! knows of them. Behind the kinds: `data` (reading, packing, augmenting images), `nets`
//! (networks from lists of layers), `ops` (differentiable operations for dfdx tensors), `metrics`
//! and `figures`.

pub mod contract;
pub mod data;
pub mod device;
pub mod figures;
pub mod metrics;
pub mod nets;
pub mod ops;
pub mod random;
