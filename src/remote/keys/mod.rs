//! Keys that sign records, and the files that hold them.
//!
//! A key file is text. Lines that begin with `#` are comments.
//!
//! ```text
//! # Signs records of a shared cache. Keep this file to yourself.
//! runner-ed25519-private <64 hexadecimal digits> <comment>
//! ```
//!
//! A public key is one line, which can be given to others:
//!
//! ```text
//! runner-ed25519 <64 hexadecimal digits> <comment>
//! ```

mod envelope;
mod file;
pub(crate) mod hex;

use std::fmt;
use std::str::FromStr;

use contract::one_line;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

pub(crate) use envelope::{Envelope, MOST_BYTES};
pub use file::{read_private, write_new};

const PUBLIC: &str = "runner-ed25519";
const PRIVATE: &str = "runner-ed25519-private";
/// Longest comment, in characters.
const LONGEST_COMMENT: usize = 200;

/// A key that verifies signatures.
#[derive(Clone)]
pub struct PublicKey {
    bytes: [u8; 32],
    comment: String,
}

/// A key that signs. It is never shown.
#[derive(Clone)]
pub struct PrivateKey {
    seed: [u8; 32],
    public: PublicKey,
}

/// Text that is no key. It is not repeated, because it may be a private key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(pub(super) String);

impl PublicKey {
    /// Returns the comment, such as the name of a machine.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, &self.bytes);
        key.verify(message, signature).is_ok()
    }
}

/// Keys are equal if they verify the same signatures. The comment does not count.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for PublicKey {}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC} {}", hex::encode(&self.bytes))?;
        match self.comment.is_empty() {
            true => Ok(()),
            false => write!(f, " {}", self.comment),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", hex::encode(&self.bytes))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {:?})", self.public)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(line: &str) -> Result<Self, KeyError> {
        let (bytes, comment) = parts(line, PUBLIC)?;
        Ok(Self { bytes, comment })
    }
}

impl PrivateKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn generate(comment: &str) -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        let filled = SystemRandom::new().fill(&mut seed);
        filled.map_err(|_| KeyError("the system has no random numbers".to_owned()))?;
        let comment: String = one_line(comment.trim())
            .chars()
            .take(LONGEST_COMMENT)
            .collect();
        Self::of_seed(seed, comment)
    }

    fn of_seed(seed: [u8; 32], comment: String) -> Result<Self, KeyError> {
        let pair = pair(&seed)?;
        let mut bytes = [0; 32];
        bytes.copy_from_slice(pair.public_key().as_ref());
        let public = PublicKey { bytes, comment };
        Ok(Self { seed, public })
    }

    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let mut signature = [0; 64];
        signature.copy_from_slice(pair(&self.seed)?.sign(message).as_ref());
        Ok(signature)
    }

    /// Returns the line of a key file.
    fn line(&self) -> String {
        let line = format!(
            "{PRIVATE} {} {}",
            hex::encode(&self.seed),
            self.public.comment
        );
        line.trim_end().to_owned()
    }

    fn of_line(line: &str) -> Result<Self, KeyError> {
        let (seed, comment) = parts(line, PRIVATE)?;
        Self::of_seed(seed, comment)
    }
}

fn pair(seed: &[u8]) -> Result<Ed25519KeyPair, KeyError> {
    Ed25519KeyPair::from_seed_unchecked(seed)
        .map_err(|_| KeyError("the private key cannot be used".to_owned()))
}

/// Splits a line into 32 bytes and a comment.
fn parts(line: &str, kind: &str) -> Result<([u8; 32], String), KeyError> {
    let mut words = line.trim().splitn(3, ' ');
    let found = words.next().unwrap_or_default();
    if found != kind {
        let hint = match found {
            PRIVATE => {
                "; this is a private key, which must not be given to others: use its public key"
            }
            PUBLIC => "; this is a public key",
            "ssh-ed25519" => "; keys of SSH cannot be used: `runner keys new` makes one",
            _ => "",
        };
        return Err(KeyError(format!(
            "expected a key as `{kind} <64 hexadecimal digits> <comment>`{hint}"
        )));
    }
    let bytes = words.next().and_then(hex::decode);
    let bytes = bytes.ok_or_else(|| {
        KeyError(format!(
            "`{kind}` must be followed by 64 lowercase hexadecimal digits"
        ))
    })?;
    let comment = one_line(words.next().unwrap_or_default().trim());
    Ok((bytes, comment.chars().take(LONGEST_COMMENT).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test 1 of RFC 8032, section 7.1.
    #[test]
    fn signatures_are_those_of_ed25519() {
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let key = PrivateKey::of_seed(seed.unwrap(), String::new()).unwrap();
        assert_eq!(
            key.public().to_string(),
            "runner-ed25519 d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        let expected: [u8; 64] = hex::decode(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        )
        .unwrap();
        assert_eq!(key.sign(b"").unwrap(), expected);
        assert!(key.public().verifies(b"", &expected));
        assert!(!key.public().verifies(b"x", &expected));
    }

    #[test]
    fn keys_are_read_as_they_are_written() {
        let key = PrivateKey::generate("  laptop\nof me ").unwrap();
        let line = key.public().to_string();
        assert_eq!(line.parse::<PublicKey>().unwrap(), *key.public());
        assert!(!line.contains('\n') && line.contains("laptop"));
        let again = PrivateKey::of_line(&key.line()).unwrap();
        assert_eq!(again.public(), key.public());
        assert_ne!(PrivateKey::generate("").unwrap().public(), key.public());
    }

    #[test]
    fn wrong_keys_are_explained_and_not_repeated() {
        let private = PrivateKey::generate("x").unwrap().line();
        let error = private.parse::<PublicKey>().unwrap_err().to_string();
        assert!(error.contains("private key"), "{error}");
        let digits = private.split(' ').nth(1).unwrap();
        assert!(!error.contains(digits));
        for (line, part) in [
            ("ssh-ed25519 AAAA me", "runner keys new"),
            ("runner-ed25519 1234 me", "64 lowercase"),
            ("", "expected a key"),
        ] {
            let error = line.parse::<PublicKey>().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn private_keys_are_not_shown() {
        let key = PrivateKey::generate("x").unwrap();
        let shown = format!("{key:?}");
        assert!(!shown.contains(&hex::encode(&key.seed)), "{shown}");
    }
}
