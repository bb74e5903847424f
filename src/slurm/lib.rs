//! Runs jobs on a Slurm cluster, and finds them again after the driver died.
//!
//! This package knows nothing about stages. A *driver* ([`Driver`]) runs on a login node or a person's machine in the
//! cluster; a *node* ([`Node`]) is the process that Slurm starts, `BINARY node JOB_FOLDER`. Both see the same file
//! system. They exchange files and nothing else.
//!
//! # Protocol
//!
//! ```text
//! <root>/                       any folder that driver and nodes see under the same path
//!   submissions/<tag>/          one call of `sbatch`; the tag is random
//!     lock                      locked by the driver and its `sbatch` until the jobs are recorded
//!     jobs                      job folders, one on each line
//!     script                    the batch script
//!     id.json                   the id that Slurm gave
//!     slurm-<element>.log       output of the script; `slurm.log` for a single job
//!   <key>/attempt-<n>/          a job folder
//!     request.json              driver: work, resources, version of the binary; written before the submission
//!     claim.json                driver: tag of the submission and line in `jobs`; created exclusively
//!     job.json                  driver: id and element, after the submission
//!     node.lock                 locked by the process that runs the job
//!     started.json              node: host, process, version, job, number of the start
//!     events.jsonl              node: one event on each line, appended
//!     ending.json               node: succeeded, failed, paused or refused, with the resources used
//!     outputs/<start>/          node: outputs of one start
//!     log                       node: what programs print
//!     cancel                    driver: do not start this job again
//!     collected                 driver: the ending was used; the next attempt is a new one
//! ```
//!
//! Files in JSON exist whole or not at all. `ending.json` decides how a job ended. Slurm's state is needed only for a
//! job that left no ending, and then [the decision table](decide) says what follows. Accounting (`sacct`) is an extra.
//!
//! # Identity
//!
//! A tag is in the folder (`claim.json`), in Slurm (`--comment=runner:<tag>`, `--job-name=runner-<8 digits>`) and in the
//! job's environment. It connects them if the driver dies at any moment: [`Recovery`] has the table of what is found.
//! Four things keep a job from running twice:
//!
//! 1. a claim is created exclusively, so one submission has the job;
//! 2. the lock of the submission is held by `sbatch` as well, so nobody concludes that a submission did not happen while
//!    it may still happen;
//! 3. a node runs only jobs whose claim has its own tag, so a submission that was given up does nothing;
//! 4. a node holds a lock while it runs a job, and runs none that has a final ending.
//!
//! # Interruptions
//!
//! Slurm signals the batch script before the time limit (`--signal=B:USR1@GRACE`). The script passes the signal on, the
//! stage saves a checkpoint, the node writes the ending `paused` and exits with [`AGAIN`], and the script requeues the
//! job under the same id. After preemption or the loss of a node, Slurm requeues by itself. Each start has a number,
//! which grows. An ending of an earlier start does not count once a later start is recorded.
//!
//! # Modules
//!
//! | module | what it does |
//! | --- | --- |
//! | `settings`, `resources`, `site`, `survey` | settings of a site; requests as options; limits; facts for people |
//! | `script`, `submit`, `tag`, `quote` | the batch script and the submission |
//! | `client`, `state`, `watch`, `reasons` | asks Slurm, and interprets its answers |
//! | `folder`, `records`, `events` | files of a job folder |
//! | `decide`, `outcome` | the decision about a job, and its end |
//! | `recover`, `cancel` | finds jobs again; cancels them |
//! | `driver` | runs many jobs: gathers, submits, follows |
//! | `node` | the node's side |
//! | `check` | checks the shared file system |
//! | `background` | submits the driver itself as a job |

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read what they wrote")
)]

mod answers;
pub mod background;
mod cancel;
pub mod check;
mod client;
mod clock;
pub mod decide;
mod driver;
mod error;
mod events;
mod failpoint;
mod folder;
mod node;
mod outcome;
mod quote;
mod reasons;
mod records;
mod recover;
mod resources;
mod script;
mod settings;
mod site;
mod state;
mod submit;
mod survey;
mod sweep;
mod tag;
#[cfg(test)]
mod tests;
mod watch;

pub use client::Client;
pub use decide::{Decision, Found, Loss};
pub use driver::{Driver, Followed, NewJob, Report, asks_for_other};
pub use error::Error;
pub use events::EventReader;
pub use folder::JobFolder;
pub use node::{Identity, Idle, Interrupt, Interrupts, Node, Start, Used};
pub use outcome::{Held, Lost, Outcome};
pub use reasons::{Permanent, hint_of_refusal, permanent};
pub use records::{Claim, EndResult, Ending, JobRecord, Request, Started};
pub use recover::{Recovered, Recovery};
pub use resources::{Pack, Resources};
pub use script::{AGAIN, TAG_VARIABLE};
pub use settings::{GpuType, Settings};
pub use site::SiteLimits;
pub use state::{Exit, JobId, Seen, State};
pub use submit::{Batch, Submitter};
pub use survey::{DefaultMemory, Partition, Survey};
pub use watch::{Pace, Watch};
