//! The decision about a job, from its folder and from what Slurm says.
//!
//! | folder ↓, Slurm → | waits, runs, completes, unknown | held | ended, out of memory, timed out, node failed, preempted, rejected, forgotten | cancelled |
//! | --- | --- | --- | --- | --- |
//! | final ending of the latest start | ended | ended | ended | ended |
//! | ending `paused` of the latest start | wait | held | lost, with a checkpoint | lost |
//! | started, no ending of that start | wait | held | wait for late files, then lost | wait for late files, then lost |
//! | nothing | wait | held | wait for late files, then lost | wait for late files, then lost |
//!
//! *Ended*: the ending decides, whatever Slurm says. A job that exceeded its memory after it had written its result
//! has a result. *Lost*: the job ended without an ending; Slurm's state says why. An ending of an earlier start is
//! ignored if a later start is recorded, because the job was started again after it. *Held* is decided only if Slurm
//! gives the same reason for a while (`watch` makes sure of that).
//!
//! Known limits: a job that Slurm reports as running although its node hangs is waited for until its time limit. A job
//! in a pack that was killed without an ending is noticed only when its allocation ends.

use crate::records::{EndResult, Ending, Started};
use crate::state::{Exit, State};

/// What a job folder says.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    Nothing,
    Started(Started),
    /// A checkpoint was saved after the latest start.
    Paused(Option<Started>),
    Ended(Ending),
}

impl Found {
    /// Interprets the files of a folder.
    pub fn of(started: Option<Started>, ending: Option<Ending>) -> Self {
        let latest = started.as_ref().map(|started| started.restart);
        match (started, ending) {
            (None, None) => Self::Nothing,
            (Some(started), Some(ending)) if Some(ending.restart) < latest => {
                Self::Started(started)
            }
            (started, Some(ending)) => match ending.result {
                EndResult::Paused => Self::Paused(started),
                EndResult::Succeeded(_) | EndResult::Failed(_) | EndResult::Refused(_) => {
                    Self::Ended(ending)
                }
            },
            (Some(started), None) => Self::Started(started),
        }
    }
}

/// Reason why a job ended without an ending in its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The batch script ended by itself.
    Exited(Exit),
    OutOfMemory,
    TimedOut,
    NodeFailed,
    Preempted,
    Cancelled(Option<String>),
    /// Slurm refused the job after it had accepted it.
    Rejected(String),
    /// Slurm has forgotten the job.
    Forgotten,
}

/// What to do about a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    Wait,
    /// Look again until the bound for late files is reached, then decide on the loss.
    WaitForFiles(Loss),
    Ended(Ending),
    Lost(Loss),
    /// With Slurm's reason.
    Held(String),
}

/// Decides about a job.
pub fn decide(found: &Found, state: &State) -> Decision {
    if let Found::Ended(ending) = found {
        return Decision::Ended(ending.clone());
    }
    let loss = match state {
        State::Pending(_)
        | State::Running
        | State::Completing
        | State::Requeued
        | State::Unknown(_) => return Decision::Wait,
        State::Held(reason) => return Decision::Held(reason.clone()),
        State::Ended(exit) => Loss::Exited(*exit),
        State::OutOfMemory => Loss::OutOfMemory,
        State::TimedOut => Loss::TimedOut,
        State::NodeFailed => Loss::NodeFailed,
        State::Preempted => Loss::Preempted,
        State::Cancelled(by) => Loss::Cancelled(by.clone()),
        State::Rejected(reason) => Loss::Rejected(reason.clone()),
        State::Forgotten => Loss::Forgotten,
    };
    match found {
        Found::Paused(_) => Decision::Lost(loss),
        Found::Started(_) | Found::Nothing => Decision::WaitForFiles(loss),
        Found::Ended(ending) => Decision::Ended(ending.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(restart: u32) -> Started {
        Started {
            node: "lab1".to_owned(),
            process: 1,
            boot: None,
            processor: "x86".to_owned(),
            version: "1".to_owned(),
            job: Some(7),
            element: None,
            attempt: 1,
            restart,
        }
    }

    fn ending(restart: u32, result: EndResult) -> Ending {
        Ending {
            attempt: 1,
            restart,
            result,
            seconds: 1.0,
            cpu_seconds: 1.0,
            peak_memory_mib: 1.0,
        }
    }

    fn done(restart: u32) -> Ending {
        ending(restart, EndResult::Succeeded(true.into()))
    }

    #[test]
    fn an_ending_of_an_earlier_start_is_ignored() {
        let paused = |restart| Some(ending(restart, EndResult::Paused));
        assert_eq!(Found::of(None, None), Found::Nothing);
        assert_eq!(
            Found::of(Some(started(0)), None),
            Found::Started(started(0))
        );
        assert_eq!(
            Found::of(Some(started(0)), paused(0)),
            Found::Paused(Some(started(0)))
        );
        assert_eq!(
            Found::of(Some(started(1)), paused(0)),
            Found::Started(started(1))
        );
        assert_eq!(
            Found::of(Some(started(1)), Some(done(0))),
            Found::Started(started(1))
        );
        assert_eq!(
            Found::of(Some(started(1)), Some(done(1))),
            Found::Ended(done(1))
        );
        // The later file arrived first.
        assert_eq!(Found::of(None, Some(done(1))), Found::Ended(done(1)));
        assert_eq!(
            Found::of(Some(started(0)), Some(done(1))),
            Found::Ended(done(1))
        );
    }

    #[test]
    fn every_entry_of_the_table() {
        let text = || "reason".to_owned();
        let waiting = [
            State::Pending(text()),
            State::Running,
            State::Completing,
            State::Requeued,
            State::Unknown(text()),
        ];
        let over = [
            (State::Ended(Exit::Code(0)), Loss::Exited(Exit::Code(0))),
            (State::Ended(Exit::Signal(9)), Loss::Exited(Exit::Signal(9))),
            (State::OutOfMemory, Loss::OutOfMemory),
            (State::TimedOut, Loss::TimedOut),
            (State::NodeFailed, Loss::NodeFailed),
            (State::Preempted, Loss::Preempted),
            (State::Cancelled(None), Loss::Cancelled(None)),
            (State::Rejected(text()), Loss::Rejected(text())),
            (State::Forgotten, Loss::Forgotten),
        ];
        let held = State::Held(text());
        let unfinished = [
            Found::Nothing,
            Found::Started(started(0)),
            Found::Paused(None),
        ];
        for found in &unfinished {
            for state in &waiting {
                assert_eq!(decide(found, state), Decision::Wait, "{found:?} {state:?}");
            }
            assert_eq!(decide(found, &held), Decision::Held(text()));
            for (state, loss) in &over {
                let expected = match found {
                    Found::Paused(_) => Decision::Lost(loss.clone()),
                    _ => Decision::WaitForFiles(loss.clone()),
                };
                assert_eq!(decide(found, state), expected, "{found:?} {state:?}");
            }
        }
        let ended = Found::Ended(done(0));
        let states = waiting
            .iter()
            .chain([&held])
            .chain(over.iter().map(|(state, _)| state));
        for state in states {
            assert_eq!(decide(&ended, state), Decision::Ended(done(0)), "{state:?}");
            assert_eq!(state.is_over(), over.iter().any(|(over, _)| over == state));
        }
    }
}
