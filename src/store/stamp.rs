//! What changes when a file is written to.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use rustix::time::{ClockId, clock_gettime};

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
        let now = clock_gettime(TICKS);
        self.changed < (now.tv_sec, now.tv_nsec)
    }
}

/// The clock that times of files are taken from.
#[cfg(target_os = "linux")]
const TICKS: ClockId = ClockId::RealtimeCoarse;
#[cfg(not(target_os = "linux"))]
const TICKS: ClockId = ClockId::Realtime;
