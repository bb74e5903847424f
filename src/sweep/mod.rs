//! Sweeps: which points of a space of parameters are tried, how long, and what they say of its axes.
//!
//! Pure: everything here is a function of the space, the seed and the results told so far. That is
//! what lets an interrupted sweep be replayed from the action cache.

pub mod domain;
pub mod grid;
pub mod halving;
pub mod importance;
pub mod sampler;
pub mod space;
