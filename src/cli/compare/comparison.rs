//! What one run did otherwise than another.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use serde_json::{Value, json};
use stages::contract::{Direction, Metric, Metrics};

use crate::cli::metrics;
use crate::cli::runs::options;
use crate::plan::{self, Fingerprint, InputId, MissReason};
use crate::report::runs::{Recorded, RecordedStage};
use crate::store::{ActionRecord, Key, Lookup, Store};

/// Two runs, `a` and `b`, side by side.
#[derive(Serialize)]
pub struct Comparison {
    /// What differs in how they were asked for.
    pub asked: Vec<Difference>,
    /// What differs in what stages are made of, but for what only follows from it.
    pub changes: Vec<Changed>,
    /// All stages of both, in the order of `b`, then those of `a` alone.
    pub stages: Vec<StagePair>,
}

/// Something that has another value in the other run.
#[derive(Serialize)]
pub struct Difference {
    pub what: &'static str,
    pub a: String,
    pub b: String,
}

/// A difference that is the cause of others.
#[derive(Serialize)]
pub struct Changed {
    /// In a few words: `params.epochs 2 → 1`.
    pub what: String,
    /// Where it is a parameter, its path and its values in full; none where it is not there.
    pub param: Option<String>,
    pub a: Option<Value>,
    pub b: Option<Value>,
    /// The stages that differ in this.
    pub stages: Vec<String>,
}

/// A stage instance in both runs.
#[derive(Serialize)]
pub struct StagePair {
    pub name: String,
    pub change: Change,
    /// Why the keys differ, in a few words.
    pub reason: Option<String>,
    pub a: Option<Side>,
    pub b: Option<Side>,
    pub metrics: Vec<MetricPair>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    Same,
    Changed,
    OnlyInA,
    OnlyInB,
}

/// A stage in one of the runs.
#[derive(Serialize)]
pub struct Side {
    pub key: Key,
    pub outcome: String,
    /// None where it was not executed.
    pub seconds: Option<f64>,
}

/// A metric in both runs.
#[derive(Serialize)]
pub struct MetricPair {
    pub port: String,
    pub metric: String,
    pub a: Option<f64>,
    pub b: Option<f64>,
    /// 95 % intervals, where they were computed.
    pub a_interval: Option<[f64; 2]>,
    pub b_interval: Option<[f64; 2]>,
    /// `b - a`.
    pub difference: Option<f64>,
    pub direction: Direction,
    /// How `b` is to `a`.
    pub verdict: Option<Verdict>,
    /// Whether the intervals have nothing in common; none where there are not two.
    pub apart: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Better,
    Worse,
    Equal,
}

impl Comparison {
    pub fn of(store: &Store, a: &Recorded, b: &Recorded) -> Self {
        let looking = Looking { store, a, b };
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
            .map(|(a, b)| looking.pair(a, b, &mut causes))
            .collect();
        Self {
            asked: asked(a, b),
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

fn asked(a: &Recorded, b: &Recorded) -> Vec<Difference> {
    let said = |run: &Recorded| {
        let report = &run.report;
        [
            ("pipeline", report.pipeline.clone()),
            ("file", report.file.clone()),
            ("options", options(report)),
            ("runner", report.runner.clone()),
        ]
    };
    let both = said(a).into_iter().zip(said(b));
    both.filter(|((_, a), (_, b))| a != b)
        .map(|((what, a), (_, b))| Difference { what, a, b })
        .collect()
}

struct Looking<'a> {
    store: &'a Store,
    a: &'a Recorded,
    b: &'a Recorded,
}

impl Looking<'_> {
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
            for cause in self.causes(was, is) {
                causes.add(&stage.planned.name, cause);
            }
        }
        let measured = |record: &Option<ActionRecord>| match record {
            Some(record) => self.metrics(record),
            None => BTreeMap::new(),
        };
        let name = b.or(a).map(|stage| stage.planned.name.clone());
        StagePair {
            name: name.unwrap_or_default(),
            change,
            reason,
            a: a.map(|stage| side(stage, self.a)),
            b: b.map(|stage| side(stage, self.b)),
            metrics: paired(&measured(&of_a), &measured(&of_b)),
        }
    }

    fn record(&self, stage: &RecordedStage) -> Option<ActionRecord> {
        match self.store.examine(&stage.planned.key) {
            Ok(Lookup::Hit(record)) => Some(*record),
            _ => None,
        }
    }

    /// Why the keys of two actions differ. The names are those of `b`.
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
                let before = inputs(&was.inputs);
                let changed = inputs(&is.inputs);
                let changed = changed.iter().filter(|input| !before.contains(input));
                let names: Vec<String> = changed.filter_map(|input| maker(self.b, input)).collect();
                match names.as_slice() {
                    [] => format!("input `{role}` changed"),
                    names => format!("input `{role}` changed: {}", names.join(", ")),
                }
            }
            Some(reason) => reason.to_string(),
            None => "nothing that is recorded".to_owned(),
        }
    }

    /// In what two actions differ, without inputs that are made by the same stages as before: those
    /// stages differ, then, and say why.
    fn causes(&self, was: &Fingerprint, is: &Fingerprint) -> Vec<Changed> {
        let changes = plan::changes(self.store, was, is, &[]).into_iter();
        changes
            .filter_map(|change| {
                let mut what = change.to_string();
                let mut changed = Changed {
                    what: String::new(),
                    param: None,
                    a: None,
                    b: None,
                    stages: Vec::new(),
                };
                match change {
                    plan::Change::Param(param) => {
                        changed.param = Some(param.path);
                        (changed.a, changed.b) = (param.from, param.to);
                    }
                    plan::Change::Input { role } => {
                        let a = makers(self.a, was.inputs.get(&role));
                        let b = makers(self.b, is.inputs.get(&role));
                        if a == b {
                            return None;
                        }
                        let shown = |names: &[String]| match names {
                            [] => "none".to_owned(),
                            names => names.join(", "),
                        };
                        what = format!("input `{role}`: {} → {}", shown(&a), shown(&b));
                        (changed.a, changed.b) = (Some(json!(a)), Some(json!(b)));
                    }
                    _ => {}
                }
                changed.what = what;
                Some(changed)
            })
            .collect()
    }

    /// By port and name. What cannot be read is told in the log.
    fn metrics(&self, record: &ActionRecord) -> BTreeMap<String, Metrics> {
        let mut found = BTreeMap::new();
        for (port, output) in &record.outputs {
            match metrics::read(self.store, output) {
                Ok(Some(metrics)) => drop(found.insert(port.clone(), metrics)),
                Ok(None) => {}
                Err(error) => tracing::warn!("metrics of `{port}`: {error}"),
            }
        }
        found
    }
}

