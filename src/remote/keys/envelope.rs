//! [`Envelope`]: an action record with signatures, as it is stored on a remote.
//!
//! ```text
//! runner record v1
//! signature <public key: 64 hexadecimal digits> <signature: 128 hexadecimal digits>
//!
//! <the record, exactly as in the local folder>
//! ```
//!
//! There are up to 16 lines with signatures, or none. A signature covers the name of the record and its bytes, so it
//! cannot be moved to another record: it signs the text `runner record signature v1`, a line break, the name, a line
//! break and the bytes.

use store::keys::Key;

use super::{KeyError, PrivateKey, PublicKey, hex};

/// Largest record, in bytes.
const MOST_RECORD: usize = 16 << 20;
/// Largest envelope, in bytes.
pub(crate) const MOST_BYTES: usize = MOST_RECORD + (8 << 10);
const MOST_SIGNATURES: usize = 16;
const FIRST_LINE: &[u8] = b"runner record v1\n";
const SIGNATURE: &[u8] = b"signature ";

/// A record with signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    signatures: Vec<([u8; 32], [u8; 64])>,
    pub(crate) record: Vec<u8>,
}

impl Envelope {
    /// Makes the envelope of a record, signed if there is a key.
    pub(crate) fn new(
        name: &Key,
        record: Vec<u8>,
        key: Option<&PrivateKey>,
    ) -> Result<Self, KeyError> {
        if record.len() > MOST_RECORD {
            return Err(KeyError("the record is larger than 16 MiB".to_owned()));
        }
        let mut signatures = Vec::new();
        if let Some(key) = key {
            let signature = key.sign(&message(name, &record))?;
            signatures.push((key.public().bytes, signature));
        }
        Ok(Self { signatures, record })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = FIRST_LINE.to_vec();
        for (key, signature) in &self.signatures {
            bytes.extend_from_slice(SIGNATURE);
            bytes.extend_from_slice(hex::encode(key).as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(hex::encode(signature).as_bytes());
            bytes.push(b'\n');
        }
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.record);
        bytes
    }

    /// Reads an envelope. `None` if it is damaged. Signatures are not verified.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(FIRST_LINE)?;
        let mut signatures = Vec::new();
        while let Some(line) = rest.strip_prefix(SIGNATURE) {
            let end = line.iter().position(|byte| *byte == b'\n')?;
            let text = str::from_utf8(&line[..end]).ok()?;
            let (key, signature) = text.split_once(' ')?;
            signatures.push((hex::decode(key)?, hex::decode(signature)?));
            rest = &line[end + 1..];
        }
        let record = rest.strip_prefix(b"\n")?.to_vec();
        let fits = signatures.len() <= MOST_SIGNATURES && record.len() <= MOST_RECORD;
        fits.then_some(Self { signatures, record })
    }

    /// `true` if one of the keys has signed the record under this name.
    pub(crate) fn is_signed_by(&self, name: &Key, accepted: &[PublicKey]) -> bool {
        let message = message(name, &self.record);
        self.signatures.iter().any(|(key, signature)| {
            let mut keys = accepted.iter().filter(|accepted| accepted.bytes == *key);
            keys.next()
                .is_some_and(|key| key.verifies(&message, signature))
        })
    }
}

fn message(name: &Key, record: &[u8]) -> Vec<u8> {
    // A name has no line break, so the parts cannot be confused.
    let mut message = format!("runner record signature v1\n{name}\n").into_bytes();
    message.extend_from_slice(record);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Key {
        Key::derive("test", text.as_bytes())
    }

    #[test]
    fn an_envelope_is_read_as_it_is_written() {
        let key = PrivateKey::generate("a").unwrap();
        for record in [&b""[..], b"\n", b"signature x\n", b"{\"a\":1}\n"] {
            for key in [None, Some(&key)] {
                let envelope = Envelope::new(&name("a"), record.to_vec(), key).unwrap();
                assert_eq!(Envelope::decode(&envelope.encode()), Some(envelope));
            }
        }
    }

    #[test]
    fn a_signature_counts_for_its_record_name_and_key_only() {
        let [key, other] = ["a", "b"].map(|comment| PrivateKey::generate(comment).unwrap());
        let own = [key.public().clone()];
        let envelope = Envelope::new(&name("a"), b"record".to_vec(), Some(&key)).unwrap();
        assert!(envelope.is_signed_by(&name("a"), &own));
        assert!(!envelope.is_signed_by(&name("b"), &own));
        assert!(!envelope.is_signed_by(&name("a"), &[other.public().clone()]));
        assert!(!envelope.is_signed_by(&name("a"), &[]));
        let mut changed = envelope.clone();
        changed.record[0] ^= 1;
        assert!(!changed.is_signed_by(&name("a"), &own));
        let unsigned = Envelope::new(&name("a"), b"record".to_vec(), None).unwrap();
        assert!(!unsigned.is_signed_by(&name("a"), &own));
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let key = PrivateKey::generate("a").unwrap();
        let own = [key.public().clone()];
        let bytes = Envelope::new(&name("a"), b"record".to_vec(), Some(&key))
            .unwrap()
            .encode();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            let read = Envelope::decode(&damaged);
            assert!(
                read.is_none_or(|read| !read.is_signed_by(&name("a"), &own)),
                "{at}"
            );
            let cut = Envelope::decode(&bytes[..at]);
            assert!(
                cut.is_none_or(|read| !read.is_signed_by(&name("a"), &own)),
                "{at}"
            );
        }
    }
}
