//! [`Results`]: the interface through which a sweep reads the results of stages.

use contract::Metric;
use petgraph::graph::NodeIndex;

use super::MetricAt;
use crate::graph::Graph;

/// Results of the stages of a round.
pub trait Results {
    /// Returns a metric that an instance measured.
    fn metric(&self, graph: &Graph, node: NodeIndex, at: &MetricAt) -> Result<Metric, Missing>;

    /// Checks that all of these instances have outputs.
    fn all(&self, graph: &Graph, nodes: &[NodeIndex]) -> Result<(), Missing>;
}

/// Reason why a result is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The stage was not run, or was stopped.
    NotRun,
    /// The stage or one upstream of it failed, or it does not measure the metric.
    Failed(String),
    /// The stage measured the metric, but its value is undefined.
    Undefined(String),
}
