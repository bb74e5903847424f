//! Computes the differences between two runs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use engine::plan::{self, MissReason};
use engine::run::metrics;
use engine::run::recorded::{Recorded, RecordedStage};
use engine::run::run_metrics::PortMetrics;
use engine::spec::suggest::distinct;
use serde::Serialize;
use store::keys::InputId;
use store::keys::Key;
use store::{ActionRecord, Lookup, Store};

use super::cause::{Cause, Causes};
use super::metric::{MetricPair, paired};
use super::run_pair::{RecordedMetrics, RunPair, maker};
use crate::cli::pipeline::catalogue;
use crate::cli::record_text::each_option;

/// The differences between two runs, `a` and `b`.
pub(super) struct RunDiff {
    /// Differences in how the runs were started.
    pub settings: Vec<Difference>,
    /// Differences in parameters, inputs and so on of stages, without the consequences of other differences.
    pub changes: Vec<Cause>,
    /// All stages of both runs, in the order of `b`, then those that only `a` has.
    pub stages: Vec<StagePair>,
}

/// A property with different values in the two runs.
#[derive(Serialize)]
pub(super) struct Difference {
    pub what: &'static str,
    pub a: String,
    pub b: String,
    /// The parts of each value that the other does not have.
    #[serde(skip)]
    pub unique: [String; 2],
}

/// A stage instance that is in one of the runs or in both.
#[derive(Serialize)]
pub(super) struct StagePair {
    pub name: String,
    pub change: Change,
    /// The reason why the keys differ, in a few words.
    pub reason: Option<String>,
    pub a: Option<Side>,
    pub b: Option<Side>,
    pub metrics: Vec<MetricPair>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Change {
    Same,
    Changed,
    OnlyInA,
    OnlyInB,
}

/// A stage in one of the runs.
#[derive(Serialize)]
pub(super) struct Side {
    pub key: Key,
    pub outcome: String,
    /// `None` if it was not executed.
    pub seconds: Option<f64>,
}

impl RunDiff {
    pub(super) fn of(store: &Store, a: &Recorded, b: &Recorded) -> Self {
        let runs = RunPair::new(store, a, b);
        let in_b: BTreeSet<&str> = b.stages.iter().map(|s| s.planned.name.as_str()).collect();
        let of_a: HashMap<&str, &RecordedStage> = by_name(&a.stages);
        let mut pairs: Vec<(Option<&RecordedStage>, Option<&RecordedStage>)> = b
            .stages
            .iter()
            .map(|stage| (of_a.get(stage.planned.name.as_str()).copied(), Some(stage)))
            .collect();
        let alone = a.stages.iter();
        let alone = alone.filter(|stage| !in_b.contains(stage.planned.name.as_str()));
        pairs.extend(alone.map(|stage| (Some(stage), None)));
        let mut causes = Causes::default();
        let stages = pairs
            .into_iter()
            .map(|(a, b)| runs.pair(a, b, &mut causes))
            .collect();
        Self {
            settings: settings(a, b),
            changes: causes.found,
            stages,
        }
    }
}

fn by_name(stages: &[RecordedStage]) -> HashMap<&str, &RecordedStage> {
    let stages = stages.iter();
    stages
        .map(|stage| (stage.planned.name.as_str(), stage))
        .collect()
}

fn settings(a: &Recorded, b: &Recorded) -> Vec<Difference> {
    let settings_of = |run: &Recorded| {
        let report = &run.report;
        [
            ("pipeline", vec![report.pipeline.clone()]),
            ("file", vec![report.file.clone()]),
            ("options", each_option(report)),
            ("runner", vec![report.runner.clone()]),
        ]
    };
    let both = settings_of(a).into_iter().zip(settings_of(b));
    both.filter(|((_, a), (_, b))| a != b)
        .map(|((what, a), (_, b))| {
            let only_in = |of: &[String], other: &[String]| {
                let parts = of.iter().filter(|part| !other.contains(part));
                parts.cloned().collect::<Vec<_>>().join(" ")
            };
            let mut parts = [only_in(&a, &b), only_in(&b, &a)];
            if parts.iter().all(String::is_empty) {
                // The parts are the same but in another order, which matters because the last one wins.
                parts = [a.join(" "), b.join(" ")];
            }
            Difference {
                what,
                a: a.join(" "),
                b: b.join(" "),
                unique: parts,
            }
        })
        .collect()
}

impl RunPair<'_> {
    fn pair(
        &self,
        a: Option<&RecordedStage>,
        b: Option<&RecordedStage>,
        causes: &mut Causes,
    ) -> StagePair {
        let change = match (a, b) {
            (Some(a), Some(b)) if a.planned.key == b.planned.key => Change::Same,
            (Some(_), Some(_)) => Change::Changed,
            (Some(_), None) => Change::OnlyInA,
            (None, _) => Change::OnlyInB,
        };
        let [of_a, of_b] = [a, b].map(|stage| self.record(stage?));
        let reason = match change {
            Change::Changed => Some(self.reason(of_a.as_ref(), of_b.as_ref())),
            _ => None,
        };
        if let (Change::Changed, Some(was), Some(is), Some(stage)) = (change, &of_a, &of_b, b) {
            let (was, is) = (&was.fingerprint, &is.fingerprint);
            for cause in Cause::of(self, was, is) {
                causes.add(&stage.planned.name, cause);
            }
        }
        let name = b.or(a).map(|stage| stage.planned.name.clone());
        StagePair {
            name: name.unwrap_or_default(),
            change,
            reason,
            a: a.map(|stage| side(stage, self.a)),
            b: b.map(|stage| side(stage, self.b)),
            metrics: paired(
                &self.metrics(a, of_a.as_ref(), &self.recorded_a),
                &self.metrics(b, of_b.as_ref(), &self.recorded_b),
            ),
        }
    }

