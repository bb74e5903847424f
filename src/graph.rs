//! The graph of stage instances: what the planner walks and the scheduler runs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use serde::{Serialize, Serializer};
use stages::contract::{DeviceClass, KindInfo, Stage};

/// Every instance of a pipeline, producers before consumers.
pub struct Graph {
    pub pipeline: String,
    pub file: PathBuf,
    pub profile: Option<String>,
    /// Edges lead from producer to consumer.
    pub stages: DiGraph<Instance, Link>,
    /// Topological; ties by declaration.
    pub order: Vec<NodeIndex>,
    pub tables: Vec<Table>,
}

/// A stage and its values on the matrix' axes: `cnn[model1,0.1]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceName {
    pub stage: String,
    /// Axis and value.
    pub axes: Vec<(String, String)>,
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stage)?;
        if !self.axes.is_empty() {
            let values: Vec<_> = self.axes.iter().map(|(_, value)| value.as_str()).collect();
            write!(f, "[{}]", values.join(","))?;
        }
        Ok(())
    }
}

impl Serialize for InstanceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One stage of the pipeline at one point of its matrix.
pub struct Instance {
    pub name: InstanceName,
    pub kind: &'static KindInfo,
    pub stage: Box<dyn Stage>,
    pub seed: u64,
    pub device: DeviceClass,
    pub resources: Resources,
}

/// What an instance occupies while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    pub cpus: usize,
    pub gpus: usize,
}

/// How a producer's output enters its consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub role: String,
    /// Place within a fan-in port.
    pub position: usize,
    /// Of the producer.
    pub port: String,
}

/// A table of results.
pub struct Table {
    pub name: String,
    pub title: Option<String>,
    /// The axis that gives the rows.
    pub rows: String,
    /// In the axis' order.
    pub row_values: Vec<String>,
    pub columns: Vec<Column>,
}

/// One metric, for every row.
pub struct Column {
    pub title: String,
    pub metric: MetricRef,
    pub reference: BTreeMap<String, f64>,
    pub reference_label: String,
}

/// `evaluate.f1`.
pub struct MetricRef {
    pub stage: String,
    pub metric: String,
}

impl Graph {
    /// Producers of `node`'s inputs, by role and position.
    pub fn inputs(&self, node: NodeIndex) -> Vec<(NodeIndex, &Link)> {
        let mut inputs: Vec<_> = self
            .stages
            .edges_directed(node, Direction::Incoming)
            .map(|edge| (edge.source(), edge.weight()))
            .collect();
        inputs.sort_by(|(_, a), (_, b)| (&a.role, a.position).cmp(&(&b.role, b.position)));
        inputs
    }
}
