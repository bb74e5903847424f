//! [`Record`]: what there is to tell about a run.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use contract::{ArtifactType, Metric};
use engine::error::Error;
use engine::event::{Event, RunReport, RunState};
use engine::run::fingerprints;
use engine::run::follow::{ProgressDetail, replay_events};
use engine::run::recorded::{Recorded, RecordedStage};
use engine::run::run_metrics::{self, InstanceMetrics, PortMetrics};
use engine::scheduler::Outcome;
use engine::wording;
use jiff::{SignedDuration, Timestamp};
use pages::Reader;
use serde_json::Value;
use store::keys::{Fingerprint, Key};
use store::{ActionRecord, Lookup, Tree};

use crate::params::flattened;

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
    /// `None` if it has not ended.
    pub outcome: Option<Outcome>,
    /// `cached`, `failed`, `running`, `killed`, …
    pub status: String,
    pub error: Option<String>,
    pub warnings: Vec<String>,
    /// What its result depends on; `None` if it is no longer known.
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
        let instances = Source::new(reader, run, &metrics.instances)?.instances()?;
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

/// Start and end of a stage in a run.
type Times = (Option<Timestamp>, Option<Timestamp>);

/// Everything that instances are read from.
struct Source<'a> {
    reader: Reader<'a>,
    run: &'a Recorded,
    records: HashMap<Key, ActionRecord>,
    /// Fingerprints of stages without a record.
    fingerprints: HashMap<Key, Fingerprint>,
    /// Times of stages without a record, from the events of the run.
    times: HashMap<String, Times>,
    metrics: HashMap<&'a str, &'a InstanceMetrics>,
    places: HashMap<&'a str, usize>,
}

impl<'a> Source<'a> {
    fn new(
        reader: Reader<'a>,
        run: &'a Recorded,
        metrics: &'a [InstanceMetrics],
    ) -> Result<Self, Error> {
        let ended = run.stages.iter().filter(|stage| {
            let end = stage.end.as_ref();
            end.is_some_and(|end| end.outcome.has_outputs())
        });
        let keys: Vec<Key> = ended.map(|stage| stage.planned.key).collect();
        let found = reader.store.results().look_up(&keys)?.into_iter();
        let records: HashMap<Key, ActionRecord> = found
            .zip(keys)
            .filter_map(|(found, key)| match found {
                Lookup::Hit(record) => Some((key, *record)),
                Lookup::Absent | Lookup::Damaged | Lookup::OutputMissing { .. } => None,
            })
            .collect();
        let without: HashSet<Key> = run
            .stages
            .iter()
            .map(|stage| stage.planned.key)
            .filter(|key| !records.contains_key(key))
            .collect();
        let names = run.stages.iter().map(|stage| &*stage.planned.name);
        Ok(Self {
            fingerprints: fingerprints::read(&run.folder, &without),
            times: if without.is_empty() {
                HashMap::new()
            } else {
                times(run)
            },
            metrics: metrics.iter().map(|one| (&*one.name, one)).collect(),
            places: names.zip(0..).collect(),
            reader,
            run,
            records,
        })
    }

    fn instances(&self) -> Result<Vec<Instance>, Error> {
        let stages = self.run.stages.iter();
        stages.map(|stage| self.instance(stage)).collect()
    }

    fn instance(&self, stage: &RecordedStage) -> Result<Instance, Error> {
        let planned = &stage.planned;
        let end = stage.end.as_ref();
        let record = self.records.get(&planned.key);
        let fingerprint = record.map(|record| &record.fingerprint);
        let fingerprint = fingerprint.or_else(|| self.fingerprints.get(&planned.key));
        let measured = self.metrics.get(&*planned.name);
        let (started, finished) = self.times(stage, record);
        let outputs = record.map_or_else(|| Ok(Vec::new()), |record| self.outputs(record))?;
        let ports = measured.map_or(&[][..], |measured| &measured.ports);
        let params = match (fingerprint, measured) {
            (Some(known), _) => flattened(&known.params),
            (None, Some(measured)) => measured.params.clone(),
            (None, None) => BTreeMap::new(),
        };
        let inputs = planned.inputs.iter().filter_map(|input| {
            Some(Input {
                role: input.role.clone(),
                maker: *self.places.get(&*input.from)?,
                port: input.port.clone(),
            })
        });
        Ok(Instance {
            name: planned.name.clone(),
            stage: planned.stage.clone(),
            kind: fingerprint.map_or_else(|| planned.kind.clone(), |known| known.kind.clone()),
            axes: planned.axes.clone(),
            key: planned.key,
            outcome: end.map(|end| end.outcome),
            status: stage.status(self.run.report.state),
            error: end.and_then(|end| end.error.clone()),
            warnings: end.map_or_else(Vec::new, |end| end.warnings.clone()),
            fingerprint: fingerprint.cloned(),
            made_by: record.map(|record| record.runner.clone()),
            started,
            finished,
            params,
            inputs: inputs.collect(),
            curves: self.curves(&outputs)?,
            outputs,
            metrics: metrics(ports),
            headline: headline(ports),
            is_result: ports.iter().any(|port| !port.is_secondary),
        })
    }

