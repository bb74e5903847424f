//! Runs: their events, their records, and what earlier runs left.
//!
//! The executor sends [`Event`]s to a [`Reporter`], which passes each to its observers: the terminal and the
//! [`event_log`]. Nothing flows back. A run's folder holds what it was about and how it ended ([`files`]);
//! [`history`] and [`recorded`] read it again.

pub mod event;
pub mod event_log;
pub mod files;
pub mod history;
pub mod id;
pub mod number;
pub mod recorded;

pub use event::{
    BestTrial, Event, Judgement, Observer, Reporter, RunReport, RunState, StageReport,
};
pub use id::RunId;
