//! Reads the instances of a run.

use std::collections::{BTreeMap, HashMap, HashSet};

use contract::Metric;
use engine::error::Error;
use engine::event::Event;
use engine::run::fingerprints;
use engine::run::follow::{ProgressDetail, replay_events};
use engine::run::recorded::{Recorded, RecordedStage};
use engine::run::run_metrics::{InstanceMetrics, PortMetrics};
use jiff::{SignedDuration, Timestamp};
use pages::Reader;
use store::keys::{Fingerprint, Key};
use store::{ActionRecord, Lookup};

use super::{Curve, Input, Instance, Output, read_file};
use crate::params::flattened;

/// Start and end of a stage in a run.
type Times = (Option<Timestamp>, Option<Timestamp>);

/// Everything that instances are read from.
pub(super) struct Source<'a> {
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
    pub(super) fn new(
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

    pub(super) fn instances(&self) -> Result<Vec<Instance>, Error> {
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
            trials: Vec::new(),
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
