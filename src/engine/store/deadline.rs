//! Deadlines for long work on files.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Limit for long work: a point in time, a flag that the run is stopping, both, or neither.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deadline<'a> {
    timeout: Option<Duration>,
    at: Option<Instant>,
    stopping: Option<&'a AtomicBool>,
}

impl<'a> Deadline<'a> {
    /// No deadline.
    pub const NONE: Deadline<'static> = Deadline {
        timeout: None,
        at: None,
        stopping: None,
    };

    /// Returns a deadline `timeout` from now, if there is one, which also ends the
    /// work once `stopping` is set.
    pub fn new(timeout: Option<Duration>, stopping: &'a AtomicBool) -> Self {
        Self {
            timeout,
            at: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            stopping: Some(stopping),
        }
    }

    /// Returns an error, which [`given_up`] recognises, if the work must end.
    pub fn check(&self) -> io::Result<()> {
        let is_over = self.at.is_some_and(|at| Instant::now() >= at);
        let is_stopping = self
            .stopping
            .is_some_and(|flag| flag.load(Ordering::SeqCst));
        match is_over || is_stopping {
            true => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                GivenUp(self.timeout.unwrap_or_default()),
            )),
            false => Ok(()),
        }
    }
}

/// Returns the timeout if an error means that a deadline ended the work. Zero if the run was
/// stopping and there was none.
pub fn given_up(error: &io::Error) -> Option<Duration> {
    let inner = error.get_ref()?.downcast_ref::<GivenUp>()?;
    Some(inner.0)
}

/// The source of errors at a deadline, with the timeout.
#[derive(Debug, thiserror::Error)]
#[error("its time is over")]
struct GivenUp(Duration);
