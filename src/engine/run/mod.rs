//! Executes pipelines and sweeps, and keeps and reads the records of runs.
//!
//! A run's [`Session`] sends its events to observers: the terminal and the [`event_log`]. A run's folder holds its
//! plan, its report ([`files`]) and its metrics ([`run_metrics`]), which [`history`] and [`recorded`] read. [`follow`]
//! reads the events of a run while it goes on, also from another process. Tables and reports of sweeps are filled from
//! the store ([`measurements`], [`folds`], [`contrasts`], [`sweep_report`]).

mod absent_metrics;
pub mod cancel;
mod commit;
pub mod contrasts;
mod curve;
pub mod event_log;
pub mod failures;
pub mod files;
pub mod fingerprints;
pub mod folds;
pub mod follow;
pub mod history;
pub mod id;
pub mod measurements;
pub mod metrics;
pub mod number;
pub mod outcomes;
pub mod planned_stage;
pub mod progress;
pub mod record_check;
pub mod recorded;
pub mod replay;
pub mod rounds;
pub mod run_metrics;
pub mod saved_plan;
pub mod session;
pub mod sweep_report;

use crate::error::Error;
use crate::graph::Graph;
use crate::plan::{Plan, PlanOptions, plan};
use store::Store;

pub use id::RunId;
pub use outcomes::Outcomes;
pub use session::Session;

/// Plans `graph`. An error in a source points at the position in the pipeline file that names the source.
pub fn planned(graph: &Graph, store: &Store, options: &PlanOptions) -> Result<Plan, Error> {
    plan(graph, store, options).map_err(|error| Error::plan(error, graph))
}
