//! Copies of a pipeline: trials of a sweep, and seeds.
//!
//! A trial is the pipeline with the values of the sweep's axes put in, as `--set` does, and each may be
//! there with several seeds. The graphs of all copies are [one](crate::graph): what does not differ is
//! one instance, planned and run once. A [`Course`] gives out *rounds*, each as much of that graph as is
//! known without further results: all of a grid at once, a few trials of a sampler at a time, one rung
//! after the other where trainings are halved.
//!
//! Nothing is kept of a sweep but what its stages made. What a sampler proposes, and who goes on, follows
//! from the seed and the results; a sweep that was interrupted is gone through again, finds its results
//! in the store, and goes on where they end.

mod axes;
mod course;
pub mod domain;
pub mod grid;
pub mod halving;
pub mod importance;
mod judging;
mod metric;
mod points;
mod ranking;
mod read;
pub mod record;
mod results;
mod rungs;
pub mod sampler;
mod seeds;
pub mod space;
mod trial;
mod trials;

pub use course::{Course, Round};
pub use metric::MetricAt;
pub use ranking::ranked;
pub use results::{Missing, Results};
pub use trial::{Extent, Objective, Trial, TrialState, TrialValue};
