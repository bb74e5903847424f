//! What changes when a file is written to.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use contract::clock;

/// A file's identity and times. The time of change cannot be set by a program, unlike that of
/// modification; but it also moves with every new name of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    bytes: u64,
    /// Seconds and nanoseconds, as `changed`.
    modified: (i64, i64),
    changed: (i64, i64),
    inode: u64,
    device: u64,
}

impl Stamp {
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }

    /// Whether a write from now on changes the stamp. One in the same tick of the clock, a few
    /// milliseconds, may leave the times as they are.
    pub fn is_settled(&self) -> bool {
        clock::has_passed(self.changed)
    }

    /// Waits until it is settled; `false` if it does not come to that, as the clock was set back.
    pub fn wait_until_settled(&self) -> bool {
        clock::wait_until_passed(self.changed)
    }
}
