//! Copies of a pipeline: trials of a sweep, and repetitions with different seeds and folds.
//!
//! A trial is the pipeline with values assigned to the axes of the sweep, as by `--set`. Each trial may be
//! repeated with several seeds. The graphs of all copies are merged into [one](crate::graph): instances that
//! do not differ become one node, which is planned and run once. An [`Experiment`] returns *rounds*. Each round is
//! the part of the graph that can run without further results: a whole grid, the next few trials of a sampler, or
//! trainings up to their next rungs.
//!
//! A sweep has no state of its own besides the outputs of its stages. The proposals of a sampler and the
//! decisions of successive halving follow from the seed and the results. So an interrupted sweep starts again
//! from its first round, finds its results in the store, and continues where they end.

mod axes;
pub mod domain;
mod experiment;
pub mod grid;
pub mod halving;
mod importance;
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
mod trial_importance;
mod trial_result;
mod trials;

pub use experiment::{Experiment, Round};
pub use metric::MetricAt;
pub use ranking::ranked;
pub use results::{Missing, Results};
pub use trial::{Extent, Objective, Trial, TrialState, TrialValue};
