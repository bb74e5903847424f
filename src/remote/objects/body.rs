//! [`Body`]: the content of an object that is written. It can be read again for a second attempt.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use blake3::Hasher;
use store::Blob;
use store::keys::Digest;

/// The content of an object that is written.
pub(crate) enum Body<'a> {
    Bytes(&'a [u8]),
    /// A file with the content of a blob.
    File(&'a File, Blob),
}

impl<'a> Body<'a> {
    /// Returns the number of bytes, which a server must know in advance.
    #[cfg(feature = "s3")]
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, blob) => blob.bytes,
        }
    }

    /// Starts reading from the beginning.
    pub(crate) fn reader(&self) -> Box<dyn Read + 'a> {
        match self {
            Self::Bytes(bytes) => Box::new(*bytes),
            Self::File(file, blob) => Box::new(Verified {
                file,
                blob: *blob,
                hasher: Hasher::new(),
                read: 0,
            }),
        }
    }
}

/// Reads a blob and hashes it. The last bytes are only returned if the hash of all is right, so that a server never
/// receives the whole of a damaged file: it discards an upload that is shorter than announced.
struct Verified<'a> {
    file: &'a File,
    blob: Blob,
    hasher: Hasher,
    read: u64,
}

impl Read for Verified<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.blob.bytes - self.read;
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if most == 0 {
            return Ok(0);
        }
        let read = self.file.read_at(&mut buffer[..most], self.read)?;
        self.hasher.update(&buffer[..read]);
        self.read += read as u64;
        let is_last = self.read == self.blob.bytes;
        if read == 0 || (is_last && Digest::from(self.hasher.finalize()) != self.blob.digest) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, Changed));
        }
        Ok(read)
    }
}

/// A file in the local store is not what its name says.
#[derive(Debug, thiserror::Error)]
#[error(
    "the file in the local store is damaged; `runner cache verify` finds and removes such files"
)]
struct Changed;

/// Returns the error if it is due to a file of this machine, not to the connection.
pub(crate) fn is_local(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Changed>())
}
