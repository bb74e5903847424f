//! [`Fault`]: the reason why a request to a remote failed, as a sentence without credentials.

use std::fmt;
use std::io;
use std::time::Duration;

/// The reason why a request to a remote failed.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Fault {
    pub kind: FaultKind,
    /// What happened, and what to do about it, if that is known.
    message: String,
    /// The time after which the server wants to be asked again.
    pub(crate) retry_after: Option<Duration>,
}

/// Kinds of faults. The kind decides whether a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// No connection, or one that broke.
    Connection,
    /// No answer, or no progress, within the time limit.
    Timeout,
    /// The server is overloaded or failed.
    Busy,
    /// The bytes are not those that were written.
    Damaged,
    /// The server refuses: no access, no bucket, read-only, full, a wrong address.
    Refused,
    /// This remote cannot do it: an HTTP server cannot list, or an object is too large for the server.
    Unsupported,
    /// A file of this machine cannot be read or written.
    Local,
    /// The remote is not asked, because it failed too often or the run is stopping.
    Off,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            retry_after: None,
        }
    }

    pub(crate) fn off() -> Self {
        Self::new(
            FaultKind::Off,
            "the remote is not asked any more in this run",
        )
    }

    /// Converts an error of a file of this machine.
    pub(crate) fn local(what: impl fmt::Display, error: &io::Error) -> Self {
        Self::new(FaultKind::Local, format!("failed to {what}: {error}"))
    }

    /// `true` if the same request may succeed a moment later.
    pub(crate) fn is_transient(&self) -> bool {
        match self.kind {
            FaultKind::Connection | FaultKind::Timeout | FaultKind::Busy | FaultKind::Damaged => {
                true
            }
            FaultKind::Refused | FaultKind::Unsupported | FaultKind::Local | FaultKind::Off => {
                false
            }
        }
    }
}
