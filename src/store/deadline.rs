//! Tells work on files that may take long when to give up.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Ends long work when its time is over or when the run is to stop.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deadline<'a> {
    at: Option<Instant>,
    stopping: Option<&'a AtomicBool>,
}

impl<'a> Deadline<'a> {
    /// No deadline.
    pub const NONE: Deadline<'static> = Deadline {
        at: None,
        stopping: None,
    };

    /// A deadline that is `timeout` from now, if there is one, and at the latest when `stopping` is set.
    pub fn new(timeout: Option<Duration>, stopping: &'a AtomicBool) -> Self {
        Self {
            at: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            stopping: Some(stopping),
        }
    }

    /// Returns an error, which [`is_given_up`] recognises, if the work is to end.
    pub fn check(&self) -> io::Result<()> {
        let is_over = self.at.is_some_and(|at| Instant::now() >= at);
        let is_stopping = self
            .stopping
            .is_some_and(|flag| flag.load(Ordering::SeqCst));
        match is_over || is_stopping {
            true => Err(io::Error::new(io::ErrorKind::TimedOut, GivenUp)),
            false => Ok(()),
        }
    }
}

/// Whether an error means that a deadline ended the work.
pub fn is_given_up(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<GivenUp>())
}

/// The cause of errors at a deadline.
#[derive(Debug, thiserror::Error)]
#[error("its time is over")]
struct GivenUp;
