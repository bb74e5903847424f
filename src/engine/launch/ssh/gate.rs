//! [`Gate`]: keeps the stages of a run from repeating the same failed attempt to connect.
//!
//! Until the host has answered once, only one stage connects, and the others wait for it.
//!
//! | the first attempt | other stages |
//! | --- | --- |
//! | succeeded | connect, too |
//! | failed for a reason that stays, such as a wrong key | fail at once, also those that come later |
//! | failed for a reason that may pass, such as a network error | fail at once if they waited for this attempt or come within [`SHARED`]; those that come later, retries included, try again |
//!
//! If the host answered, and a later attempt fails, the next stage is the first one again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use contract::{Failure, lock};

/// Interval between looks at the request to stop.
const POLL: Duration = Duration::from_millis(100);
/// Time after a failed attempt in which stages that come share it. The stages of a run do not all start at the same
/// moment, and an attempt may fail within milliseconds.
const SHARED: Duration = Duration::from_secs(1);

/// The gate of one host.
pub(super) struct Gate {
    host: String,
    shared: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    host: Host,
    /// Number of failed attempts that other stages share.
    failed: u64,
    /// The latest of them.
    latest: Option<Instant>,
    /// Stage that made it.
    by: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Host {
    Unknown,
    /// A stage makes the first attempt.
    Tried,
    Answers,
    /// It cannot be used in this run.
    Unusable,
}

/// The time at which a stage came, as a number of failed attempts.
#[derive(Clone, Copy)]
pub(super) struct Arrival(u64);

/// Permission to connect.
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    stage: &'a str,
    /// `true` if others wait for the outcome.
    is_first: bool,
    /// `true` until the outcome is known.
    is_open: AtomicBool,
}

impl Gate {
    pub(super) fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            shared: SHARED,
            state: Mutex::new(State {
                host: Host::Unknown,
                failed: 0,
                latest: None,
                by: String::new(),
            }),
            changed: Condvar::new(),
        }
    }

    /// Notes that a stage is about to wait for its turn.
    pub(super) fn arrive(&self, stage: &str) -> Arrival {
        let state = lock(&self.state);
        let is_recent = |latest: Instant| latest.elapsed() < self.shared;
        // A stage whose own attempt failed comes to try again.
        let shares = state.latest.is_some_and(is_recent) && state.by != stage;
        Arrival(state.failed - u64::from(shares))
    }

    /// Waits until the stage may connect.
    ///
    /// # Errors
    /// If another stage could not connect after this one arrived, or after a stop was requested.
    pub(super) fn pass<'a>(
        &'a self,
        stage: &'a str,
        arrival: Arrival,
        stopping: &AtomicBool,
    ) -> Result<Pass<'a>, Failure> {
        let mut state = lock(&self.state);
        loop {
            if stopping.load(Ordering::SeqCst) {
                return Err(Failure::Cancelled);
            }
            let is_first = match state.host {
                Host::Unusable => return Err(Failure::Data(self.same(&state))),
                Host::Answers => false,
                _ if state.failed > arrival.0 => return Err(Failure::System(self.same(&state))),
                Host::Unknown => {
                    state.host = Host::Tried;
                    true
                }
                Host::Tried => {
                    let waited = self.changed.wait_timeout(state, POLL);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                    continue;
                }
            };
            return Ok(Pass {
                gate: self,
                stage,
                is_first,
                is_open: AtomicBool::new(true),
            });
        }
    }

    /// Returns the message of a stage that shares the failure of another one.
    fn same(&self, state: &State) -> String {
        let (host, by) = (&self.host, &state.by);
        format!("not started, because `{by}` could not connect to `{host}`; see its error")
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
        self.changed.notify_all();
    }
}

impl Pass<'_> {
    /// Notes that the host has answered with the right program.
    pub(super) fn answered(&self) {
        if self.close() {
            self.gate.set(|state| state.host = Host::Answers);
        }
    }

    /// Notes that the attempt failed. Has no effect on other stages if the host had answered.
    pub(super) fn failed(&self, failure: &Failure) {
        if !self.close() {
            return;
        }
        self.gate.set(|state| {
            let is_cancelled = *failure == Failure::Cancelled;
            let may_pass = is_cancelled || failure.is_transient();
            state.host = match may_pass {
                true => Host::Unknown,
                false => Host::Unusable,
            };
            // A host that has answered may refuse a single connection, so others try on their own.
            if !is_cancelled && (self.is_first || !may_pass) {
                state.failed += 1;
                state.latest = Some(Instant::now());
                self.stage.clone_into(&mut state.by);
            }
        });
    }

    /// Returns `true` the first time.
    fn close(&self) -> bool {
        self.is_open.swap(false, Ordering::SeqCst)
    }
}

