//! Describes what is wrong with the job of a check, and what to do.

use serde_json::Value;
use slurm::{EndResult, Lost, Outcome};

use crate::cli::doctor::text::last_lines;
use crate::cli::node::with_hint;

/// Describes what is wrong with a job that gave no answer, and what to do.
pub(super) fn problem(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ended(ending) => match &ending.result {
            EndResult::Refused(why) => format!(
                "the node refused the job: {why}; set `slurm.binary` to the path of this version on the nodes, or copy it there"
            ),
            EndResult::Failed(Value::String(why)) => format!(
                "the node cannot use the shared folder: {why}; keep the store in a folder that nodes see under the same path (`--artifacts`)"
            ),
            EndResult::Failed(_) | EndResult::Succeeded(_) | EndResult::Paused => {
                "the node gave an answer that this version does not understand; set `slurm.binary` to the path of this version on the nodes".to_owned()
            }
        },
        Outcome::Lost(lost) => lost_text(lost),
        Outcome::Held(held) => match held.hint() {
            Some(hint) => format!("{held}; {hint}"),
            None => format!("{held}; `scontrol show job` says more"),
        },
        Outcome::Left(id) => {
            let id = id.map(|id| id.to_string()).unwrap_or_default();
            format!("the job {id} was not followed to its end; `scancel {id}` cancels it")
        }
        Outcome::NotSubmitted => "the check was cancelled; start it again".to_owned(),
        Outcome::Failed(error) => with_hint(error),
    }
}

fn lost_text(lost: &Lost) -> String {
    use slurm::{Exit, Loss};
    let hint = match &lost.loss {
        Loss::Exited(Exit::Code(127 | 126)) => {
            "the node does not find this binary; set `slurm.binary` to its path there, or put it into a folder that nodes see"
        }
        Loss::Exited(Exit::Code(0)) => {
            "a line of `slurm.setup` may end the script; otherwise keep the store in a folder that nodes see under the same path (`--artifacts`)"
        }
        Loss::Exited(_) => {
            "look at the lines of the job below; `slurm.modules`, `slurm.setup` and `slurm.container` are run before the binary"
        }
        Loss::OutOfMemory => "the node gives less memory than the job asks for; ask the site",
        Loss::TimedOut => "the node is very slow, or `slurm.setup` takes long",
        Loss::Cancelled(_) => "start the check again",
        Loss::NodeFailed | Loss::Preempted | Loss::Forgotten | Loss::Rejected(_) => {
            "start the check again; `sinfo -R` shows nodes with problems"
        }
    };
    format!("{lost}; {hint}{}", last_lines(&lost.log))
}
