//! Memos with many thousand entries, encoded with postcard behind a checksum: reading them is ten times as
//! fast as JSON. As with other memos, a damaged one counts as absent.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::files::{self, Found};
use super::sealed::Damaged;
use super::{Error, Memo, Store};
use crate::keys::Digest;

const CONTEXT: &str = "runner packed memo checksum v1";
/// Extension of packed files.
const EXTENSION: &str = "packed";
const CHECKSUM: usize = 32;

impl Store {
    pub fn packed_memo<T: DeserializeOwned>(&self, name: Memo<'_>) -> Option<T> {
        debug_assert!(is_packed(&name.path()));
        let Ok(Found::Bytes(bytes)) = files::read(&self.home.join(name.path())) else {
            return None;
        };
        postcard::from_bytes(unpack(&bytes).ok()?).ok()
    }

    /// Writes a packed memo, unless the file has this content already.
    pub fn set_packed_memo<T: Serialize>(&self, name: Memo<'_>, memo: &T) -> Result<(), Error> {
        debug_assert!(is_packed(&name.path()));
        self.write_memo(name, &pack(memo))
    }
}

/// Returns whether a file has the extension of packed memos.
pub(super) fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|found| found == EXTENSION)
}

fn pack<T: Serialize>(memo: &T) -> Vec<u8> {
    // Postcard fails only for sequences of unknown length, and memos have none.
    let mut bytes =
        postcard::to_extend(memo, vec![0; CHECKSUM]).expect("plain data has a packed form");
    let checksum = Digest::derive(CONTEXT, &bytes[CHECKSUM..]);
    bytes[..CHECKSUM].copy_from_slice(checksum.as_bytes());
    bytes
}

/// Returns the packed bytes if they match the checksum in front of them.
pub(super) fn unpack(bytes: &[u8]) -> Result<&[u8], Damaged> {
    let (checksum, memo) = bytes.split_at_checked(CHECKSUM).ok_or(Damaged)?;
    if Digest::derive(CONTEXT, memo).as_bytes() != checksum {
        return Err(Damaged);
    }
    Ok(memo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_memo_comes_back_and_a_damaged_one_is_absent() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let name = Memo::SourceIndex("x");
        let memo = vec![("a".to_owned(), 1u64), ("b".to_owned(), u64::MAX)];
        let read = || store.packed_memo::<Vec<(String, u64)>>(name);
        assert_eq!(read(), None);
        store.set_packed_memo(name, &memo).unwrap();
        assert_eq!(read(), Some(memo));

        let file = folder.path().join("v1").join(name.path());
        let whole = std::fs::read(&file).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x80;
            std::fs::write(&file, damaged).unwrap();
            assert_eq!(read(), None);
            let check = store.check().unwrap();
            assert!(check.findings.iter().any(|finding| finding.path == file));
            std::fs::write(&file, &whole[..at]).unwrap();
            assert_eq!(read(), None);
        }
        std::fs::write(&file, whole).unwrap();
        assert!(store.check().unwrap().findings.is_empty());
    }
}
