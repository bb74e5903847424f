//! File metadata that changes when a file is written to.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use contract::clock;

/// A file's size, identity and times. A program can set the time of modification, but not the time of change;
/// the latter also moves when a link to the file is added or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    bytes: u64,
    /// In seconds and nanoseconds, like `changed`.
    modified: (i64, i64),
    changed: (i64, i64),
    inode: u64,
    device: u64,
}

impl FileStamp {
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }

    /// Returns whether any later write changes the stamp. A write in the same tick of the clock, which lasts a few
    /// milliseconds, may leave the times as they are.
    pub fn is_reliable(&self) -> bool {
        clock::has_passed(self.changed)
    }

    /// Waits until [`FileStamp::is_reliable`]. Returns `false` if that takes too long,
    /// because the clock was set back.
    pub fn wait_until_reliable(&self) -> bool {
        clock::wait_until_passed(self.changed)
    }
}
