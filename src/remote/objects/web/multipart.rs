//! Uploads large blobs to S3 in parts. A part that fails is sent again; the others stay.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use blake3::Hasher;
use store::Blob;
use store::keys::Digest;

use super::answer::refusal;
use super::connection::{Connection, Head};
use super::s3::Bucket;
use crate::fault::{Fault, FaultKind};

/// Blobs above this size, in bytes, are uploaded in parts.
pub(super) const LARGE: u64 = if cfg!(test) { 5 << 20 } else { 256 << 20 };
/// Smallest size of a part. S3 allows no less than 5 MiB.
const PART: u64 = if cfg!(test) { 5 << 20 } else { 64 << 20 };
/// S3 allows this many parts.
const MOST_PARTS: u64 = 10_000;
const ATTEMPTS: u32 = 3;

/// Uploads a blob in parts. Its content is verified before the parts become an object.
pub(super) fn put(
    connection: &Connection,
    bucket: &Bucket,
    name: &str,
    file: &File,
    blob: &Blob,
) -> Result<(), Fault> {
    let (head, text) = connection.post(&bucket.sign_begin(name), "")?;
    check(connection, &head)?;
    let upload = Bucket::read_begin(&text)
        .ok_or_else(|| connection.foreign("its answer to a large upload is damaged"))?;
    let joined = send(connection, bucket, name, file, blob, &upload);
    if joined.is_err() {
        // The server bills for parts that stay. Many buckets have a rule that removes them.
        let _ = connection.delete(&bucket.sign_abort(name, &upload), &[]);
    }
    joined
}

fn send(
    connection: &Connection,
    bucket: &Bucket,
    name: &str,
    file: &File,
    blob: &Blob,
    upload: &str,
) -> Result<(), Fault> {
    let size = PART.max(blob.bytes.div_ceil(MOST_PARTS));
    let mut hasher = Hasher::new();
    let mut tags = Vec::new();
    let mut at = 0;
    while at < blob.bytes {
        let bytes = size.min(blob.bytes - at);
        let number = u16::try_from(tags.len() + 1)
            .map_err(|_| Fault::new(FaultKind::Refused, "a file has too many parts for S3"))?;
        let url = bucket.sign_part(name, upload, number);
        let (tag, hashed) = part(connection, &url, file, at, bytes, &hasher)?;
        tags.push(tag);
        hasher = hashed;
        at += bytes;
    }
    if Digest::from(hasher.finalize()) != blob.digest {
        let error = io::Error::other(
            "the file in the local store is damaged; `runner cache verify` finds and removes such files",
        );
        return Err(Fault::local("upload a file", &error));
    }
    let (url, body) = bucket.sign_end(name, upload, &tags);
    let (head, text) = connection.post(&url, &body)?;
    check(connection, &head)?;
    // The status is sent before the parts are joined, so an error may follow. A gateway may answer instead, too.
    match text.contains("CompleteMultipartUploadResult") {
        true => Ok(()),
        false => Err(connection.fault(
            FaultKind::Busy,
            "it did not confirm that the parts of a file were joined",
        )),
    }
}

/// Sends one part. Returns its entity tag, and the hasher of everything up to its end.
fn part(
    connection: &Connection,
    url: &str,
    file: &File,
    at: u64,
    bytes: u64,
    before: &Hasher,
) -> Result<(String, Hasher), Fault> {
    let mut attempt = 1;
    loop {
        let mut piece = Piece {
            file,
            at,
            left: bytes,
            hasher: before.clone(),
        };
        let sent = connection.put_reader(url, bytes, &mut piece);
        let sent = sent.and_then(|head| {
            check(connection, &head)?;
            let tag = head.header("etag").map(str::to_owned);
            tag.ok_or_else(|| connection.foreign("it did not confirm a part of a file"))
        });
        match sent {
            Ok(tag) => return Ok((tag, piece.hasher)),
            Err(fault) if fault.is_transient() && attempt < ATTEMPTS => attempt += 1,
            Err(fault) => return Err(fault),
        }
    }
}

fn check(connection: &Connection, head: &Head) -> Result<(), Fault> {
    match head.is_success() {
        true => Ok(()),
        false => Err(refusal(connection, head, "write an object")),
    }
}

/// Reads and hashes a part of a file.
struct Piece<'a> {
    file: &'a File,
    at: u64,
    left: u64,
    hasher: Hasher,
}

impl Read for Piece<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        if read == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.hasher.update(&buffer[..read]);
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}
