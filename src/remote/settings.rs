//! [`Settings`] of a remote, and [`Limits`] of what is asked of it.

use std::path::PathBuf;
use std::time::Duration;

use crate::address::{Address, Mode};
use crate::keys::{PrivateKey, PublicKey};

/// Settings of a remote.
#[derive(Clone, Debug)]
pub struct Settings {
    pub address: Address,
    pub mode: Mode,
    /// Keys of which one must have signed a record. `None` accepts every record.
    pub accepted: Option<Vec<PublicKey>>,
    /// Signs the records that are uploaded.
    pub signing: Option<PrivateKey>,
    /// Folder of this machine for known answers and pending uploads. Several remotes can share it.
    pub memory: PathBuf,
    /// Time for which "no such record" is remembered.
    pub absence: Duration,
    pub limits: Limits,
}

/// Default of [`Settings::absence`].
pub const ABSENCE: Duration = Duration::from_secs(60);

impl Settings {
    /// Settings with defaults: every record is accepted, and none is signed.
    pub fn new(address: Address, mode: Mode, memory: PathBuf) -> Self {
        Self {
            address,
            mode,
            accepted: None,
            signing: None,
            memory,
            absence: ABSENCE,
            limits: Limits::default(),
        }
    }
}

/// Limits of what is asked of a remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time for a connection.
    pub connect: Duration,
    /// Time in which the answer to a read must begin. Also the longest pause between two of its parts.
    pub answer: Duration,
    /// Time for a batch of lookups, to which [`Limits::each_lookup`] is added for each name.
    pub lookups: Duration,
    pub each_lookup: Duration,
    /// Time in which at least 16 KiB must arrive or leave. Also the time in which the answer to a write must begin.
    pub stall: Duration,
    /// Attempts of one operation.
    pub attempts: u32,
    /// Pause before the second attempt; doubled for each further one. A random part of it is waited.
    pub pause: Duration,
    /// Longest pause that a server can ask for. If it asks for more, the operation fails.
    pub longest_pause: Duration,
    /// Failed attempts in a row after which the remote is not asked any more.
    pub failures: u32,
    /// Requests at the same time.
    pub requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(10),
            lookups: Duration::from_secs(10),
            each_lookup: Duration::from_millis(10),
            stall: Duration::from_secs(30),
            attempts: 4,
            pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(30),
            failures: 8,
            requests: 64,
        }
    }
}

/// A setting that cannot be used. The text is a sentence with a hint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SetupError(String);

impl SetupError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Looks up environment variables.
pub(crate) type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;
