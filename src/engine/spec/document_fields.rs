//! [`DocumentFields`]: the sections of a pipeline file, from which its schema is derived.

use std::collections::BTreeMap;

use contract::{Fold, Precision, Text};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value as Any;

use super::executor::Executor;
use super::expect::{ExpectForm, OfMetrics};
use super::include::{IncludeForm, Loader};
use super::name::{self, Named, Names, check_name, check_names};
use super::node::section;
use super::stage::StageFields;
use super::sweep::SweepFields;
use super::table::TableFields;
use super::{Diagnostic, Node, Place};
use crate::devices::DeviceChoice;

/// Version of the document format that this program reads.
pub const VERSION: u64 = 1;

/// The error of a pipeline without stages.
pub(super) const NO_STAGE: &str = "a pipeline needs at least one stage";

/// A pipeline for `runner`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DocumentFields {
    /// Version of the pipeline format.
    #[schemars(extend("const" = VERSION))]
    version: u64,
    /// Name of the pipeline, and of the folder of its newest outputs: `artifacts/latest/NAME`.
    #[schemars(schema_with = "name::schema")]
    pub(super) name: String,
    /// Seed of every stage without its own. Default 0.
    pub(super) seed: Option<u64>,
    /// Number of repetitions of everything that depends on the seed: with `seed`, `seed` + 1, and so on. Tables
    /// show the mean.
    #[serde(rename = "seeds")]
    #[schemars(with = "Option<usize>", range(min = 1, max = 1_000))]
    _seeds: Option<usize>,
    /// Number of folds of a cross-validation. Everything that depends on the images is repeated for each fold: every
    /// `dataset` stage is divided into as many parts, with patients (`group_by`) kept together, and one part after the
    /// other is tested. Tables show the metrics of the predictions of all folds together.
    #[serde(rename = "folds")]
    #[schemars(with = "Option<usize>", range(min = Fold::FEWEST, max = Fold::MOST))]
    _folds: Option<usize>,
    /// The positive class of every `evaluate` stage without its own, such as `PNEUMONIA`. It changes no training.
    #[serde(rename = "positive")]
    #[schemars(with = "Option<Text>")]
    _positive: Option<IgnoredAny>,
    /// Where stages train and predict: `cpu`, `cuda` (any NVIDIA GPU) or `cuda:0` (this GPU). `auto`, the
    /// default, takes a GPU if there is one, or else the CPU. Ignored in included files.
    #[serde(default)]
    pub(super) device: DeviceChoice,
    /// Precision of multiplications on GPUs. Default `tf32`.
    #[serde(default)]
    pub(super) precision: Precision,
    /// Where stages without their own `executor` run: `local` (this machine, the default), `slurm` or `ssh:HOST`.
    /// Ignored in included files.
    #[serde(default)]
    pub(super) executor: Executor,
    /// Other pipeline files by name. Their models and stages can be used here with this name as prefix:
    /// `NAME.STAGE`.
    #[serde(rename = "include")]
    #[schemars(with = "Option<Named<IncludeForm>>")]
    _include: Option<Names>,
    /// Values for `${NAME}`. `-S NAME=VALUE` overrides one.
    #[serde(rename = "vars")]
    #[schemars(with = "Option<Named<Any>>")]
    _vars: Option<IgnoredAny>,
    /// Sets of values that `--profile NAME` applies: for vars, for parameters by their path
    /// (`cnn.params.epochs`), and for `sweep`, `seeds` and `folds`; `sweep: null` runs a single trial.
    #[serde(rename = "profiles")]
    #[schemars(with = "Option<Named<Option<BTreeMap<String, Any>>>>")]
    _profiles: Option<IgnoredAny>,
    /// Lists of layers by name. Parameters take the name in place of a list.
    #[serde(rename = "models")]
    #[schemars(with = "Option<Named<Vec<Any>>>")]
    _models: Option<BTreeMap<String, Vec<IgnoredAny>>>,
    /// Stages by name.
    #[serde(rename = "stages")]
    #[schemars(with = "Option<Named<StageFields>>", extend("minProperties" = 1))]
    _stages: Option<Names>,
    /// Trials of the pipeline with different values for vars and parameters.
    #[serde(rename = "sweep")]
    #[schemars(with = "Option<SweepFields>")]
    _sweep: Option<IgnoredAny>,
    /// Tables of metrics, printed after a run.
    #[serde(rename = "tables")]
    #[schemars(with = "Option<Named<TableFields>>")]
    _tables: Option<Names>,
    /// Expected results by metric: `evaluate.f1` for every instance, `evaluate[model1].f1` for one.
    #[serde(rename = "expect")]
    #[schemars(with = "Option<OfMetrics<ExpectForm>>")]
    _expect: Option<Names>,
}

impl DocumentFields {
    /// Reports errors that the types cannot express.
    pub(super) fn check(
        &self,
        document: &Node,
        start: &Place,
        loader: &Loader,
        errors: &mut Vec<Diagnostic>,
    ) {
        let place = |key: &str| {
            document
                .get(key)
                .map_or(&document.place, |node| &node.place)
        };
        if self.version != VERSION {
            let message = format!(
                "unknown document version {}: this program reads version {VERSION}",
                self.version
            );
            errors.push(Diagnostic::at(place("version"), message));
        }
        check_name(&self.name, "a pipeline", place("name"), errors);
        for (key, what) in [
            ("include", "an included file"),
            ("vars", "a var"),
            ("profiles", "a profile"),
            ("models", "a model"),
            ("stages", "a stage"),
            ("tables", "a table"),
        ] {
            check_names(section(document, key), what, errors);
        }
        for include in section(document, "include") {
            if let Some(stage) = document.get("stages").and_then(|s| s.entry(&include.key)) {
                let name = &include.key;
                let message = format!("an included file and a stage are both called `{name}`");
                let note = format!("the stage is at {}", stage.key_place);
                errors.push(Diagnostic::at(&include.key_place, message).note(note));
            }
        }
        // A file may contain only models for other files, or take all its stages from included files.
        let alone = section(document, "include").is_empty() && !loader.is_within();
        match document.get("stages") {
            None if alone => errors.push(Diagnostic::at(start, "missing key `stages`")),
            Some(stages) if alone && stages.entries().is_empty() => {
                errors.push(Diagnostic::at(&stages.place, NO_STAGE));
            }
            _ => {}
        }
    }
}
