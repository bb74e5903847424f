//! [`Record`]: what there is to tell about a run.

mod read;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use contract::{ArtifactType, Metric};
use engine::error::Error;
use engine::event::{RunReport, RunState};
use engine::run::recorded::Recorded;
use engine::run::run_metrics::{self, RunMetrics};
use engine::scheduler::Outcome;
use engine::wording;
use jiff::Timestamp;
use pages::Reader;
use serde_json::Value;
use store::Tree;
use store::keys::{Fingerprint, Key};

use read::Source;

/// Most instances that a note names.
const NAMED: usize = 3;

/// A run, with everything that other tools show.
pub struct Record<'a> {
    pub reader: Reader<'a>,
    pub report: &'a RunReport,
    pub started: Timestamp,
    /// `None` while the run goes on, or if it was killed.
    pub finished: Option<Timestamp>,
    /// In the order of the plan.
    pub instances: Vec<Instance>,
    /// Positions of the instances that stand for the run: those of all seeds, or of the best trial of a sweep.
    pub shown: Vec<usize>,
    /// Sentences that say what the record lacks.
    pub notes: Vec<String>,
}

/// An instance of a stage.
pub struct Instance {
    /// `cnn[model1]`
    pub name: String,
    /// `cnn`
    pub stage: String,
    pub kind: String,
    /// Its values on the axes of its matrix, and on those that tell apart copies of the pipeline.
    pub axes: Vec<(String, String)>,
    pub key: Key,
    /// Numbers of the trials of a sweep that it belongs to, from 1.
    pub trials: Vec<usize>,
    /// `None` if it has not ended.
    pub outcome: Option<Outcome>,
    /// `cached`, `failed`, `running`, `killed`, …
    pub status: String,
    pub error: Option<String>,
    pub warnings: Vec<String>,
    /// Everything that its result depends on; `None` if it is no longer known.
    pub fingerprint: Option<Fingerprint>,
    /// Version of runner that made the result.
    pub made_by: Option<String>,
    /// Times of the execution that made the result, which may have been in an earlier run.
    pub started: Option<Timestamp>,
    pub finished: Option<Timestamp>,
    /// Numbers, booleans and texts among its parameters, by path: `source.phantom.images`. Lists are JSON texts.
    pub params: BTreeMap<String, Value>,
    pub inputs: Vec<Input>,
    /// In the order of its ports; empty if its result is not in the store.
    pub outputs: Vec<Output>,
    /// Measured numbers, named as by `runner metrics`.
    pub metrics: BTreeMap<String, Metric>,
    /// Names of the most important metrics.
    pub headline: Vec<String>,
    /// `true` if it measures the results of the run, not only its own training.
    pub is_result: bool,
    /// Numbers by epoch.
    pub curves: Vec<Curve>,
}

/// An artifact that an instance read.
pub struct Input {
    pub role: String,
    /// Position of the instance that made it.
    pub maker: usize,
    pub port: String,
}

/// An artifact that an instance made.
pub struct Output {
    pub port: String,
    /// `None` if its kind is no longer known.
    pub artifact: Option<ArtifactType>,
    pub tree: Arc<Tree>,
}

/// A number that a training measured after each epoch.
pub struct Curve {
    /// A column of the history: `validation_loss`.
    pub name: String,
    /// Epochs and finite values.
    pub points: Vec<(u64, f64)>,
}

impl<'a> Record<'a> {
    /// Reads the record of a run.
    ///
    /// # Errors
    /// If results in the store cannot be read or are damaged. Results that were removed are no error: a note says so.
    pub fn read(reader: Reader<'a>, run: &'a Recorded) -> Result<Self, Error> {
        let started = run.report.started.parse();
        let started = started.map_err(|error| {
            Error::Damaged(format!("run `{}`: its start: {error}", run.report.run))
        })?;
        let finished = run.report.finished.as_deref();
        let metrics = run_metrics::of_run(reader.store, run, reader.catalogue.kinds);
        let mut instances = Source::new(reader, run, &metrics.instances)?.instances()?;
        add_trials(&mut instances, &metrics);
        let places: HashMap<&str, usize> = names(&instances).zip(0..).collect();
        let shown = metrics.shown().into_iter();
        let shown: Vec<usize> = shown
            .filter_map(|one| places.get(&*one.name).copied())
            .collect();
        let mut record = Self {
            reader,
            report: &run.report,
            started,
            finished: finished.and_then(|time| time.parse().ok()),
            instances,
            shown,
            notes: Vec::new(),
        };
        record.notes = record.missing();
        Ok(record)
    }

