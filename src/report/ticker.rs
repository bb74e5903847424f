//! Calls a function again and again on a thread of its own.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The function may take at most one part in this many of the processor's time. After a slow call, the next one
/// therefore comes later.
const SHARE: u32 = 500;

/// Calls a function at an interval until this value is dropped.
pub(super) struct Ticker {
    /// The thread ends when this is dropped.
    _end: Sender<()>,
}

impl Ticker {
    /// Starts the thread. Without it, nothing is called; only the display then shows less.
    pub(super) fn start(interval: Duration, call: impl Fn() + Send + 'static) -> Option<Self> {
        let (end, ended) = channel();
        let work = move || {
            let mut pause = interval;
            while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let started = Instant::now();
                call();
                pause = interval.max(started.elapsed() * SHARE);
            }
        };
        let started = thread::Builder::new().name("ticker".to_owned()).spawn(work);
        if let Err(error) = &started {
            tracing::warn!("progress is not shown regularly: failed to start a thread: {error}");
        }
        started.is_ok().then_some(Self { _end: end })
    }
}
