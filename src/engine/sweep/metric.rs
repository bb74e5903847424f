//! [`MetricAt`]: a metric of a stage, as named in a sweep.

use std::fmt;

use contract::ArtifactType;
use petgraph::graph::NodeIndex;

use crate::graph::{Graph, Instance};
use crate::spec::{Diagnostic, Place, suggest};

/// A metric of a stage: `evaluate.f1`, `evaluate[model1].f1`, `cnn.history.validation_loss`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricAt {
    /// The stage, or one of its instances, by its name within one copy of the pipeline.
    pub stage: String,
    /// The output port with the metrics.
    pub port: String,
    pub metric: String,
}

impl MetricAt {
    /// Resolves a text in a graph with one copy of the pipeline.
    pub(super) fn read(graph: &Graph, text: &str, place: &Place) -> Result<Self, Diagnostic> {
        let (stage, rest) = split(graph, text, place)?;
        let found = graph.find(stage);
        let [node] = found.as_slice() else {
            let Some(first) = found.first() else {
                return Err(unknown(graph, stage, place));
            };
            let message = format!("`{stage}` has {} instances in a trial", found.len());
            let first = &graph.stages[*first].name;
            return Err(Diagnostic::at(&place.find(stage), message)
                .hint(format!("name one of them, in quotes: `\"{first}.{rest}\"`")));
        };
        let instance = &graph.stages[*node];
        let (port, metric) = port(instance, rest).ok_or_else(|| {
            let message = format!("`{stage}` has no metrics");
            Diagnostic::at(&place.find(stage), message)
        })?;
        Ok(Self {
            stage: stage.to_owned(),
            port: port.to_owned(),
            metric: metric.to_owned(),
        })
    }

    /// Returns the instance that measures the metric in a copy of the pipeline.
    pub fn node(&self, graph: &Graph, copy: &[NodeIndex]) -> Option<NodeIndex> {
        let mut nodes = copy.iter().copied();
        nodes.find(|&node| graph.stages[node].name.matches(&self.stage))
    }
}

impl fmt::Display for MetricAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.stage, self.metric)
    }
}

/// Splits a text into the stage or instance at its start, and the rest.
fn split<'a>(
    graph: &Graph,
    text: &'a str,
    place: &Place,
) -> Result<(&'a str, &'a str), Diagnostic> {
    let malformed = || {
        let message = format!("expected `STAGE.METRIC`, found `{text}`");
        Diagnostic::at(place, message).hint("for example `evaluate.f1`".to_owned())
    };
    if let Some(bracket) = text.find(']') {
        let rest = text[bracket + 1..].strip_prefix('.');
        let rest = rest.filter(|rest| !rest.is_empty()).ok_or_else(malformed)?;
        return Ok((&text[..=bracket], rest));
    }
    // Try the longest name first, because names of included stages contain dots.
    let dots = text.rmatch_indices('.').map(|(dot, _)| dot);
    let is_stage = |name: &str| graph.stages.node_weights().any(|i| i.name.stage == name);
    let dot = dots.clone().find(|&dot| is_stage(&text[..dot]));
    let Some(dot) = dot else {
        let first = text.split_once('.').ok_or_else(malformed)?.0;
        return Err(unknown(graph, first, place));
    };
    match &text[dot + 1..] {
        "" => Err(malformed()),
        rest => Ok((&text[..dot], rest)),
    }
}

/// Returns the port and metric that are meant by the text after a stage's name.
fn port<'a>(instance: &'a Instance, rest: &'a str) -> Option<(&'a str, &'a str)> {
    let ports = instance.outputs.iter();
    let mut measuring = ports.filter(|port| port.yields == ArtifactType::Metrics);
    if let Some((name, metric)) = rest.split_once('.')
        && let Some(port) = measuring.clone().find(|port| port.name == name)
    {
        return Some((&port.name, metric));
    }
    Some((&measuring.next()?.name, rest))
}

fn unknown(graph: &Graph, stage: &str, place: &Place) -> Diagnostic {
    let instances = graph.stages.node_weights();
    let known = instances.map(|instance| instance.name.stage.as_str());
    Diagnostic::at(&place.find(stage), format!("there is no stage `{stage}`"))
        .hint(suggest::hint("stages", stage, known))
}
