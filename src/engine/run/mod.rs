//! Executes pipelines and sweeps, and keeps and reads the records of runs.
//!
//! A run's [`Session`] sends its events to observers: the terminal and the [`event_log`]. A run's folder holds what it was about and how it ended ([`files`]);
//! [`history`] and [`recorded`] read it again.

pub mod event_log;
pub mod files;
pub mod history;
pub mod id;
pub mod metrics;
pub mod number;
pub mod outcomes;
pub mod recorded;
pub mod replay;
pub mod rounds;
pub mod session;

use crate::error::Error;
use crate::graph::Graph;
use crate::plan::{Plan, PlanOptions, plan};
use crate::store::Store;

pub use id::RunId;
pub use outcomes::Outcomes;
pub use session::Session;

/// Plans, and shows errors in a source at their position in the file.
pub fn planned(graph: &Graph, store: &Store, options: &PlanOptions) -> Result<Plan, Error> {
    plan(graph, store, options).map_err(|error| Error::plan(error, graph))
}
