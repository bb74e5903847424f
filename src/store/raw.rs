//! Reads records, trees and blobs as they are on disk, to copy them elsewhere. The reader checks them.

use std::fs::File;
use std::io;

use super::Store;
use super::files::{self, Found, Opened};
use crate::keys::{Digest, Key};

impl Store {
    /// Returns the bytes of the record under a key. `None` if there is none.
    pub fn record_bytes(&self, key: &Key) -> io::Result<Option<Vec<u8>>> {
        files::read(&self.record_path(key)).map(bytes)
    }

    /// Returns the bytes of the tree under a digest. `None` if there is none.
    pub fn tree_bytes(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        files::read(&self.tree_path(digest)).map(bytes)
    }

    /// Opens the blob under a digest. `None` if there is none.
    pub fn open_blob(&self, digest: &Digest) -> io::Result<Option<File>> {
        match files::open(&self.blob_path(digest)) {
            Ok(Opened::File(file)) => Ok(Some(file)),
            Ok(Opened::Missing | Opened::Foreign) => Ok(None),
            Err(error) if files::is_absence(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn bytes(found: Found) -> Option<Vec<u8>> {
    match found {
        Found::Bytes(bytes) => Some(bytes),
        Found::Missing | Found::Foreign => None,
    }
}