impl Drop for Pass<'_> {
    /// Lets another stage make the first attempt if this one ended without an outcome.
    fn drop(&mut self) {
        if self.close() && self.is_first {
            self.gate.set(|state| state.host = Host::Unknown);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    fn unreachable() -> Failure {
        Failure::System("cannot reach `lab`".to_owned())
    }

    /// A gate that shares failures only with stages that have waited.
    fn gate() -> Gate {
        Gate {
            shared: Duration::ZERO,
            ..Gate::new("lab")
        }
    }

    fn pass<'a>(gate: &'a Gate, stage: &'a str, arrival: Arrival) -> Result<Pass<'a>, Failure> {
        gate.pass(stage, arrival, &AtomicBool::new(false))
    }

    /// Passes without waiting before.
    fn pass_now<'a>(gate: &'a Gate, stage: &'a str) -> Pass<'a> {
        pass(gate, stage, gate.arrive(stage)).unwrap()
    }

    fn refused(gate: &Gate, arrival: Arrival) -> Failure {
        pass(gate, "late", arrival).err().unwrap()
    }

    #[test]
    fn stages_that_waited_share_a_failure_and_later_ones_try_again() {
        let gate = gate();
        let waits = gate.arrive("late");
        pass_now(&gate, "cnn[1]").failed(&unreachable());
        let shared = refused(&gate, waits);
        assert!(shared.is_transient());
        assert_eq!(
            shared.to_string(),
            "not started, because `cnn[1]` could not connect to `lab`; see its error"
        );
        pass_now(&gate, "cnn[2]").answered();
        for stage in ["cnn[3]", "cnn[4]"] {
            pass_now(&gate, stage);
        }
        // The host answers by now.
        pass(&gate, "late", waits).unwrap();
    }

    #[test]
    fn stages_that_come_at_once_share_a_failure_too_but_a_retry_tries_again() {
        let gate = Gate {
            shared: Duration::MAX,
            ..Gate::new("lab")
        };
        pass_now(&gate, "cnn[1]").failed(&unreachable());
        refused(&gate, gate.arrive("cnn[2]"));
        pass_now(&gate, "cnn[1]").failed(&unreachable());
        refused(&gate, gate.arrive("cnn[2]"));
    }

    #[test]
    fn a_reason_that_stays_is_remembered() {
        let gate = gate();
        let wrong = Failure::Data("the key of `lab` is not known".to_owned());
        pass_now(&gate, "cnn").failed(&wrong);
        let later = refused(&gate, gate.arrive("late"));
        assert!(!later.is_transient(), "{later}");
    }

    #[test]
    fn one_refused_connection_of_a_host_that_answers_concerns_one_stage() {
        let gate = gate();
        let waits = gate.arrive("late");
        pass_now(&gate, "a").answered();
        pass_now(&gate, "b").failed(&unreachable());
        let third = pass(&gate, "c", waits).unwrap();
        third.failed(&unreachable());
        refused(&gate, waits);
    }

    #[test]
    fn others_wait_for_the_first_attempt_until_a_stop() {
        let gate = gate();
        let first = pass_now(&gate, "a");
        let stopping = AtomicBool::new(false);
        thread::scope(|scope| {
            let (gate, stopping) = (&gate, &stopping);
            let (ended, end) = channel();
            for stage in ["b", "c"] {
                let (ended, arrival) = (ended.clone(), gate.arrive(stage));
                scope.spawn(move || {
                    let passed = gate.pass(stage, arrival, stopping).map(drop);
                    ended.send(passed).unwrap();
                });
            }
            end.recv_timeout(3 * POLL).unwrap_err();
            first.failed(&unreachable());
            for _ in 0..2 {
                end.recv().unwrap().unwrap_err();
            }
            let _next = pass_now(gate, "d");
            let arrival = gate.arrive("e");
            scope.spawn(move || ended.send(gate.pass("e", arrival, stopping).map(drop)));
            stopping.store(true, Ordering::SeqCst);
            assert_eq!(end.recv().unwrap(), Err(Failure::Cancelled));
        });
    }

    #[test]
    fn an_attempt_without_an_outcome_says_nothing_about_the_host() {
        let gate = gate();
        let waits = gate.arrive("late");
        pass_now(&gate, "a").failed(&Failure::Cancelled);
        drop(pass_now(&gate, "b"));
        pass(&gate, "late", waits).unwrap();
    }
}