    /// Times of the execution that made the result. Without a result, those of the run.
    fn times(&self, stage: &RecordedStage, record: Option<&ActionRecord>) -> Times {
        let Some(record) = record else {
            let times = self.times.get(&stage.planned.name);
            return times.copied().unwrap_or_default();
        };
        let finished: Option<Timestamp> = record.finished.parse().ok();
        let took = SignedDuration::try_from_secs_f64(record.seconds);
        let started = finished.zip(took.ok());
        let started = started.and_then(|(end, took)| end.checked_sub(took).ok());
        (started, finished)
    }

    fn outputs(&self, record: &ActionRecord) -> Result<Vec<Output>, Error> {
        let ports = self.reader.ports(&record.fingerprint);
        let order = |port: &str| ports.iter().position(|known| known.name == port);
        let outputs = record.outputs.iter().map(|(port, digest)| {
            Ok(Output {
                port: port.clone(),
                artifact: order(port).map(|at| ports[at].yields),
                tree: self.reader.store.results().get(digest)?,
            })
        });
        let mut outputs = outputs.collect::<Result<Vec<_>, Error>>()?;
        outputs.sort_by_key(|output| order(&output.port).unwrap_or(usize::MAX));
        Ok(outputs)
    }

    /// The history of a training. If several ports have one, their names tell the curves apart.
    fn curves(&self, outputs: &[Output]) -> Result<Vec<Curve>, Error> {
        let mut curves = Vec::new();
        for output in outputs {
            let names = self.reader.analysis.history_files().iter();
            let is_there = |name: &&&str| output.tree.files.contains_key(**name);
            let Some(name) = names.copied().find(|name| is_there(&name)) else {
                continue;
            };
            let content = read_file(self.reader, output, name)?;
            let history = match self.reader.analysis.read_history(name, &content) {
                Ok(history) => history,
                // A program may write a file of this name with any content.
                Err(error) => {
                    tracing::warn!("`{name}` on port `{}`: {error}", output.port);
                    continue;
                }
            };
            let is_first = curves.is_empty();
            for (column, values) in history.columns {
                let points = history.epochs.iter().copied().zip(values);
                let points: Vec<(u64, f64)> = points.filter(|(_, v)| v.is_finite()).collect();
                let name = match is_first {
                    true => column,
                    false => format!("{}.{column}", output.port),
                };
                if !points.is_empty() {
                    curves.push(Curve { name, points });
                }
            }
        }
        Ok(curves)
    }
}

/// Start and end of the stages that were executed in a run, from its events.
fn times(run: &Recorded) -> HashMap<String, Times> {
    let mut found: HashMap<String, Times> = HashMap::new();
    let read = replay_events(&run.folder, ProgressDetail::Last, |read| {
        match &read.event {
            Event::StageStarted { stage, .. } => {
                let times = found.entry(stage.clone()).or_default();
                times.0 = times.0.or(Some(read.time));
            }
            Event::StageEnded { stage } => {
                let times = found.entry(stage.name.clone()).or_default();
                times.1 = times.0.is_some().then_some(read.time);
            }
            _ => {}
        }
    });
    if let Err(error) = read {
        tracing::warn!("{error}");
    }
    found
}

/// The metrics of all ports: `f1`, and `history.loss` on another port than the first.
fn metrics(ports: &[PortMetrics]) -> BTreeMap<String, Metric> {
    let all = ports.iter().enumerate().flat_map(|(at, port)| {
        let metrics = port.metrics.iter();
        metrics.map(move |(name, metric)| (name_of(at, port, name), metric.clone()))
    });
    all.filter(|(_, metric)| metric.value.is_finite()).collect()
}

fn headline(ports: &[PortMetrics]) -> Vec<String> {
    let all = ports.iter().enumerate();
    all.flat_map(|(at, port)| {
        port.headline
            .iter()
            .map(move |name| name_of(at, port, name))
    })
    .collect()
}

fn name_of(at: usize, port: &PortMetrics, name: &str) -> String {
    match at {
        0 => name.to_owned(),
        _ => format!("{}.{name}", port.port),
    }
}

impl Output {
    /// Paths of its files by name.
    pub fn paths(&self, reader: Reader<'_>) -> BTreeMap<String, PathBuf> {
        reader.store.files_of(&self.tree)
    }

    /// `true` if it is a model or a generator.
    pub fn is_model(&self) -> bool {
        matches!(
            self.artifact,
            Some(ArtifactType::Model | ArtifactType::Generator)
        )
    }

    /// `true` if an export includes its files: those of datasets never, those of models if they are requested.
    pub fn is_included(&self, with_models: bool) -> bool {
        match self.artifact {
            Some(ArtifactType::Dataset) => false,
            Some(ArtifactType::Model | ArtifactType::Generator) => with_models,
            Some(ArtifactType::Metrics | ArtifactType::Figure | ArtifactType::Files) | None => true,
        }
    }
}
