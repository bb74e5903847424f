//! [`MetricAt`]: a metric of a stage, as named in a sweep.

use std::fmt;

use contract::{ArtifactType, Direction, MetricInfo};
use petgraph::graph::NodeIndex;

use crate::graph::{Graph, Instance, check_metric, find_metric};
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

/// A resolved metric with its declaration.
pub(super) struct Resolved {
    pub at: MetricAt,
    /// `None` if the stage does not declare its metrics.
    pub info: Option<MetricInfo>,
}

impl MetricAt {
    /// Resolves a text in a graph with one copy of the pipeline.
    pub(super) fn read(graph: &Graph, text: &str, place: &Place) -> Result<Resolved, Diagnostic> {
        let (stage, rest) = split(graph, text, place)?;
        let found = graph.find(stage);
        let [node] = found.as_slice() else {
            let Some(first) = found.first() else {
                return Err(match stage.contains('[') {
                    true => no_instance(graph, stage, place),
                    false => unknown(graph, stage, place),
                });
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
        let info = match instance.metrics(port) {
            Some(declared) => {
                let found = find_metric(&declared, stage, metric, place)?;
                let classes = instance.classes.as_deref();
                check_metric(&found, stage, classes, &instance.empty_inputs, place)?;
                Some(found.info.clone())
            }
            None => None,
        };
        Ok(Resolved {
            at: Self {
                stage: stage.to_owned(),
                port: port.to_owned(),
                metric: metric.to_owned(),
            },
            info,
        })
    }

    /// Returns the instance that measures the metric in a copy of the pipeline.
    pub fn node(&self, graph: &Graph, copy: &[NodeIndex]) -> Option<NodeIndex> {
        let mut nodes = copy.iter().copied();
        nodes.find(|&node| graph.stages[node].name.matches(&self.stage))
    }
}

impl Resolved {
    /// Returns the direction in which trials are compared: the one that is written, or else the declared one. `None` if
    /// it is not known before the metric is read. Adds a warning if the direction is unknown or contradicts the
    /// declaration.
    ///
    /// # Errors
    /// If the metric is neutral, and no direction is written.
    pub(super) fn direction(
        &self,
        written: Option<Direction>,
        place: &Place,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<Option<Direction>, Diagnostic> {
        let at = &self.at;
        let set = "set `direction` to `maximize` or `minimize`".to_owned();
        match (written, &self.info) {
            (Some(written), Some(info)) => {
                if info.direction.is_some_and(|declared| declared != written) {
                    let (is, chosen) = match written {
                        Direction::Maximize => ("lower", "highest"),
                        Direction::Minimize => ("higher", "lowest"),
                    };
                    let message = format!(
                        "{is} values of `{at}` are better, but `direction` prefers the trial with the {chosen}"
                    );
                    let warning = Diagnostic::at(place, message);
                    warnings.push(warning.hint("remove `direction`".to_owned()));
                }
                Ok(Some(written))
            }
            (None, Some(info)) if info.direction.is_none() => {
                let message = format!("neither higher nor lower values of `{at}` are better");
                Err(Diagnostic::at(place, message).hint(set))
            }
            (None, Some(info)) => Ok(info.direction),
            (None, None) => {
                let message = format!(
                    "the direction of `{at}` is not declared: higher values count as better unless the file of \
                     metrics says otherwise"
                );
                warnings.push(Diagnostic::at(place, message).hint(set));
                Ok(None)
            }
            (written, None) => Ok(written),
        }
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
    let is_stage = |name: &str| graph.stages.node_weights().any(|i| i.name.stage == name);
    // The brackets may belong to the name of a metric: `evaluate.recall[BACTERIA]`.
    let instance = text.split_once('[').filter(|(stage, _)| is_stage(stage));
    if let Some(bracket) = instance.and_then(|_| text.find(']')) {
        let rest = text[bracket + 1..].strip_prefix('.');
        let rest = rest.filter(|rest| !rest.is_empty()).ok_or_else(malformed)?;
        return Ok((&text[..=bracket], rest));
    }
    // Try the longest name first, because names of included stages contain dots.
    let dots = text.rmatch_indices('.').map(|(dot, _)| dot);
    let dot = dots.clone().find(|&dot| is_stage(&text[..dot]));
    let Some(dot) = dot else {
        if !text.contains('.') {
            return Err(malformed());
        }
        // Values in brackets may contain dots.
        let first = text.split(['.', '[']).next().unwrap_or(text);
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

/// Returns the error for a name like that of an instance of a stage that has no such instance.
fn no_instance(graph: &Graph, name: &str, place: &Place) -> Diagnostic {
    let stage = name.split('[').next().unwrap_or(name);
    let instances = graph.stages.node_weights();
    let known = instances.filter(|instance| instance.name.stage == stage);
    let known: Vec<String> = known.map(|one| one.name.in_copy().to_string()).collect();
    let message = format!("`{stage}` has no instance `{name}`");
    let hint = suggest::hint("instances", name, known.iter().map(String::as_str));
    Diagnostic::at(&place.find(name), message).hint(hint)
}

fn unknown(graph: &Graph, stage: &str, place: &Place) -> Diagnostic {
    let instances = graph.stages.node_weights();
    let known = instances.map(|instance| instance.name.stage.as_str());
    Diagnostic::at(&place.find(stage), format!("there is no stage `{stage}`"))
        .hint(suggest::hint("stages", stage, known))
}
