//! The `sweep` section of a pipeline, decoded but not resolved. `crate::sweep` turns it into trials.

use std::collections::{BTreeMap, HashSet};

use contract::Direction;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value as Any;

use super::node::Entry;
use super::seeds::{self, SeedCount};
use super::{Diagnostic, Node, Place, decode, interpolate};

/// The `sweep` section of a pipeline, decoded.
pub(crate) struct SweepSpec {
    /// Place of the key `sweep`.
    pub place: Place,
    pub node: Node,
    pub fields: SweepFields,
    /// Number of seeds for each trial.
    pub seeds: Option<SeedCount>,
}

/// Trials of the pipeline, each with different values on the axes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Sweep")]
pub(crate) struct SweepFields {
    /// Method that chooses the trials.
    #[serde(default)]
    pub method: Method,
    /// Axes with their values. An axis is a var, or a parameter of a stage (`cnn.params.learning_rate`).
    #[serde(rename = "axes")]
    #[schemars(with = "BTreeMap<String, AxisForm>", extend("minProperties" = 1))]
    _axes: BTreeMap<String, IgnoredAny>,
    /// Groups of axes that vary together: the first value of each, then the second, and so on.
    #[serde(rename = "zip", default)]
    _zip: Vec<Vec<String>>,
    /// Trials to run first, each given by its values on the axes.
    #[serde(rename = "include", default)]
    #[schemars(with = "Vec<BTreeMap<String, Any>>")]
    _include: Vec<BTreeMap<String, IgnoredAny>>,
    /// Combinations to leave out. A trial is left out if it has all values of one entry.
    #[serde(rename = "exclude", default)]
    #[schemars(with = "Vec<BTreeMap<String, Any>>")]
    _exclude: Vec<BTreeMap<String, IgnoredAny>>,
    /// Axes that apply only where another axis has one of these values.
    #[serde(rename = "when", default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, Any>>")]
    _when: BTreeMap<String, BTreeMap<String, IgnoredAny>>,
    /// Number of trials. Required for `random` and `tpe`; a grid has all combinations by default.
    #[schemars(range(min = 1, max = 100_000))]
    pub trials: Option<usize>,
    /// Metric by which trials are compared.
    pub objective: Option<ObjectiveFields>,
    /// Rule for stopping trials early.
    pub stop: Option<StopFields>,
    /// Number of repetitions of each trial, each with a different seed. The objective is their mean.
    #[serde(rename = "seeds")]
    #[schemars(with = "Option<usize>", range(min = 1, max = 1_000))]
    _seeds: Option<usize>,
    /// Seed for choosing trials. Default: the pipeline's seed.
    pub seed: Option<u64>,
    /// Number of trials that are chosen at a time, before their results are known. Default: 4 for `tpe`, else
    /// all. It does not limit how many run at once; `--jobs` does, without changing any result.
    #[schemars(range(min = 1, max = 100_000))]
    pub parallel: Option<usize>,
}

/// Method that chooses the trials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Method {
    /// All combinations of the values.
    #[default]
    Grid,
    /// Random values.
    Random,
    /// Tree-structured Parzen estimator: values like those of the best trials so far.
    Tpe,
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::Random => "random",
            Self::Tpe => "tpe",
        }
    }
}

/// Metric by which trials are compared.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Objective")]
pub(crate) struct ObjectiveFields {
    /// The metric as `STAGE.METRIC` or `STAGE[VALUE].METRIC`, for example `evaluate.f1`.
    pub metric: String,
    /// Direction of improvement. Default: the metric's own.
    #[schemars(with = "Option<DirectionForm>")]
    pub direction: Option<Direction>,
}

/// Rule for stopping trials early.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Stop")]
pub(crate) struct StopFields {
    /// Asynchronous successive halving (Li et al., 2020): trials are compared after some epochs, and only the
    /// best continue.
    pub asha: AshaFields,
}

