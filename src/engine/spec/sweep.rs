//! A sweep as it is written; `crate::sweep` says what its names and numbers mean.

use std::collections::{BTreeMap, HashSet};

use contract::Direction;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value as Any;

use super::node::Entry;
use super::seeds::{self, SeedCount};
use super::{Diagnostic, Node, Place, decode, interpolate};

/// A sweep as it is written.
pub(crate) struct SweepSpec {
    /// Of the key `sweep`.
    pub place: Place,
    pub node: Node,
    pub fields: SweepFields,
    /// Of each trial.
    pub seeds: Option<SeedCount>,
}

/// Trials of a pipeline, each with other values on its axes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Sweep")]
pub(crate) struct SweepFields {
    /// How trials are chosen.
    #[serde(default)]
    pub method: Method,
    /// What is varied: a var, or a parameter of a stage (`cnn.params.learning_rate`), by the values that it
    /// takes.
    #[serde(rename = "axes")]
    #[schemars(with = "BTreeMap<String, AxisForm>", extend("minProperties" = 1))]
    _axes: BTreeMap<String, IgnoredAny>,
    /// Axes that go together: the first values of all, then the second.
    #[serde(rename = "zip", default)]
    _zip: Vec<Vec<String>>,
    /// Further trials, by the values of their axes.
    #[serde(rename = "include", default)]
    #[schemars(with = "Vec<BTreeMap<String, Any>>")]
    _include: Vec<BTreeMap<String, IgnoredAny>>,
    /// No trials with all of these values.
    #[serde(rename = "exclude", default)]
    #[schemars(with = "Vec<BTreeMap<String, Any>>")]
    _exclude: Vec<BTreeMap<String, IgnoredAny>>,
    /// Axes that are there only where others have one of these values.
    #[serde(rename = "when", default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, Any>>")]
    _when: BTreeMap<String, BTreeMap<String, IgnoredAny>>,
    /// How many trials: all of a grid unless given.
    #[schemars(range(min = 1, max = 100_000))]
    pub trials: Option<usize>,
    /// What makes a trial better than another.
    pub objective: Option<ObjectiveFields>,
    /// When a trial ends before its time.
    pub stop: Option<StopFields>,
    /// Times that each trial is repeated, each with another seed; the objective is the mean.
    #[serde(rename = "seeds")]
    #[schemars(with = "Option<usize>", range(min = 1, max = 1_000))]
    _seeds: Option<usize>,
    /// Of the choice of trials; the pipeline's unless given.
    pub seed: Option<u64>,
    /// Trials that are chosen at a time, before their results are known. Not how many run at once: that is
    /// `--jobs`, and changes no result.
    #[schemars(range(min = 1, max = 100_000))]
    pub parallel: Option<usize>,
}

/// How trials are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Method {
    /// Every combination.
    #[default]
    Grid,
    /// At random.
    Random,
    /// By a tree-structured Parzen estimator: where earlier trials were good.
    Tpe,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::Random => "random",
            Self::Tpe => "tpe",
        }
    }
}

/// What makes a trial better than another.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Objective")]
pub(crate) struct ObjectiveFields {
    /// `STAGE.METRIC` or `STAGE[VALUE].METRIC`, as `evaluate.f1`.
    pub metric: String,
    /// Which way is better; as the metric itself says unless given.
    #[schemars(with = "Option<DirectionForm>")]
    pub direction: Option<Direction>,
}

/// When a trial ends before its time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Stop")]
pub(crate) struct StopFields {
    /// Asynchronous successive halving (Li et al., 2020): of the trials that were trained for so many epochs, the
    /// best share goes on to more.
    pub asha: AshaFields,
}

/// Successive halving.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Asha")]
pub(crate) struct AshaFields {
    /// `STAGE.METRIC` of the training, as `cnn.validation_loss`; without the stage where only one trains.
    pub metric: String,
    /// Which way is better; as the metric itself says unless given.
    #[schemars(with = "Option<DirectionForm>")]
    pub direction: Option<Direction>,
    /// Epochs of every trial before any is stopped.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100_000), extend("x-unit" = "epochs"))]
    pub grace_epochs: usize,
    /// Epochs of a trial that is never stopped; those of the training unless given.
    #[schemars(range(min = 1, max = 100_000), extend("x-unit" = "epochs"))]
    pub max_epochs: Option<usize>,
    /// One in so many goes on, to so many times the epochs.
    #[serde(default = "three")]
    #[schemars(range(min = 2, max = 100))]
    pub reduction: usize,
}

