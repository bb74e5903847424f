//! [`Health`]: decides whether a remote is still asked, and remembers the first problem.
//!
//! Reads and writes are switched off separately, because many people may read a remote that few may write.
//!
//! | fault | effect |
//! | --- | --- |
//! | no connection, server overloaded | off after [`Limits::failures`](crate::Limits::failures) in a row |
//! | no answer in time | off after two in a row, because each costs many seconds |
//! | damaged content | off after eight times as many as failed connections: it says little about other objects |
//! | refused | off at once |
//! | local, unsupported | none |
//!
//! If no operation ever succeeded, a lost connection or a timeout switches both off.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use contract::lock;

use crate::fault::{Fault, FaultKind};

/// The direction of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Read,
    Write,
}

/// Weight of a failed connection. A damaged object has the weight 1.
const CONNECTION: u32 = 8;
/// Timeouts in a row after which a remote is not asked any more.
const TIMEOUTS: u32 = 2;

/// What went wrong with a remote: the first problem, and the number of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub first: String,
    pub others: u64,
    /// `true` if the remote is not asked any more, at least in one direction.
    pub is_off: bool,
}

#[derive(Debug, Default)]
struct Switch {
    failures: AtomicU32,
    is_off: AtomicBool,
}

#[derive(Debug, Default)]
pub(crate) struct Health {
    read: Switch,
    write: Switch,
    /// `true` once any operation succeeded.
    has_worked: AtomicBool,
    problem: Mutex<Option<(String, u64)>>,
    is_stopping: Mutex<bool>,
    stopping: Condvar,
}

impl Health {
    fn switch(&self, side: Side) -> &Switch {
        match side {
            Side::Read => &self.read,
            Side::Write => &self.write,
        }
    }

    /// # Errors
    /// If the remote is not asked any more.
    pub(crate) fn check(&self, side: Side) -> Result<(), Fault> {
        match self.is_off(side) {
            true => Err(Fault::off()),
            false => Ok(()),
        }
    }

    pub(crate) fn is_off(&self, side: Side) -> bool {
        self.switch(side).is_off.load(Ordering::Relaxed) || self.is_stopping()
    }

    pub(crate) fn succeeded(&self, side: Side) {
        self.has_worked.store(true, Ordering::Relaxed);
        self.switch(side).failures.store(0, Ordering::Relaxed);
    }

    /// Counts a failed attempt.
    pub(crate) fn failed(&self, side: Side, fault: &Fault, most: u32) {
        let switch = self.switch(side);
        let limit = most.saturating_mul(CONNECTION);
        let weight = match fault.kind {
            FaultKind::Timeout => limit.div_ceil(TIMEOUTS),
            FaultKind::Connection | FaultKind::Busy => CONNECTION,
            FaultKind::Damaged => 1,
            FaultKind::Refused => {
                switch.is_off.store(true, Ordering::Relaxed);
                return;
            }
            FaultKind::Unsupported | FaultKind::Local | FaultKind::Off => return,
        };
        let before = switch.failures.fetch_add(weight, Ordering::Relaxed);
        if before.saturating_add(weight) >= limit {
            self.turn_off(
                side,
                matches!(fault.kind, FaultKind::Connection | FaultKind::Timeout),
            );
        }
    }

    /// Asks no more. If the reason `is_silence` and nothing ever worked, the other direction does not work either.
    pub(crate) fn turn_off(&self, side: Side, is_silence: bool) {
        self.switch(side).is_off.store(true, Ordering::Relaxed);
        if is_silence && !self.has_worked.load(Ordering::Relaxed) {
            self.read.is_off.store(true, Ordering::Relaxed);
            self.write.is_off.store(true, Ordering::Relaxed);
        }
    }

    /// Asks no more if nothing ever worked.
    pub(crate) fn turn_off_if_silent(&self) {
        if !self.has_worked.load(Ordering::Relaxed) {
            self.turn_off(Side::Read, true);
        }
    }

    /// `true` after [`Health::stop`].
    pub(crate) fn is_stopping(&self) -> bool {
        *lock(&self.is_stopping)
    }

    /// Remembers the first problem, and counts the others.
    pub(crate) fn report(&self, problem: String) {
        let mut known = lock(&self.problem);
        match &mut *known {
            Some((_, others)) => *others += 1,
            None => *known = Some((problem, 0)),
        }
    }

    pub(crate) fn problem(&self) -> Option<Problem> {
        let (first, others) = lock(&self.problem).clone()?;
        let off = |switch: &Switch| switch.is_off.load(Ordering::Relaxed);
        Some(Problem {
            first,
            others,
            is_off: off(&self.read) || off(&self.write),
        })
    }

    /// Ends all pauses, and lets every later operation fail.
    pub(crate) fn stop(&self) {
        *lock(&self.is_stopping) = true;
        self.stopping.notify_all();
    }

    /// Waits. Returns early if the run is stopping.
    pub(crate) fn pause(&self, pause: Duration) {
        let end = Instant::now() + pause;
        let mut is_stopping = lock(&self.is_stopping);
        while !*is_stopping {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.stopping.wait_timeout(is_stopping, left);
            is_stopping = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }
}
