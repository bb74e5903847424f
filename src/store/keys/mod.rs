//! Digests of content, and fingerprints of actions with their keys.
//!
//! A [`Fingerprint`] holds everything that can change a stage's result. A [`Key`] is the hash of a fingerprint, and
//! a [`Digest`] is the hash of content. The engine's module `plan` makes fingerprints from a graph.

mod digest;
mod fingerprint;

pub use digest::{Digest, Key, ParseHexError};
pub use fingerprint::{Fingerprint, InputId, ToolId};
