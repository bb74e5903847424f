//! Interprets the end of a job as the end of a stage.

use std::path::Path;

use contract::{Failure, Gathered, printable};
use slurm::decide::Loss;
use slurm::{EndResult, JobFolder, Lost, Outcome};

use super::files::link_all;
use super::said;
use crate::launch::Usage;
use crate::launch::message;
use crate::launch::this_node::with_log;

/// Lines at the end of a lost job's log that are shown.
const SHOWN: usize = 15;

/// End of a stage without outputs.
pub(super) struct Ended {
    pub(super) failure: Failure,
    pub(super) seconds: f64,
    pub(super) usage: Usage,
    /// `true` if the job goes on.
    pub(super) is_left: bool,
}

impl Ended {
    pub(super) fn without_usage(failure: Failure) -> Self {
        Self {
            failure,
            seconds: 0.0,
            usage: Usage::default(),
            is_left: false,
        }
    }
}

/// Interprets the end of a job. After a success, the outputs are in the folder `staging` as well. `log` is the
/// copy of the job's log.
pub(super) fn end(
    folder: &JobFolder,
    outcome: Outcome,
    staging: &Path,
    log: &Path,
) -> Result<(Gathered, f64, Usage), Ended> {
    let ending = match outcome {
        Outcome::Ended(ending) => ending,
        Outcome::Left(id) => {
            let left = id.map(|id| {
                Failure::Left(format!(
                    "left as Slurm job {id}; the next run takes its result"
                ))
            });
            return Err(Ended {
                is_left: true,
                ..Ended::without_usage(left.unwrap_or(Failure::Cancelled))
            });
        }
        Outcome::NotSubmitted => return Err(Ended::without_usage(Failure::Cancelled)),
        Outcome::Lost(lost) => return Err(Ended::without_usage(failure_of(&lost))),
        Outcome::Held(held) => {
            let hint = held.hint().map(|hint| format!("; {hint}"));
            let text = format!("{held}{}", hint.unwrap_or_default());
            return Err(Ended::without_usage(Failure::Data(text)));
        }
        Outcome::Failed(error) => {
            return Err(Ended::without_usage(Failure::System(said(&error))));
        }
    };
    let usage = Usage {
        cpu_seconds: ending.cpu_seconds,
        peak_memory_mib: ending.peak_memory_mib,
    };
    let failed = |failure| Ended {
        failure,
        seconds: ending.seconds,
        usage,
        is_left: false,
    };
    let unreadable = |what: &str| failed(Failure::Internal(format!("the node wrote {what}")));
    match ending.result {
        EndResult::Succeeded(value) => {
            let outputs: Gathered = message::read_value(&value)
                .map_err(|_| unreadable("outputs that cannot be read"))?;
            let from = folder.outputs(ending.restart);
            link_all(&from, staging).map_err(|error| failed(Failure::io("read", &from, error)))?;
            Ok((outputs, ending.seconds, usage))
        }
        EndResult::Failed(value) => match message::read_value(&value) {
            Ok(failure) => Err(failed(with_log(failure, &folder.log(), log))),
            Err(_) => Err(unreadable("a failure that cannot be read")),
        },
        EndResult::Refused(why) => Err(failed(Failure::Data(why))),
        EndResult::Paused => Err(unreadable("a pause as its last word")),
    }
}

fn failure_of(lost: &Lost) -> Failure {
    let hint = lost.hint().map(|hint| format!("; {hint}"));
    let log = match lost.log.trim_end() {
        "" => String::new(),
        log => {
            let lines = log.lines().rev().take(SHOWN).collect::<Vec<_>>();
            let lines = lines.iter().rev();
            let lines = lines.map(|line| format!("\n  | {}", printable(line)));
            format!(":{}", lines.collect::<String>())
        }
    };
    let text = format!("{lost}{}{log}", hint.unwrap_or_default());
    match lost.loss {
        Loss::OutOfMemory => Failure::OutOfMemory(text),
        Loss::TimedOut if !lost.is_interruption() => Failure::TimedOut(text),
        Loss::Cancelled(_) | Loss::Rejected(_) => Failure::Data(text),
        _ => Failure::System(text),
    }
}
