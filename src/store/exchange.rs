//! Exchanges blobs with a store on another machine, which a process there has open.
//!
//! Blobs are named by their digests. Nothing that the other machine sends is believed: a blob gets its name only if its
//! bytes have the digest, and a listing becomes a [`Tree`] only if its names stay inside the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use contract::files::open_with;

use super::{Blob, Deadline, Error, Store, Tree, files};
use crate::keys::Digest;

impl Store {
    /// Returns the blob at a path that [`Store::files_of`] returned. `None` if the path is another one, or if there is
    /// no such file. Its content is not verified.
    pub fn blob_at(&self, path: &Path) -> Option<Blob> {
        let digest: Digest = path.file_name()?.to_str()?.parse().ok()?;
        if self.blob_path(&digest) != path {
            return None;
        }
        let metadata = std::fs::symlink_metadata(path).ok()?;
        metadata.is_file().then_some(Blob {
            digest,
            bytes: metadata.len(),
        })
    }

    /// Returns those of the blobs that are missing here, without repetitions. Every blob that is here is read once; a
    /// damaged one is set aside and counts as missing.
    pub fn lacking<'a>(
        &self,
        blobs: impl IntoIterator<Item = &'a Blob>,
    ) -> Result<Vec<Blob>, Error> {
        let wanted: BTreeMap<Digest, Blob> = blobs.into_iter().map(|b| (b.digest, *b)).collect();
        let mut lacking = Vec::new();
        for blob in wanted.into_values() {
            if !self.ensure_sound(&blob, &Deadline::NONE)? {
                lacking.push(blob);
            }
        }
        Ok(lacking)
    }

    /// Takes a blob from `content`, which may have more to read after it. A guard must be held until the blob is no
    /// longer needed, because no record names it.
    ///
    /// # Errors
    /// If `content` ends early, or does not have the digest. Nothing is stored then.
    pub fn receive(&self, blob: &Blob, content: &mut dyn Read) -> Result<(), Error> {
        let fresh = self.session()?.fresh("received");
        let received = receive_file(&fresh, blob, content)
            .map_err(Error::io("receive", &fresh))
            .and_then(|()| self.take_in(&fresh));
        if received.is_err() {
            let _ = files::remove(&fresh);
        }
        received
    }

    fn take_in(&self, fresh: &Path) -> Result<(), Error> {
        self.ingest_own_file(fresh, &Deadline::NONE).map(drop)
    }
}

impl Tree {
    /// Makes a tree of a listing that comes from another machine.
    ///
    /// # Errors
    /// A sentence fragment, if a name leads out of the tree, or two names exclude each other.
    pub fn listed(
        files: BTreeMap<String, Blob>,
        folders: BTreeSet<String>,
    ) -> Result<Self, &'static str> {
        if !super::tree::are_safe(&files, &folders) {
            return Err("a list of files has a name that leads out of its folder");
        }
        Self::new(files, folders).map_err(|_| "a list of files cannot be read")
    }
}

/// Writes a blob to a new file.
///
/// # Errors
/// If `content` ends early, or does not have the digest. The file may then be incomplete.
pub fn receive_file(path: &Path, blob: &Blob, content: &mut dyn Read) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    let mut file = open_with(path, &mut options)?;
    let mut hashing = Hashing {
        from: content.take(blob.bytes),
        hasher: blake3::Hasher::new(),
    };
    let copied = io::copy(&mut hashing, &mut file)?;
    if copied < blob.bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if Digest::from(hashing.hasher.finalize()) != blob.digest {
        let message = "the bytes do not have the announced digest";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(())
}

/// Hashes what is read.
struct Hashing<R> {
    from: R,
    hasher: blake3::Hasher,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn blob(content: &[u8]) -> Blob {
        Blob {
            digest: blake3::hash(content).into(),
            bytes: content.len() as u64,
        }
    }

    #[test]
    fn a_blob_is_received_once_and_can_then_be_opened() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let _guard = store.guard().unwrap();
        let (one, two) = (blob(b"one"), blob(b"two"));
        assert_eq!(store.lacking([&one, &two, &one]).unwrap().len(), 2);
        let mut stream = &b"one and more"[..];
        store.receive(&one, &mut stream).unwrap();
        assert_eq!(stream, b" and more");
        assert_eq!(store.lacking([&one, &two]).unwrap(), [two]);
        let mut found = Vec::new();
        let mut file = store.open_blob(&one.digest).unwrap().unwrap();
        file.read_to_end(&mut found).unwrap();
        assert_eq!(found, b"one");
        let path = store.blob_path(&one.digest);
        assert_eq!(store.blob_at(&path), Some(one));
        for other in [root.path().join("file"), store.blob_path(&two.digest)] {
            assert_eq!(store.blob_at(&other), None);
        }
        let elsewhere = root.path().join(one.digest.to_string());
        fs::write(&elsewhere, "one").unwrap();
        assert_eq!(store.blob_at(&elsewhere), None);
    }

    #[test]
    fn a_damaged_blob_is_lacking_again() {
        let root = tempfile::tempdir().unwrap();
        let one = blob(b"one");
        let path = {
            let store = Store::open(root.path()).unwrap();
            store.receive(&one, &mut &b"one"[..]).unwrap();
            store.blob_path(&one.digest)
        };
        fs::remove_file(&path).unwrap();
        fs::write(&path, "eno").unwrap();
        let store = Store::open(root.path()).unwrap();
        assert_eq!(store.lacking([&one]).unwrap(), [one]);
        store.receive(&one, &mut &b"one"[..]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
    }

    #[test]
    fn wrong_and_short_content_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let one = blob(b"one");
        let wrong = store.receive(&one, &mut &b"two"[..]).unwrap_err();
        assert!(wrong.to_string().contains("digest"), "{wrong}");
        store.receive(&one, &mut &b"on"[..]).unwrap_err();
        let huge = Blob {
            bytes: u64::MAX,
            ..one
        };
        store.receive(&huge, &mut &b"one"[..]).unwrap_err();
        assert!(!store.blob_path(&one.digest).exists());
        let session = store.session().unwrap();
        let left = fs::read_dir(session.path()).unwrap().count();
        assert_eq!(left, 1, "only the lock stays");
    }

    #[test]
    fn listings_with_bad_names_make_no_tree() {
        let files = |name: &str| BTreeMap::from([(name.to_owned(), blob(b""))]);
        Tree::listed(files("a/b"), BTreeSet::new()).unwrap();
        for name in ["../a", "/a", "a/../b", "", "a\n", "a//b"] {
            Tree::listed(files(name), BTreeSet::new()).unwrap_err();
            let folders = BTreeSet::from([name.to_owned()]);
            Tree::listed(files("x"), folders).unwrap_err();
        }
        Tree::listed(files("a/b"), BTreeSet::from(["a".to_owned()])).unwrap_err();
    }
}
