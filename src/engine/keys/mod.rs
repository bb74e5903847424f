//! Digests of content, and fingerprints of actions with their keys.
//!
//! A [`Fingerprint`] holds everything that can change a stage's result. A [`Key`] is its hash, and a [`Digest`]
//! that of content. How a fingerprint is made from a graph is in [`plan`](crate::plan).

mod digest;
mod fingerprint;

pub use digest::{Digest, Key, ParseHexError};
pub use fingerprint::{Fingerprint, InputId, ToolId};
