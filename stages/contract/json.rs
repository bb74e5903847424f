//! Reads and writes JSON files. Errors name the file.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Failure, files};

/// Reads the file at `path`, of at most `files::MOST_TEXT` bytes.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let bytes = files::read(path, files::MOST_TEXT).map_err(|e| Failure::io("read", path, e))?;
    serde_json::from_slice(&bytes).map_err(|e| Failure::io("read", path, e))
}

/// Writes `value` to `path`, indented for human readers.
pub fn write<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<(), Failure> {
    let bytes = bytes(value).map_err(|e| Failure::io("write", path, e))?;
    std::fs::write(path, bytes).map_err(|e| Failure::io("write", path, e))
}

/// Returns the bytes that [`write`] writes.
pub fn bytes<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}
