//! Resolves a parsed document into a typed [`Pipeline`]: applies overrides, replaces `${…}`, decodes the
//! sections and adds included files.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::path::{Path, PathBuf};

use contract::{Fold, Precision};
use serde::Deserialize;

use super::assignment::Assignment;
use super::document_fields::{DocumentFields, NO_STAGE};
use super::executor::{Executor, Processors};
use super::expect::ExpectSpec;
use super::folds::{self, FoldCount};
use super::include::{self, Include, Inclusions, Loader, Scope};
use super::interpolate;
use super::name::Names;
use super::node::{Entry, Value, section};
use super::seeds::{self, SeedCount};
use super::stage::StageSpec;
use super::sweep::{self, SweepSpec};
use super::table::TableSpec;
use super::{Diagnostic, Expansion, KeyOption, Node, Place, Vars, assignment, decode, overrides};
use crate::devices::DeviceChoice;

/// A decoded pipeline, with its profile, assignments and vars applied.
pub struct Pipeline {
    pub file: PathBuf,
    pub profile: Option<String>,
    pub name: String,
    /// Seed of every stage without its own.
    pub seed: u64,
    /// Number of repetitions of everything that depends on the seed, each with a different seed.
    pub(crate) seeds: Option<SeedCount>,
    /// Labels of the copies that differ in their seeds; empty if there is one copy.
    pub(crate) seed_labels: Vec<String>,
    /// Number of folds of a cross-validation.
    pub(crate) folds: Option<FoldCount>,
    /// The fold of this copy; `None` without a cross-validation.
    pub(crate) fold: Option<Fold>,
    /// Device that stages compute on, and the place where it is set.
    pub(crate) device: DeviceChoice,
    pub(crate) device_place: Option<Place>,
    pub precision: Precision,
    pub(crate) precision_place: Option<Place>,
    /// Executor of stages without their own.
    pub(crate) executor: Executor,
    /// Processors of other machines, by executor.
    pub(crate) processors: BTreeMap<Executor, Processors>,
    pub(crate) sweep: Option<SweepSpec>,
    /// If this is a trial of a sweep: the stage that measures the objective.
    pub(crate) objective: Option<String>,
    /// The pipeline's own scope, then those of included files.
    pub(crate) scopes: Vec<Scope>,
    pub(crate) inclusions: Inclusions,
    /// Stages, those of included files first.
    pub(crate) stages: Vec<StageSpec>,
    /// Index in `stages` by stage name.
    pub(super) positions: HashMap<String, usize>,
    pub(crate) tables: Vec<TableSpec>,
    pub(crate) expectations: Vec<ExpectSpec>,
    /// Names of stages and included files that could not be read, and so are missing from `stages`.
    pub(crate) broken: Vec<String>,
    /// Errors in stages, tables and other parts so far. [`Graph::build`](crate::graph::Graph::build) adds its
    /// own and returns them all.
    pub(crate) errors: Vec<Diagnostic>,
}

/// Overrides of a document, from the command line, the including file or a sweep.
#[derive(Default)]
pub(super) struct Overrides {
    pub profile: Option<String>,
    /// Values of vars, with every `${` escaped.
    pub vars: Vec<Entry>,
    pub options: Vec<KeyOption>,
    /// Assignments as typed on the command line, not parsed yet.
    pub typed: Vec<String>,
    /// Parsed assignments, which override all others.
    pub sets: Vec<Assignment>,
    /// `true` if the document is resolved as a trial, which has no `sweep` section.
    pub is_trial: bool,
}

/// Sections whose form is checked before vars and profiles are applied.
#[derive(Deserialize)]
struct Preamble {
    #[serde(rename = "vars")]
    _vars: Option<Names>,
    #[serde(rename = "profiles")]
    _profiles: Option<BTreeMap<String, Option<Names>>>,
}

impl Pipeline {
    /// Labels of the copies that differ in their folds; empty without a cross-validation.
    pub(crate) fn fold_labels(&self) -> Vec<String> {
        let count = self.folds.as_ref().map_or(0, |folds| folds.count);
        (1..=count).map(|fold| fold.to_string()).collect()
    }

    /// The models by name: those that the file declares, then those of included files (`nets.model1`).
    pub fn models(&self) -> impl Iterator<Item = (&str, serde_json::Value)> {
        let models = self.scopes[0].models.iter();
        models.map(|model| (model.key.as_str(), model.value.to_json()))
    }

