//! A place outside this machine that has results, too.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::PathBuf;

use super::{ActionRecord, Blob};
use crate::keys::{Digest, Key};

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

    /// Writes the content of each blob to a new file. Returns for each blob whether its file has the right size and
    /// digest. Other files may exist in part, or not at all.
    fn fetch(&self, blobs: Vec<(Blob, PathBuf)>) -> Vec<bool>;

    /// Passes on a record that is in the local folder with its outputs. Returns at once.
    fn offer(&self, record: &ActionRecord);

    /// Notes that outputs of the record under a key could not be copied.
    fn distrust(&self, key: &Key);

    /// Returns the number of offered records that are still being passed on.
    fn waiting(&self) -> usize;

    /// Returns the bytes that were received and sent so far.
    fn traffic(&self) -> Traffic;

    /// Ends all waits for the place: the run is stopping. From now on, the place has no results.
    fn stop(&self);

    /// Ends passing on records, and returns how many are left for later.
    fn finish(&self) -> usize;
}
