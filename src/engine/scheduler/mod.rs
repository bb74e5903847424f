//! Decides what starts when: a ready queue over the plan's misses, with slots of cpus, memory and GPUs.
//!
//! [`Queue`] is the pure part (what is ready, what fits, whom a failure takes along); [`run`] drives
//! it with a thread for each running action. How an action is brought to its end is the business
//! of an [`Executor`].

mod dispatch;
#[cfg(test)]
mod laws;
mod outcome;
mod queue;
mod slots;

pub use dispatch::{Executor, run};
pub use outcome::{Counts, Outcome};
pub use queue::{Entry, OnFailure, Queue};
pub use slots::{Free, Grant, Room, Slots};