    /// Applies overrides and vars to a document, decodes it, and adds the files that it includes.
    pub(super) fn resolve(
        file: &Path,
        mut document: Node,
        given: Overrides,
        loader: &mut Loader,
    ) -> Result<Self, Vec<Diagnostic>> {
        let first = document.entries().first();
        let start = first
            .map_or(&document.place, |entry| &entry.key_place)
            .clone();
        if !matches!(document.value, Value::Map(_)) {
            let message = format!("expected a map of keys, found {}", document.describe());
            let hint = "a pipeline needs at least `version`, `name` and `stages`".to_owned();
            return Err(vec![Diagnostic::at(&start, message).hint(hint)]);
        }
        let Preamble { .. } = decode(&document, &start)?;

        let profile = given.profile.clone();
        let forwarded = apply(&mut document, given)?;
        fail_if_any(sweep::check_axes(&document))?;
        let vars = Vars::resolve(section(&document, "vars"), &mut loader.expansion);
        interpolate_document(&mut document, &vars, &mut loader.expansion);
        fail_if_any(mem::take(&mut loader.expansion.errors))?;

        let mut errors = Vec::new();
        let fields: Option<DocumentFields> = decode(&document, &start)
            .map_err(|found| errors.extend(found))
            .ok();
        let stages = section(&document, "stages");
        let mut broken = Vec::new();
        let stages: Vec<StageSpec> = stages
            .iter()
            .filter_map(|entry| {
                let stage = StageSpec::read(entry, &mut errors);
                if stage.is_none() {
                    broken.push(entry.key.clone());
                }
                stage
            })
            .collect();
        let tables = section(&document, "tables");
        let tables = tables
            .iter()
            .filter_map(|entry| TableSpec::read(entry, &mut errors))
            .collect();
        let sweep = document.entry("sweep");
        let sweep = sweep.filter(|entry| !matches!(entry.value.value, Value::Null));
        let sweep = sweep.and_then(|entry| SweepSpec::read(entry, &mut errors));
        let seeds = document.entry("seeds");
        let seeds = seeds.and_then(|entry| seeds::read(entry, &mut errors));
        let folds = document.entry("folds");
        let folds = folds.and_then(|entry| folds::read(entry, &mut errors));
        if loader.is_within() {
            errors.extend(folds.as_ref().map(folds::included));
        }
        let positive = positive(&document, &mut errors);
        let expectations = section(&document, "expect");
        let expectations = expectations
            .iter()
            .filter_map(|entry| ExpectSpec::read(entry, &mut errors))
            .collect();
        let Some(fields) = fields else {
            return Err(errors);
        };
        fields.check(&document, &start, loader, &mut errors);
        let mut pipeline = Self {
            file: file.to_owned(),
            profile,
            name: fields.name,
            seed: fields.seed.unwrap_or_default(),
            seeds,
            seed_labels: Vec::new(),
            folds,
            fold: None,
            device: fields.device,
            device_place: document.get("device").map(|node| node.place.clone()),
            precision: fields.precision,
            precision_place: document.get("precision").map(|node| node.place.clone()),
            executor: fields.executor,
            processors: BTreeMap::new(),
            sweep,
            objective: None,
            scopes: vec![Scope {
                prefix: String::new(),
                vars,
                models: section(&document, "models").to_vec(),
            }],
            inclusions: Inclusions::default(),
            stages: Vec::new(),
            positions: HashMap::new(),
            tables,
            expectations,
            broken,
            errors: Vec::new(),
        };
        pipeline.include(&document, forwarded, loader, &mut errors);
        pipeline.stages.extend(stages);
        for stage in &mut pipeline.stages {
            stage.seed = stage.seed.or(fields.seed);
            stage.positive = stage.positive.take().or_else(|| positive.clone());
        }
        if pipeline.stages.is_empty() && !loader.is_within() {
            errors.append(&mut pipeline.errors);
            if errors.is_empty() {
                let place = document.entry("include").map_or(&start, |e| &e.key_place);
                errors.push(Diagnostic::at(place, NO_STAGE));
            }
            let explain = |error| pipeline.inclusions.explain(error);
            return Err(errors.into_iter().map(explain).collect());
        }
        let names = pipeline.stages.iter().map(|stage| stage.name.clone());
        pipeline.positions = names.zip(0..).collect();
        pipeline.errors.extend(errors);
        Ok(pipeline)
    }

    /// Reads all included files and adds their models and stages.
    fn include(
        &mut self,
        document: &Node,
        mut forwarded: Vec<(String, Assignment)>,
        loader: &mut Loader,
        errors: &mut Vec<Diagnostic>,
    ) {
        for entry in section(document, "include") {
            let Some(include) = Include::read(entry, errors) else {
                continue;
            };
            let sets = forwarded.extract_if(.., |(name, _)| *name == include.name);
            let sets = sets.map(|(_, assignment)| assignment).collect();
            match Self::included(&include, sets, loader) {
                Ok(included) => self.merge(&include, included),
                Err(found) => {
                    errors.extend(found);
                    self.broken.push(include.name);
                }
            }
        }
    }

