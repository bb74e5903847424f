//! Decides which action starts when: a ready queue of the plan's misses, with slots of cpus, memory and GPUs.
//!
//! [`Queue`] is the pure part: it knows which actions are ready, which fit, and which a failure skips.
//! [`run`] drives it with one thread for each running action. An [`Executor`] executes the actions.

mod dispatch;
#[cfg(test)]
mod order_tests;
mod outcome;
#[cfg(test)]
mod properties;
mod queue;
mod schedule;
mod slots;

pub use dispatch::{Executor, run};
pub use outcome::{Counts, Outcome};
pub use queue::{Entry, OnFailure, Queue};
pub use schedule::{Phase, Schedule, ScheduledStage, TimeLeft, makespan};
pub use slots::{Capacity, Free, Grant, Slots};
