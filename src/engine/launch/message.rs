//! Reads what worker processes, nodes and hosts send.
//!
//! Everything is read as text, also what arrives within another message: for each further kind of source, the compiler
//! would make another parser of each type.

use serde::de::DeserializeOwned;
use serde_json::{Result, Value};

/// Reads a message from JSON text.
pub(super) fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
    serde_json::from_slice(text)
}

/// Reads a message that was sent within another one.
pub(super) fn read_value<T: DeserializeOwned>(value: &Value) -> Result<T> {
    read(&serde_json::to_vec(value)?)
}
