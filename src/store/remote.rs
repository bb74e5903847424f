//! A place outside this machine that has results, too.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs::File;
use std::io;

use super::{ActionRecord, Blob};
use crate::keys::{Digest, Key};

/// Function that creates the file for the blob at a position.
pub type CreateFile<'a> = dyn Fn(usize) -> io::Result<File> + Sync + 'a;

/// Bytes that were moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub received: u64,
    pub sent: u64,
}

/// A shared cache, as far as the store sees it. The store checks everything that it returns.
///
/// Nothing here fails: a place that cannot be reached has no results. It reports its problems itself, once.
pub trait Remote: Debug + Send + Sync {
    /// Looks up many records in one call. The answers are in the order of `keys`: the bytes of a record as
    /// [`ActionRecord::decode`] reads them, or `None`.
    fn look_up(&self, keys: &[Key]) -> Vec<Option<Vec<u8>>>;

    /// Returns the kinds of processors that computed results there.
    fn processors(&self) -> BTreeSet<String>;

    /// Returns the encoded trees under digests, in their order.
    fn trees(&self, digests: &[Digest]) -> Vec<Option<Vec<u8>>>;

    /// Writes the content of each blob to the new file that `create` returns for its position. Returns for each blob
    /// whether the file has the right size and digest.
    fn fetch(&self, blobs: &[Blob], create: &CreateFile<'_>) -> Vec<bool>;

    /// Passes on a record that is in the local folder with its outputs. Returns at once.
    fn offer(&self, record: &ActionRecord);

    /// Notes that outputs of the record under a key could not be copied.
    fn distrust(&self, key: &Key);

    /// Returns the number of offered records that are still being passed on.
    fn waiting(&self) -> usize;

    /// Returns the bytes that were received and sent so far.
    fn traffic(&self) -> Traffic;

    /// Ends passing on records, and returns how many are left for later.
    fn finish(&self) -> usize;
}