impl Verdict {
    fn of(difference: f64, direction: Direction) -> Self {
        let gain = match direction {
            Direction::Maximize => difference,
            Direction::Minimize => -difference,
        };
        match gain {
            0.0 => Self::Equal,
            _ if gain > 0.0 => Self::Better,
            _ => Self::Worse,
        }
    }
}

/// What makes an input, in the words of a run.
fn maker(run: &Recorded, input: &InputId) -> Option<String> {
    let InputId::Action { key, .. } = input else {
        return None;
    };
    let mut stages = run.stages.iter().map(|stage| &stage.planned);
    stages
        .find(|stage| stage.key == *key)
        .map(|stage| stage.name.clone())
}

/// What makes the inputs of a role, and through which ports.
fn makers(run: &Recorded, inputs: Option<&Vec<InputId>>) -> Vec<String> {
    let inputs = inputs.into_iter().flatten();
    inputs
        .map(|input| match input {
            InputId::Action { port, .. } => {
                let maker = maker(run, input);
                maker.map_or("unknown".to_owned(), |name| format!("{name}.{port}"))
            }
            InputId::Content { digest } => digest.short().to_string(),
        })
        .collect()
}

/// Causes, each with all stages that it is found in.
#[derive(Default)]
struct Causes {
    found: Vec<Changed>,
    /// Where each is, by what it says.
    positions: HashMap<String, usize>,
}

impl Causes {
    fn add(&mut self, stage: &str, cause: Changed) {
        // Long values are cut in words.
        let whole = json!([cause.what, cause.a, cause.b]).to_string();
        let position = *self.positions.entry(whole).or_insert(self.found.len());
        if position == self.found.len() {
            self.found.push(cause);
        }
        self.found[position].stages.push(stage.to_owned());
    }
}

fn side(stage: &RecordedStage, run: &Recorded) -> Side {
    Side {
        key: stage.planned.key,
        outcome: stage.word(run.report.state),
        seconds: stage.end.as_ref().and_then(|end| end.seconds),
    }
}

fn paired(a: &BTreeMap<String, Metrics>, b: &BTreeMap<String, Metrics>) -> Vec<MetricPair> {
    let names = |of: &BTreeMap<String, Metrics>| -> Vec<(String, String)> {
        let ports = of.iter();
        let names = ports.flat_map(|(port, metrics)| {
            metrics.keys().map(|metric| (port.clone(), metric.clone()))
        });
        names.collect()
    };
    let all: BTreeSet<_> = names(a).into_iter().chain(names(b)).collect();
    let pairs = all.into_iter().filter_map(|(port, metric)| {
        let of = |side: &BTreeMap<String, Metrics>| side.get(&port)?.get(&metric).cloned();
        let (a, b) = (of(a), of(b));
        let direction = b.as_ref().or(a.as_ref())?.direction;
        let interval = |metric: &Option<Metric>| metric.as_ref().and_then(|m| m.interval);
        let (a_interval, b_interval) = (interval(&a), interval(&b));
        let (a, b) = (a.map(|metric| metric.value), b.map(|metric| metric.value));
        let difference = a.zip(b).map(|(a, b)| b - a);
        let both = a_interval.zip(b_interval);
        Some(MetricPair {
            difference,
            direction,
            verdict: difference.map(|difference| Verdict::of(difference, direction)),
            apart: both.map(|(a, b)| a[1] < b[0] || b[1] < a[0]),
            port,
            metric,
            a,
            b,
            a_interval,
            b_interval,
        })
    });
    pairs.collect()
}
