//! Enforces the time and memory limits of a worker or a user's program. Here, both are called a worker.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use contract::Failure;
use rustix::process::{Pid, Signal};

use super::memory::held;
use super::workers::Workers;
use crate::graph::Limits;
use crate::wording;

/// Interval between looks at a worker's memory.
const LOOK: Duration = Duration::from_millis(20);
/// Time that a worker has to save a checkpoint and end after its timeout.
const GRACE: Duration = Duration::from_secs(10);

/// The limit that a worker exceeded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Excess {
    Time {
        limit: Duration,
    },
    /// In bytes.
    Memory {
        limit: u64,
        held: u64,
    },
    /// The thread that watches the limits could not be started. `error` is the system's error number.
    Unwatched {
        error: Option<i32>,
    },
}

impl Excess {
    pub(super) fn failure(&self) -> Failure {
        match *self {
            Self::Time { limit } => Failure::TimedOut(format!(
                "took longer than its timeout, {}",
                wording::duration(limit.as_secs_f64())
            )),
            Self::Memory { limit, held } => Failure::OutOfMemory(format!(
                "its process used {} of memory, more than its limit of {}; raise `resources.memory` of the stage",
                ByteSize::b(held).display().iec(),
                ByteSize::b(limit).display().iec()
            )),
            Self::Unwatched { error } => Failure::System(format!(
                "failed to start a thread that watches its limits: {}",
                error.map_or_else(io::Error::last_os_error, io::Error::from_raw_os_error)
            )),
        }
    }
}

/// Runs `work`, which must end when the worker `pid` does, and enforces the worker's limits meanwhile. After
/// its timeout the worker is asked to stop, and killed if it does not. If it holds too much memory it is
/// killed, and also if the thread that watches it cannot be started.
pub(super) fn watch<T>(
    pid: Pid,
    limits: Limits,
    workers: &Workers,
    work: impl FnOnce() -> T,
) -> (T, Option<Excess>) {
    if limits.timeout.is_none() && limits.memory.is_none() {
        return (work(), None);
    }
    thread::scope(|scope| {
        let (ended, end) = channel::<()>();
        let watcher = thread::Builder::new().spawn_scoped(scope, move || {
            let started = Instant::now();
            let mut excess = None;
            loop {
                let next = match (limits.memory, limits.timeout) {
                    (Some(_), _) => LOOK,
                    (None, timeout) => timeout
                        .map_or(GRACE, |limit| limit.saturating_sub(started.elapsed()))
                        .max(LOOK),
                };
                // The other end is dropped when the work has ended.
                if end.recv_timeout(next) != Err(RecvTimeoutError::Timeout) {
                    return excess;
                }
                let memory = limits.memory.zip(held(pid));
                if let Some((limit, held)) = memory.filter(|(limit, held)| held > limit) {
                    excess.get_or_insert(Excess::Memory { limit, held });
                    workers.signal_one(pid, Signal::KILL);
                }
                let Some(limit) = limits.timeout else {
                    continue;
                };
                if started.elapsed() >= limit && excess.is_none() {
                    excess = Some(Excess::Time { limit });
                    workers.signal_one(pid, Signal::TERM);
                } else if started.elapsed() >= limit.saturating_add(GRACE) {
                    workers.signal_one(pid, Signal::KILL);
                }
            }
        });
        let watcher = match watcher {
            Ok(watcher) => watcher,
            Err(error) => {
                workers.signal_one(pid, Signal::KILL);
                let error = error.raw_os_error();
                return (work(), Some(Excess::Unwatched { error }));
            }
        };
        let done = work();
        drop(ended);
        // The thread does nothing that could panic.
        let excess = watcher.join().unwrap_or_default();
        (done, excess)
    })
}
