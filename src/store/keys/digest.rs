//! Digests of content and keys of actions.

use std::fmt;
use std::io::{self, BufWriter};
use std::str::FromStr;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text that is not 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 lowercase hexadecimal digits")]
pub struct ParseHexError;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Returns the first 12 hexadecimal digits, for display.
            pub fn short(&self) -> String {
                self.to_string()[..12].to_owned()
            }

            /// Returns the blake3 hash of `bytes` in the domain of `context`, which names the kind of
            /// pre-image and the version of its format. Hashes of different kinds therefore never collide.
            pub fn derive(context: &str, bytes: &[u8]) -> Self {
                Self(*blake3::Hasher::new_derive_key(context).update(bytes).finalize().as_bytes())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(text(&digits(&self.0)))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = ParseHexError;

            fn from_str(text: &str) -> Result<Self, ParseHexError> {
                parse(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.serialize_str(text(&digits(&self.0)))
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if !deserializer.is_human_readable() {
                    return deserializer.deserialize_tuple(32, Raw).map(Self);
                }
                deserializer.deserialize_str(Hex).map(Self)
            }
        }
    };
}

/// Writes 64 digits. This and [`parse`] run several times for each cached stage. blake3's own functions do the
/// same with several times as many instructions.
fn digits(bytes: &[u8; 32]) -> [u8; 64] {
    let mut digits = [0; 64];
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [byte >> 4, byte & 15].map(|value| DIGITS[usize::from(value)]);
    }
    digits
}

fn text(digits: &[u8; 64]) -> &str {
    str::from_utf8(digits).expect("digits are ASCII")
}

/// Reads 64 digits.
fn parse(text: &str) -> Result<[u8; 32], ParseHexError> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return Err(ParseHexError);
    };
    let pairs: &[[u8; 2]; 32] = pairs.try_into().map_err(|_| ParseHexError)?;
    let mut bytes = [0; 32];
    let mut seen = 0;
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let (high, low) = (VALUES[usize::from(*high)], VALUES[usize::from(*low)]);
        seen |= high | low;
        *byte = high << 4 | low;
    }
    if seen > 15 {
        return Err(ParseHexError);
    }
    Ok(bytes)
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Value of each digit; 255 for all bytes that are not digits.
const VALUES: [u8; 256] = {
    let mut values = [255; 256];
    let mut i = 0;
    while i < DIGITS.len() {
        values[DIGITS[i] as usize] = i as u8;
        i += 1;
    }
    values
};

/// Reads a digest from text without copying the text.
struct Hex;

impl Visitor<'_> for Hex {
    type Value = [u8; 32];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("64 lowercase hexadecimal digits")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<[u8; 32], E> {
        parse(text).map_err(E::custom)
    }
}

/// Reads the bytes of a digest. Serde's own code for arrays is a hundred times as large, for each format and package.
struct Raw;

impl<'de> Visitor<'de> for Raw {
    type Value = [u8; 32];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("32 bytes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<[u8; 32], A::Error> {
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            let next = seq.next_element()?;
            *byte = next.ok_or_else(|| de::Error::invalid_length(index, &self))?;
        }
        Ok(bytes)
    }
}

name! {
    /// Digest of content: the plain blake3 hash of a blob (as printed by `b3sum`), or the hash of a tree or a
    /// source in a domain of its own.
    Digest
}

name! {
    /// Key of an action: the hash of a fingerprint. A type of its own, so that it is not confused with a digest.
    Key
}

impl Key {
    /// Returns an offset in the lock file that is derived from the key: at least 0, and at most half of `i64::MAX`.
    pub(crate) fn offset(&self) -> i64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[..8]);
        i64::from_le_bytes(bytes) & (i64::MAX >> 1)
    }
}

impl Digest {
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Like `derive`, for the bytes that `write` writes. They need not be in memory all at once.
    ///
    /// # Errors
    /// If `write` fails.
    pub fn derive_from(
        context: &str,
        write: impl FnOnce(&mut BufWriter<blake3::Hasher>) -> io::Result<()>,
    ) -> io::Result<Self> {
        let hasher = blake3::Hasher::new_derive_key(context);
        let mut writer = BufWriter::with_capacity(1 << 16, hasher);
        write(&mut writer)?;
        Ok(Self(*writer.into_inner()?.finalize().as_bytes()))
    }
}

impl From<blake3::Hash> for Digest {
    fn from(hash: blake3::Hash) -> Self {
        Self(*hash.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_written_as_two_digits_and_read_again() {
        for first in (0..=255).step_by(32) {
            let bytes = std::array::from_fn(|i| first + i as u8);
            let text = Digest(bytes).to_string();
            let plain: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(text, plain);
            assert_eq!(text.parse(), Ok(Digest(bytes)));
        }
    }

    #[test]
    fn only_64_lowercase_digits_are_read() {
        let digits = "0123456789abcdef".repeat(4);
        assert!(digits.parse::<Digest>().is_ok());
        for wrong in ["", &digits[1..], &digits[2..], &format!("{digits}00")] {
            assert_eq!(wrong.parse::<Digest>(), Err(ParseHexError));
        }
        for at in [0, 31, 63] {
            for byte in ["/", ":", "A", "F", "`", "g", "\0", "\x7f"] {
                let mut wrong = digits.clone();
                wrong.replace_range(at..=at, byte);
                assert_eq!(wrong.parse::<Digest>(), Err(ParseHexError), "{wrong}");
            }
        }
    }
}
