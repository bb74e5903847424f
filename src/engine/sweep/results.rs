//! What a sweep must know of what ran.

use contract::Metric;
use petgraph::graph::NodeIndex;

use super::MetricAt;
use crate::graph::Graph;

/// What came of the stages of a round.
pub trait Results {
    /// A metric that an instance measured.
    fn metric(&self, graph: &Graph, node: NodeIndex, at: &MetricAt) -> Result<Metric, Missing>;

    /// Whether all of these instances have outputs.
    fn all(&self, graph: &Graph, nodes: &[NodeIndex]) -> Result<(), Missing>;
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It was not run yet, or was stopped.
    NotRun,
    /// The stage, or one upstream, failed; or it measures no such thing.
    Failed(String),
}