/// Asynchronous successive halving.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Asha")]
pub(crate) struct AshaFields {
    /// Metric of the training as `STAGE.METRIC`, for example `cnn.validation_loss`. `STAGE` may be left out
    /// if there is only one training.
    pub metric: String,
    /// Direction of improvement. Default: the metric's own.
    #[schemars(with = "Option<DirectionForm>")]
    pub direction: Option<Direction>,
    /// Epochs that every trial is trained for before any is stopped.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100_000), extend("x-unit" = "epochs"))]
    pub grace_epochs: usize,
    /// Epochs of a trial that is never stopped. Default: the `epochs` of the training.
    #[schemars(range(min = 1, max = 100_000), extend("x-unit" = "epochs"))]
    pub max_epochs: Option<usize>,
    /// Factor between rungs: one in `reduction` trials continues, to `reduction` times the epochs.
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

/// Direction of improvement.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[expect(dead_code, reason = "exists only for its schema")]
enum DirectionForm {
    Maximize,
    Minimize,
}

/// Values of an axis.
#[derive(JsonSchema)]
#[schemars(untagged, rename = "SweepAxis")]
#[expect(dead_code, reason = "exists only for its schema")]
enum AxisForm {
    /// A list of values.
    Values(#[schemars(length(min = 1))] Vec<Any>),
    Domain(DomainForm),
}

/// Named values, or a range.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "SweepDomain")]
#[expect(dead_code, reason = "exists only for its schema")]
enum DomainForm {
    /// Values by name, for lists and maps. The names tell trials apart.
    Choice(#[schemars(extend("minProperties" = 1))] BTreeMap<String, Any>),
    /// `[LOW, HIGH]`, or `[LOW, HIGH, QUANTUM]` for the numbers `LOW`, `LOW + QUANTUM` and so on.
    Uniform(#[schemars(length(min = 2, max = 3))] Vec<f64>),
    /// `[LOW, HIGH]`, both above 0. The logarithm is uniform.
    LogUniform(#[schemars(length(equal = 2))] Vec<f64>),
    /// Whole numbers: `[LOW, HIGH]`, or `[LOW, HIGH, QUANTUM]` for `LOW`, `LOW + QUANTUM` and so on.
    IntUniform(#[schemars(length(min = 2, max = 3))] Vec<i64>),
    /// Whole numbers: `[LOW, HIGH]`, both above 0. The logarithm is uniform.
    LogIntUniform(#[schemars(length(equal = 2))] Vec<i64>),
}

/// Returns an error for each axis whose values use a var that is itself an axis: these values would use the var's
/// value in the file, in every trial. Must be called before `${…}` are replaced.
pub(super) fn check_axes(document: &Node) -> Vec<Diagnostic> {
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
                let axis_name = &axis.key;
                let message = format!(
                    "the values of the axis `{axis_name}` use `{name}`, which is an axis, too"
                );
                let hint = format!(
                    "use `${{{name}}}` where the pipeline uses `{axis_name}`: there it has the value of the trial"
                );
                errors.push(Diagnostic::at(&axis.key_place, message).hint(hint));
                break;
            }
            let var = interpolate::var_of(&name);
            let var = vars.iter().find(|known| known.key == var);
            if let Some(var) = var.filter(|_| seen.insert(name.clone())) {
                // Follow the path as far as it exists. If it ends at a `${…}`, the value depends on the names
                // in it.
                let pieces = name.split('.').skip(1);
                let part = pieces.fold(&var.value, |node, piece| node.step(piece).unwrap_or(node));
                interpolate::names(part, &mut open);
            }
        }
    }
    errors
}

impl SweepSpec {
    /// Decodes the `sweep` section. If it is invalid, adds its errors to `errors` and returns `None`.
    pub(crate) fn read(entry: &Entry, errors: &mut Vec<Diagnostic>) -> Option<Self> {
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

    /// Returns the entries of one of its maps; empty if the map is missing.
    pub(crate) fn section(&self, key: &str) -> &[Entry] {
        self.node.get(key).map(Node::entries).unwrap_or_default()
    }

    /// Returns the items of one of its lists; empty if the list is missing.
    pub(crate) fn list(&self, key: &str) -> &[Node] {
        self.node.get(key).map(Node::items).unwrap_or_default()
    }

    /// Returns the place of the value at a path of keys, or of its deepest parent that exists.
    pub(crate) fn place_of(&self, keys: &[&str]) -> Place {
        let path: Vec<_> = keys
            .iter()
            .map(|&key| contract::Segment::Key(key.to_owned()))
            .collect();
        self.node.locate(&self.place, &path).place()
    }
}