    /// Says what the record lacks.
    fn missing(&self) -> Vec<String> {
        let mut notes = Vec::new();
        match self.report.state {
            RunState::Succeeded => {}
            RunState::Running => notes.push("the run has not ended yet".to_owned()),
            state => notes.push(format!("the run did not succeed: its state is `{state}`")),
        }
        let without: Vec<&str> = self
            .instances
            .iter()
            .filter(|one| one.is_removed())
            .map(|one| one.name.as_str())
            .collect();
        if !without.is_empty() {
            notes.push(format!(
                "results of {} are no longer in the store, so files, pictures and curves of {} are left out",
                wording::stages(without.len()),
                listed(&without)
            ));
        }
        let ended = self.instances.iter();
        let unended = ended.filter(|one| !one.has_result()).count();
        if unended > 0 {
            notes.push(format!(
                "{} did not end with a result",
                wording::stages(unended)
            ));
        }
        notes
    }

    /// The time that stands for an instance: its end, or else the start of the run.
    pub fn time_of(&self, instance: &Instance) -> Timestamp {
        instance.finished.unwrap_or(self.started)
    }

    /// Verifies a file of an output and reads it.
    ///
    /// # Errors
    /// If it is damaged or too large.
    pub fn file(&self, output: &Output, name: &str) -> Result<Vec<u8>, Error> {
        read_file(self.reader, output, name)
    }

    /// Positions of an instance and of everything that it was made from, in the order of the plan.
    pub fn lineage(&self, at: usize) -> Vec<usize> {
        let mut found = HashSet::from([at]);
        let mut open = vec![at];
        while let Some(next) = open.pop() {
            for input in &self.instances[next].inputs {
                if found.insert(input.maker) {
                    open.push(input.maker);
                }
            }
        }
        let mut found: Vec<usize> = found.into_iter().collect();
        found.sort_unstable();
        found
    }

    /// The instances that measure the results of the run. If none does, those that measure anything.
    pub fn results(&self) -> Vec<usize> {
        let all = || (0..self.instances.len()).filter(|&at| !self.instances[at].metrics.is_empty());
        let results: Vec<usize> = all().filter(|&at| self.instances[at].is_result).collect();
        match results.is_empty() {
            true => all().collect(),
            false => results,
        }
    }
}

impl Instance {
    /// `true` if the run has a result of it.
    pub fn has_result(&self) -> bool {
        self.outcome.is_some_and(Outcome::has_outputs)
    }

    /// `true` if it was executed in the run, or has a result from another one.
    pub fn has_run(&self) -> bool {
        match self.outcome {
            Some(Outcome::Cached | Outcome::Succeeded | Outcome::Failed) => true,
            Some(Outcome::Skipped) => false,
            Some(Outcome::Cancelled) | None => self.started.is_some(),
        }
    }

    /// `true` if the run had its result, but the store has it no longer.
    pub fn is_removed(&self) -> bool {
        self.has_result() && self.made_by.is_none()
    }

    /// The random seed, if its result depends on one.
    pub fn seed(&self) -> Option<u64> {
        let known = self.fingerprint.as_ref()?;
        Some(known.seed).filter(|&seed| seed != 0)
    }
}

/// Adds the numbers of trials to the instances that belong to them.
fn add_trials(instances: &mut [Instance], metrics: &RunMetrics) {
    let mut of_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for trial in &metrics.trials {
        for instance in metrics.at(&trial.instances) {
            of_name
                .entry(&instance.name)
                .or_default()
                .push(trial.number);
        }
    }
    for instance in instances {
        instance.trials = of_name.remove(&*instance.name).unwrap_or_default();
    }
}

fn names(instances: &[Instance]) -> impl Iterator<Item = &str> {
    instances.iter().map(|one| one.name.as_str())
}

/// `a, b, c and 4 others`
fn listed(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(NAMED).map(|n| format!("`{n}`")).collect();
    match names.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!(
            "{} and {}",
            shown.join(", "),
            wording::counted(more, "other")
        ),
    }
}

fn read_file(reader: Reader<'_>, output: &Output, name: &str) -> Result<Vec<u8>, Error> {
    let found = reader.store.read_files(&output.tree.digest, &[name]);
    let found = found.map_err(Error::Damaged)?;
    let found = found.and_then(|mut files| files.pop());
    found.ok_or_else(|| Error::Internal(format!("`{name}` is not in an output that lists it")))
}

impl Output {
    /// Paths of its files by name.
    pub fn paths(&self, reader: Reader<'_>) -> BTreeMap<String, PathBuf> {
        reader.store.files_of(&self.tree)
    }

    /// `true` if it is a model or a generator, or only the weights of one.
    pub fn is_model(&self) -> bool {
        matches!(
            self.artifact,
            Some(ArtifactType::Model | ArtifactType::Generator | ArtifactType::Weights)
        )
    }

    /// `true` if an export includes its files: those of datasets never, those of models if they are requested.
    pub fn is_included(&self, with_models: bool) -> bool {
        match self.artifact {
            Some(ArtifactType::Dataset) => false,
            Some(ArtifactType::Model | ArtifactType::Generator | ArtifactType::Weights) => {
                with_models
            }
            Some(ArtifactType::Metrics | ArtifactType::Figure | ArtifactType::Files) | None => true,
        }
    }
}
