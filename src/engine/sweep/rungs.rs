//! [`Rungs`]: the training that successive halving stops and continues.

use contract::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::{Dfs, Reversed};
use serde_json::Value as Json;

use super::axes::EPOCHS;
use super::halving::{Halving, Invalid};
use super::metric::MetricAt;
use crate::graph::{Graph, Instance};
use crate::spec::{
    AshaFields, Assignment, Diagnostic, Node, Place, Plain, SweepSpec, Value, suggest,
};

/// Parameter with the number of epochs after which a training ends.
const PARAM: &str = "epochs";

/// A training, and the rules by which successive halving stops or continues it.
pub(super) struct Rungs {
    pub metric: MetricAt,
    /// Direction of improvement: the one in `stop.asha`. Without it, `None` until the metric is read for the first
    /// time, then the metric's own direction.
    pub direction: Option<Direction>,
    /// Rules of the race. It compares scores, which are negated values if smaller values of the metric are better.
    pub halving: Halving,
    /// Name of the stage that trains, and the place of `stop.asha`.
    pub stage: String,
    pub place: Place,
}

impl Rungs {
    /// Reads `stop.asha` for a graph with one copy of the pipeline. `objective` is the instance that measures
    /// the objective.
    pub(super) fn read(
        spec: &SweepSpec,
        fields: &AshaFields,
        graph: &Graph,
        objective: Option<NodeIndex>,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<Self, Diagnostic> {
        let place = spec.place_of(&["stop", "asha", "metric"]);
        let resolved = match fields.metric.contains('.') {
            true => MetricAt::read(graph, &fields.metric, &place)?,
            false => {
                let stage = only_training(graph, objective, &fields.metric, &place)?;
                MetricAt::read(graph, &format!("{stage}.{}", fields.metric), &place)?
            }
        };
        let nodes: Vec<NodeIndex> = graph.stages.node_indices().collect();
        let metric = &resolved.at;
        let node = metric.node(graph, &nodes);
        let instance = node.map(|node| &graph.stages[node]);
        let Some(instance) = instance.filter(|instance| is_open_ended(instance)) else {
            let bound = instance.and_then(|i| i.stage.resumable()?.bound);
            let message = format!(
                "`{}` cannot continue training from a checkpoint",
                metric.stage
            );
            let error = Diagnostic::at(&place.find(&metric.stage), message);
            return Err(match bound {
                Some((_, why)) => error.note(why.to_owned()),
                None => error.hint(trainings(graph)),
            });
        };
        let written = instance.stage.canonical()[PARAM].as_u64();
        let max_epochs = fields
            .max_epochs
            .or(written.and_then(|epochs| usize::try_from(epochs).ok()))
            .unwrap_or(fields.grace_epochs);
        let [grace, max, reduction] = [fields.grace_epochs, max_epochs, fields.reduction];
        let direction = Direction::Maximize;
        let halving = Halving::new(grace as u64, max as u64, reduction as u64, direction);
        let halving = halving.map_err(|invalid| {
            let key = match invalid {
                Invalid::NoGrace | Invalid::Order { .. } => "grace_epochs",
                Invalid::Reduction(_) => "reduction",
            };
            let place = spec.place_of(&["stop", "asha", key]);
            Diagnostic::at(&place, invalid.to_string())
        })?;
        let place = match fields.direction {
            Some(_) => spec.place_of(&["stop", "asha", "direction"]),
            None => place,
        };
        let direction = resolved.direction(fields.direction, &place, warnings)?;
        Ok(Self {
            metric: resolved.at,
            direction,
            halving,
            stage: instance.name.stage.clone(),
            place: spec.place_of(&["stop", "asha"]),
        })
    }

    /// Returns the assignment that ends the training after this number of epochs.
    pub(super) fn assign(&self, epochs: u64) -> Assignment {
        let value = Node::new(Value::Number(Plain::new(epochs.into())), self.place.clone());
        let key = ["stages", &self.stage, "params", PARAM];
        Assignment::own(&key, &self.place, value)
    }

    /// Returns the number of epochs of a trial that is never stopped.
    pub(super) fn last(&self) -> u64 {
        self.halving.rungs().last().copied().unwrap_or(1)
    }

    /// Checks that the training of a copy can continue from its checkpoints.
    ///
    /// # Errors
    /// Fails if it cannot, because of a value on an axis.
    pub(super) fn check(&self, graph: &Graph) -> Result<(), Diagnostic> {
        let nodes: Vec<NodeIndex> = graph.stages.node_indices().collect();
        let node = self.metric.node(graph, &nodes);
        if node.is_some_and(|node| is_open_ended(&graph.stages[node])) {
            return Ok(());
        }
        let message = format!(
            "`{}` cannot continue training from a checkpoint",
            self.stage
        );
        Err(Diagnostic::at(&self.place, message))
    }

    /// Returns the label that tells a copy with this number of epochs from others.
    pub(super) fn label(epochs: u64) -> (String, String) {
        (EPOCHS.to_owned(), epochs.to_string())
    }
}

/// Returns `true` if a stage can continue from its own checkpoints to more epochs.
fn is_open_ended(instance: &Instance) -> bool {
    let is_given = !matches!(instance.stage.canonical()[PARAM], Json::Null);
    let resumable = instance.stage.resumable();
    is_given && resumable.is_some_and(|resumable| resumable.open_ended.contains(&PARAM))
}

/// Returns the name of the only training that the objective depends on.
fn only_training(
    graph: &Graph,
    objective: Option<NodeIndex>,
    metric: &str,
    place: &Place,
) -> Result<String, Diagnostic> {
    let mut found: Vec<NodeIndex> = match objective {
        None => graph.order.clone(),
        Some(objective) => {
            let mut upstream = Dfs::new(Reversed(&graph.stages), objective);
            std::iter::from_fn(|| upstream.next(Reversed(&graph.stages))).collect()
        }
    };
    found.retain(|&node| is_open_ended(&graph.stages[node]));
    found.sort();
    match found.as_slice() {
        [one] => Ok(graph.stages[*one].name.to_string()),
        [] => Err(Diagnostic::at(
            place,
            "the objective depends on no training that can continue from a checkpoint",
        )
        .note(
            "with `schedule: cosine`, every epoch depends on the total number of epochs".to_owned(),
        )),
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|&node| graph.stages[node].name.to_string())
                .collect();
            let first = &names[0];
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let message = format!("there are several trainings: {}", suggest::quoted(&names));
            Err(Diagnostic::at(place, message)
                .hint(format!("name one of them, for example `{first}.{metric}`")))
        }
    }
}

fn trainings(graph: &Graph) -> Option<String> {
    let stages = graph.stages.node_weights().filter(|i| is_open_ended(i));
    let names = suggest::distinct(stages.map(|i| i.name.stage.as_str()));
    match names.as_slice() {
        [] => None,
        names => Some(format!("trainings that can: {}", suggest::quoted(names))),
    }
}
