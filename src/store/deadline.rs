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

    /// Creates a deadline that ends the work after `timeout`, if there is one, or once `stopping`
    /// is set.
    pub fn new(timeout: Option<Duration>, stopping: &'a AtomicBool) -> Self {
        Self {
            timeout,
            at: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            stopping: Some(stopping),
        }
    }

    /// Returns an error, which [`given_up`] recognizes, if the work must end.
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

/// Returns the timeout if an error means that a deadline ended the work. Returns zero if the run
/// was stopping and there was no timeout.
pub fn given_up(error: &io::Error) -> Option<Duration> {
    let inner = error.get_ref()?.downcast_ref::<GivenUp>()?;
    Some(inner.0)
}

/// Inner error of [`Deadline::check`], with the timeout.
#[derive(Debug, thiserror::Error)]
#[error("the deadline has passed, or the run is stopping")]
struct GivenUp(Duration);
