//! Runs jobs on a Slurm cluster, and finds them again after the driver died.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read what they wrote")
)]

mod cancel;
pub mod check;
mod client;
mod clock;
mod decide;
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
mod tag;
#[cfg(test)]
mod tests;
mod watch;

pub use client::Client;
pub use decide::{Decision, Found, Loss, decide};
pub use driver::{Driver, Followed, NewJob, Report};
pub use error::Error;
pub use events::EventReader;
pub use folder::JobFolder;
pub use node::{Identity, Idle, Interrupt, Interrupts, Node, Start, Used};
pub use outcome::{Held, Lost, Outcome};
pub use reasons::{Permanent, hint_of_refusal, permanent};
pub use records::{Claim, EndResult, Ending, JobRecord, Request, Started};
pub use recover::{Recovered, Recovery};
pub use resources::{Pack, Resources};
pub use script::AGAIN;
pub use settings::{GpuType, Settings};
pub use site::SiteLimits;
pub use state::{Exit, JobId, Seen, State};
pub use submit::{Batch, Submitter};
pub use watch::{Pace, Watch};