    fn record(&self, stage: &RecordedStage) -> Option<ActionRecord> {
        let found = self.store.results().look_up(&[stage.planned.key]);
        match found.ok()?.pop()? {
            Lookup::Hit(record) => Some(*record),
            Lookup::Absent | Lookup::Damaged | Lookup::OutputMissing { .. } => None,
        }
    }

    /// The reason why the keys of two actions differ. Stages are named as in run `b`.
    fn reason(&self, a: Option<&ActionRecord>, b: Option<&ActionRecord>) -> String {
        let (Some(a), Some(b)) = (a, b) else {
            let which = match (a, b) {
                (None, None) => "either",
                (None, _) => "A",
                _ => "B",
            };
            return format!("not known: the store has no result of {which}");
        };
        let (was, is) = (&a.fingerprint, &b.fingerprint);
        match MissReason::between(self.store, was, is, &[]) {
            Some(MissReason::Changed {
                first: plan::Change::Input { role },
                ..
            }) => {
                let none = Vec::new();
                let inputs =
                    |map: &BTreeMap<String, Vec<InputId>>| map.get(&role).unwrap_or(&none).clone();
                let before: HashSet<InputId> = inputs(&was.inputs).into_iter().collect();
                let changed = inputs(&is.inputs);
                let changed = changed.iter().filter(|input| !before.contains(input));
                let names = changed.filter_map(|input| maker(&self.makers_b, input));
                match distinct(names).as_slice() {
                    [] => format!("input `{role}` changed"),
                    names => format!("input `{role}` changed: {}", names.join(", ")),
                }
            }
            Some(reason) => reason.to_string(),
            None => "no recorded difference".to_owned(),
        }
    }

    /// Metrics by port: those of the result or, if it was removed from the store, those in the record of the run.
    fn metrics(
        &self,
        stage: Option<&RecordedStage>,
        result: Option<&ActionRecord>,
        recorded: &RecordedMetrics<'_>,
    ) -> Vec<PortMetrics> {
        match (stage, result) {
            (_, Some(result)) => self.measured(result),
            (Some(stage), None) => recorded.of(&stage.planned.name),
            (None, None) => Vec::new(),
        }
    }

    /// Reads the metrics of a result. Logs a warning for those that cannot be read.
    fn measured(&self, record: &ActionRecord) -> Vec<PortMetrics> {
        let mut found = Vec::new();
        // Read only ports with metrics: other outputs may contain a file with the same name as the metrics file.
        for port in plan::metrics_ports(&catalogue(), &record.fingerprint) {
            let Some(output) = record.outputs.get(&port) else {
                continue;
            };
            match metrics::read(self.store, output) {
                Ok(Some(measured)) => found.push(PortMetrics {
                    port,
                    tested: metrics::tested_images(self.store, output),
                    metrics: measured,
                    ..PortMetrics::default()
                }),
                Ok(None) => {}
                Err(error) => tracing::warn!("failed to read the metrics of `{port}`: {error}"),
            }
        }
        found
    }
}

fn side(stage: &RecordedStage, run: &Recorded) -> Side {
    Side {
        key: stage.planned.key,
        outcome: stage.status(run.report.state),
        seconds: stage.end.as_ref().and_then(|end| end.seconds),
    }
}