fn one() -> usize {
    1
}

fn three() -> usize {
    3
}

/// Which way is better.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[expect(dead_code, reason = "it is there for its schema")]
enum DirectionForm {
    Maximize,
    Minimize,
}

/// The values of an axis.
#[derive(JsonSchema)]
#[schemars(untagged, rename = "SweepAxis")]
#[expect(dead_code, reason = "it is there for its schema")]
enum AxisForm {
    /// These.
    Values(#[schemars(length(min = 1))] Vec<Any>),
    Domain(DomainForm),
}

/// Values by name, or a range.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "SweepDomain")]
#[expect(dead_code, reason = "it is there for its schema")]
enum DomainForm {
    /// Values by the names that trials are told apart by: for lists and maps.
    Choice(#[schemars(extend("minProperties" = 1))] BTreeMap<String, Any>),
    /// Low, high and, if only multiples of a quantum above low are wanted, that.
    Uniform(#[schemars(length(min = 2, max = 3))] Vec<f64>),
    /// Low and high, both above 0; the logarithm is uniform.
    LogUniform(#[schemars(length(equal = 2))] Vec<f64>),
    /// Whole numbers: low, high and, if wanted, a quantum.
    IntUniform(#[schemars(length(min = 2, max = 3))] Vec<i64>),
    /// Whole numbers above 0: low and high; the logarithm is uniform.
    LogIntUniform(#[schemars(length(equal = 2))] Vec<i64>),
}

/// Axes whose values are made of vars that are axes themselves: there they would be what the file says, in
/// every trial. To be asked of a document before its `${…}` are replaced.
pub(super) fn of_axes(document: &Node) -> Vec<Diagnostic> {
    let axes = document.get("sweep").and_then(|sweep| sweep.get("axes"));
    let axes = axes.map(Node::entries).unwrap_or_default();
    let vars = document.get("vars").map(Node::entries).unwrap_or_default();
    let is_axis = |name: &str| {
        let mut varied = axes
            .iter()
            .map(|axis| match axis.key.strip_prefix("vars.") {
                Some(var) => var,
                None => axis.key.as_str(),
            });
        varied.any(|varied| {
            interpolate::is_within(varied, name) || interpolate::is_within(name, varied)
        })
    };
    let mut errors = Vec::new();
    for axis in axes {
        let (mut open, mut seen) = (Vec::new(), HashSet::new());
        interpolate::names(&axis.value, &mut open);
        while let Some(name) = open.pop() {
            if is_axis(&name) {
                let message = format!("the values of `{}` are made of `{name}`, an axis", axis.key);
                let hint =
                    "use the var where the pipeline uses this one: it has each trial's value there";
                errors.push(Diagnostic::at(&axis.key_place, message).hint(hint.to_owned()));
                break;
            }
            let var = interpolate::var_of(&name);
            let var = vars.iter().find(|known| known.key == var);
            if let Some(var) = var.filter(|_| seen.insert(name.clone())) {
                // Where the name leads through a `${…}`, that is what it is made of.
                let pieces = name.split('.').skip(1);
                let part = pieces.fold(&var.value, |node, piece| node.step(piece).unwrap_or(node));
                interpolate::names(part, &mut open);
            }
        }
    }
    errors
}

impl SweepSpec {
    /// Reads a sweep; what is wrong with it is reported.
    pub fn read(entry: &Entry, errors: &mut Vec<Diagnostic>) -> Option<Self> {
        match decode(&entry.value, &entry.key_place) {
            Ok(fields) => Some(Self {
                seeds: entry
                    .value
                    .entry("seeds")
                    .and_then(|entry| seeds::read(entry, errors)),
                place: entry.key_place.clone(),
                node: entry.value.clone(),
                fields,
            }),
            Err(found) => {
                errors.extend(found);
                None
            }
        }
    }

    /// The entries of one of its maps.
    pub fn section(&self, key: &str) -> &[Entry] {
        self.node.get(key).map(Node::entries).unwrap_or_default()
    }

    /// The items of one of its lists.
    pub fn list(&self, key: &str) -> &[Node] {
        self.node.get(key).map(Node::items).unwrap_or_default()
    }

    /// Where the value that these keys lead to stands, or where it would stand.
    pub fn place_of(&self, keys: &[&str]) -> Place {
        let path: Vec<_> = keys
            .iter()
            .map(|&key| contract::Segment::Key(key.to_owned()))
            .collect();
        self.node.locate(&self.place, &path).place()
    }
}
