//! Computes the blake3 digest of a file's content. Large files are hashed by all threads.
//!
//! A large file is read in pieces. Each thread reads a piece into its own buffer and hashes it, and the
//! hashes are joined as in blake3's tree. The file is not mapped into memory, because a mapped file
//! that shrinks kills the process. A file that shrinks while it is read in pieces is read again from
//! the start, sequentially.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use blake3::Hasher;
use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};

use super::Deadline;
use crate::keys::Digest;

/// Bytes read at once: a power of two, as blake3's tree needs, and small enough for a core's own cache.
const PIECE: usize = 1 << 18;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; PIECE]);
}

/// Returns the digest of an open file's content from its start, and its length in bytes. The length differs
/// from `expected` only if the file changes.
pub fn digest_open(file: &File, expected: u64) -> io::Result<(Digest, u64)> {
    digest_before(file, expected, &Deadline::NONE)
}

/// Like [`digest_open`], but gives up at a deadline.
pub(super) fn digest_before(
    file: &File,
    expected: u64,
    deadline: &Deadline<'_>,
) -> io::Result<(Digest, u64)> {
    if expected > PIECE as u64 {
        match tree(file, expected, deadline) {
            Ok(hash) => return Ok((hash.into(), expected)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error),
        }
    }
    sequence(file, expected, deadline)
}

/// Reads to the end of the file, whatever its length.
fn sequence(file: &File, expected: u64, deadline: &Deadline<'_>) -> io::Result<(Digest, u64)> {
    with_buffer(|buffer| {
        let mut hasher = Hasher::new();
        loop {
            deadline.check()?;
            let read = match file.read_at(buffer, hasher.count()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            hasher.update(&buffer[..read]);
            // A file that was read whole by one call needs no second one: that saves a
            // call for every small file.
            if read == 0 || (hasher.count() == expected && read as u64 == expected) {
                return Ok((hasher.finalize().into(), hasher.count()));
            }
        }
    })
}

/// Returns the root of the hash tree over `length` bytes, which must be more than one piece.
fn tree(file: &File, length: u64, deadline: &Deadline<'_>) -> io::Result<blake3::Hash> {
    let (left, right) = halves(file, 0, length, deadline)?;
    Ok(merge_subtrees_root(&left, &right, Mode::Hash))
}

fn subtree(
    file: &File,
    offset: u64,
    length: u64,
    deadline: &Deadline<'_>,
) -> io::Result<ChainingValue> {
    // The deadline is checked at every node: a large file can have millions of nodes.
    deadline.check()?;
    if length <= PIECE as u64 {
        return piece(file, offset, length as usize);
    }
    let (left, right) = halves(file, offset, length, deadline)?;
    Ok(merge_subtrees_non_root(&left, &right, Mode::Hash))
}

fn halves(
    file: &File,
    offset: u64,
    length: u64,
    deadline: &Deadline<'_>,
) -> io::Result<(ChainingValue, ChainingValue)> {
    let left = left_subtree_len(length);
    let halves = rayon::join(
        || subtree(file, offset, left, deadline),
        || subtree(file, offset + left, length - left, deadline),
    );
    Ok((halves.0?, halves.1?))
}

fn piece(file: &File, offset: u64, length: usize) -> io::Result<ChainingValue> {
    with_buffer(|buffer| {
        let bytes = &mut buffer[..length];
        file.read_exact_at(bytes, offset)?;
        let mut hasher = Hasher::new();
        Ok(hasher
            .set_input_offset(offset)
            .update(bytes)
            .finalize_non_root())
    })
}

/// Calls `read` with this thread's buffer. `read` must not wait for other threads: rayon would use the wait
/// to hash another piece on this thread, which needs the buffer.
fn with_buffer<T>(read: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| read(buffer))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The expected length may differ from the actual one.
        #[test]
        fn a_file_has_the_hash_of_its_bytes(
            pieces in 0usize..6, more in 0usize..3000, expected in prop_oneof![Just(None), (0u64..2_000_000).prop_map(Some)]
        ) {
            let length = pieces * PIECE + more;
            let bytes: Vec<u8> = (0..length).map(|i| ((i * i) >> 7) as u8).collect();
            let expected = expected.unwrap_or(length as u64);
            // If a large file has grown, only its expected length is hashed. That is not tested here.
            prop_assume!(expected >= length as u64 || expected <= PIECE as u64);
            let (digest, count) = digest_open(&file_of(&bytes), expected).unwrap();
            prop_assert_eq!(digest, Digest::from(blake3::hash(&bytes)));
            prop_assert_eq!(count, length as u64);
        }
    }

    #[test]
    fn lengths_around_a_piece() {
        for length in [
            PIECE - 1,
            PIECE,
            PIECE + 1,
            2 * PIECE,
            3 * PIECE - 1,
            4 * PIECE + 1025,
        ] {
            let bytes = vec![7; length];
            let (digest, _) = digest_open(&file_of(&bytes), length as u64).unwrap();
            assert_eq!(digest, blake3::hash(&bytes).into(), "{length}");
        }
    }

    /// Truncating a file again and again while it is read does not end the process.
    #[test]
    fn a_file_that_shrinks_meanwhile_is_read_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let length = 64 * PIECE as u64;
        fs::write(&path, vec![1; length as usize]).unwrap();
        let file = File::open(&path).unwrap();
        let cut = File::options().write(true).open(&path).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..50 {
                    cut.set_len(length / 50 * (50 - round)).unwrap();
                }
            });
            let (_, count) = digest_open(&file, length).unwrap();
            assert!(count <= length);
        });
        let left = fs::read(&path).unwrap();
        let (digest, count) = digest_open(&file, length).unwrap();
        assert_eq!(
            (digest, count),
            (blake3::hash(&left).into(), left.len() as u64)
        );
    }
}
