//! Seals records as JSON with a checksum, so that torn or edited records are detected.
//!
//! The format is `{"checksum":"<64 hex>","record":<JSON>}` and a newline. Every byte of the file is hashed,
//! part of the hash, or fixed, so every change is noticed. The file is still plain JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::keys::Digest;

const CONTEXT: &str = "runner record checksum v1";
const HEAD: &[u8] = br#"{"checksum":""#;
const MIDDLE: &[u8] = br#"","record":"#;
const TAIL: &[u8] = b"}\n";

/// The file is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its checksum does not match")]
pub struct Damaged;

pub fn seal<T: Serialize>(record: &T) -> Result<Vec<u8>, serde_json::Error> {
    let record = serde_json::to_vec(record)?;
    let checksum = Digest::derive(CONTEXT, &record).to_string();
    Ok([HEAD, checksum.as_bytes(), MIDDLE, &record, TAIL].concat())
}

pub fn unseal<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Damaged> {
    let (checksum, rest) = bytes
        .strip_prefix(HEAD)
        .and_then(|rest| rest.split_at_checked(64))
        .ok_or(Damaged)?;
    let record = rest
        .strip_prefix(MIDDLE)
        .and_then(|rest| rest.strip_suffix(TAIL))
        .ok_or(Damaged)?;
    if Digest::derive(CONTEXT, record).to_string().as_bytes() != checksum {
        return Err(Damaged);
    }
    serde_json::from_slice(record).map_err(|_| Damaged)
}