    /// Reads an included file and applies assignments to it.
    fn included(
        include: &Include,
        sets: Vec<Assignment>,
        loader: &mut Loader,
    ) -> Result<Self, Vec<Diagnostic>> {
        loader.load(include, |file, document, loader| {
            let given = Overrides {
                vars: include.vars.clone(),
                sets,
                ..Overrides::default()
            };
            Self::resolve(file, document, given, loader)
        })
    }

    fn merge(&mut self, include: &Include, included: Self) {
        self.inclusions
            .add(include, &included.file, &included.inclusions);
        let prefix = format!("{}.", include.name);
        let broken = included.broken.iter();
        self.broken
            .extend(broken.map(|name| format!("{prefix}{name}")));
        self.errors.extend(included.errors);
        let models = included.scopes.first().map(|scope| scope.models.as_slice());
        let models = models.unwrap_or_default().iter().map(|model| Entry {
            key: format!("{prefix}{}", model.key),
            ..model.clone()
        });
        self.scopes[0].models.extend(models);
        let offset = self.scopes.len();
        self.scopes
            .extend(included.scopes.into_iter().map(|scope| Scope {
                prefix: format!("{prefix}{}", scope.prefix),
                ..scope
            }));
        self.stages
            .extend(included.stages.into_iter().map(|stage| StageSpec {
                name: format!("{prefix}{}", stage.name),
                scope: stage.scope + offset,
                ..stage
            }));
    }
}

/// Returns the entry `positive`; `None` if it is missing or null. If it is not the name of a class, adds an error to
/// `errors`.
fn positive(document: &Node, errors: &mut Vec<Diagnostic>) -> Option<Entry> {
    let entry = document.entry("positive")?;
    if matches!(entry.value.value, Value::Null) {
        return None;
    }
    if entry.value.scalar_text().is_none() {
        let message = format!(
            "expected the name of a class, found {}",
            entry.value.describe()
        );
        errors.push(Diagnostic::at(&entry.value.place, message));
        return None;
    }
    Some(entry.clone())
}

/// Applies overrides to a document. Returns the assignments to included files, each with the include's name.
fn apply(
    document: &mut Node,
    given: Overrides,
) -> Result<Vec<(String, Assignment)>, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut forwarded = Vec::new();
    include::spell_out(document);
    let profile = overrides::apply_profile(document, given.profile.as_deref(), &mut errors);
    overrides::apply_vars(document, &given.vars, &mut errors);
    let options = given.options.iter().map(assignment::of_option);
    let given_before = profile.into_iter().chain(options);
    let typed: Vec<_> = given
        .typed
        .iter()
        .map(|typed| assignment::read_set(typed))
        .collect();
    errors.extend(assignment::contradictions(&given.options, &typed));
    let sets = given.sets.into_iter().map(Ok);
    for assignment in given_before.map(Ok).chain(typed).chain(sets) {
        match assignment.map(|assignment| include::forward(document, assignment)) {
            Ok(Ok(forward)) => forwarded.push(forward),
            Ok(Err(own)) => errors.extend(overrides::apply_set(document, own).err()),
            Err(error) => errors.push(error),
        }
    }
    fail_if_any(errors)?;
    // An assignment may have replaced an included file with a plain path.
    include::spell_out(document);
    if given.is_trial
        && let Value::Map(sections) = &mut document.value
    {
        sections.retain(|section| section.key != "sweep");
    }
    Ok(forwarded)
}

fn fail_if_any(errors: Vec<Diagnostic>) -> Result<(), Vec<Diagnostic>> {
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

/// Replaces `${…}` everywhere except in `vars` and `profiles`, and in the `params` and `inputs` of stages,
/// which are interpolated once per instance.
fn interpolate_document(document: &mut Node, vars: &Vars, expansion: &mut Expansion) {
    let mut replace = |node: &mut Node| {
        if interpolate::is_needed(node)
            && let Some(replaced) = vars.interpolate(node, None, expansion)
        {
            *node = replaced;
        }
    };
    for section in document.entries_mut() {
        match section.key.as_str() {
            "vars" | "profiles" => {}
            "stages" if !section.value.entries().is_empty() => {
                for stage in section.value.entries_mut() {
                    if stage.value.entries().is_empty() {
                        replace(&mut stage.value);
                    }
                    let fields = stage.value.entries_mut().iter_mut();
                    for field in
                        fields.filter(|field| !matches!(field.key.as_str(), "params" | "inputs"))
                    {
                        replace(&mut field.value);
                    }
                }
            }
            _ => replace(&mut section.value),
        }
    }
}
