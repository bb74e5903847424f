//! Estimates the time, memory and disk space that a plan will take.
//!
//! Estimates come from the record of a similar stage, or else from the [`Work`] that a stage declares and the
//! measured rate of such work. What neither provides stays unknown. `past` rebuilds stages from records,
//! `expected` predicts the inputs of a plan's stages, and `schedule` simulates the plan.

mod expected;
mod machine;
mod past;
pub mod preflight;
mod resuming;
mod schedule;
mod store_folder;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

use contract::{Device, Work};
use petgraph::graph::NodeIndex;
use serde::Serialize;

use crate::graph::{Demand, Graph, Instance, ParseStage};
use crate::plan::{Plan, PlannedAction, action_key};
use crate::scheduler::Capacity;
pub use machine::Machine;
pub(crate) use machine::processor_model;
use past::Past;
pub use resuming::{ResumePoint, resume_points};
use store::keys::Fingerprint;
use store::{ActionRecord, Store};
pub use store_folder::StoreFolder;

/// Shortest time, in seconds, from which the number of busy cores can be measured.
const MEASURABLE_SECONDS: f64 = 1.0;
/// Smallest peak memory, in bytes, that counts as a measurement of a program: the system also counts what
/// `runner` held when it started the program.
const MEASURABLE_BYTES: u64 = 128 << 20;
/// Bytes that a worker process holds in addition to the memory that its stage declares.
const WORKER_BYTES: u64 = 64 << 20;
const MIB: f64 = 1024.0 * 1024.0;

/// Estimates for the stages of a plan that are not cached, and their totals.
#[derive(Debug, Default)]
pub struct Forecast {
    pub stages: BTreeMap<NodeIndex, Estimate>,
    pub totals: Totals,
}

/// Estimated time, memory and disk space of one stage, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Wall-clock time in seconds.
    pub seconds: Option<f64>,
    /// Processor time of all threads in seconds.
    pub cpu_seconds: Option<f64>,
    /// Peak memory in bytes.
    pub memory: Option<u64>,
    /// Bytes that its outputs add to the store.
    pub output_bytes: Option<u64>,
    /// Source of the times.
    pub basis: Option<Basis>,
    /// The work that the stage declares.
    pub work: Work,
    /// `true` if a record of exactly this work exists, so that its outputs may be in the store already.
    pub is_repeated: bool,
}

impl Forecast {
    /// Returns the expected wall times of the stages, in seconds, as far as they are known.
    pub fn seconds(&self) -> HashMap<NodeIndex, f64> {
        let stages = self.stages.iter();
        stages
            .filter_map(|(&node, estimate)| Some((node, estimate.seconds?)))
            .collect()
    }

    /// Takes off the time that stages save because they resume from checkpoints.
    pub fn resume(
        &mut self,
        points: &BTreeMap<NodeIndex, ResumePoint>,
        graph: &Graph,
        plan: &Plan,
        capacity: &Capacity,
    ) {
        for (node, point) in points {
            if let Some(estimate) = self.stages.get_mut(node) {
                let left = |time: f64| time * point.share_left();
                estimate.seconds = estimate.seconds.map(left);
                estimate.cpu_seconds = estimate.cpu_seconds.map(left);
            }
        }
        self.totals = totals(graph, plan, &self.stages, capacity);
    }

    /// Returns the resources that the stages take, for scheduling; see [`Estimate::demand`].
    pub fn demands(&self, graph: &Graph) -> HashMap<NodeIndex, Demand> {
        let stages = self.stages.iter();
        stages
            .map(|(&node, estimate)| (node, estimate.demand(&graph.stages[node])))
            .collect()
    }
}

impl Estimate {
    /// Returns the resources that an instance takes, for scheduling: the number of cores that it is estimated to keep
    /// busy, and the estimated memory. For a stage on a GPU, the memory is unknown, because a GPU's memory is not the
    /// machine's.
    pub fn demand(&self, instance: &Instance) -> Demand {
        let busy = self.cpu_seconds.zip(self.seconds);
        let busy = busy.filter(|&(_, seconds)| seconds >= MEASURABLE_SECONDS);
        Demand {
            cpus: busy.map(|(cpu_seconds, seconds)| (cpu_seconds / seconds).round() as usize),
            memory: self.memory.filter(|_| instance.device == Device::Cpu),
        }
    }
}

/// Source of an estimate of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The stage's own last record.
    Record,
    /// The record of another stage with the same parameters, except perhaps `epochs`.
    LikeRecord,
    /// The amount of work, and the rate of such work in the store's records.
    Rate,
    /// An equal stage that is earlier in the plan makes the result.
    Equal,
}

/// Totals of all stages that are not cached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Wall-clock time in seconds from start to end, with stages in parallel as slots allow. Stages of
    /// unknown time count as 0.
    pub seconds: Option<f64>,
    pub cpu_seconds: Option<f64>,
    /// Largest sum of memory, in bytes, of stages that may run at the same time.
    pub memory_bytes: Option<u64>,
    pub output_bytes: Option<u64>,
    /// Number of stages whose time is known.
    pub known: usize,
    /// Number of stages whose memory is known.
    pub known_memory: usize,
    /// Number of stages whose disk space is known.
    pub known_output: usize,
    /// Number of stages that are not cached.
    pub stages: usize,
}

/// The records that an estimate may be taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordScope {
    /// A stage's own last record. This is quick, and enough for memory and disk space.
    Own,
    /// All records of the store.
    All,
}

/// Estimates what the stages of `plan` that are not cached will take in a run with `capacity`.
pub fn forecast(
    graph: &Graph,
    plan: &Plan,
    store: &Store,
    parse: ParseStage,
    capacity: &Capacity,
    scope: RecordScope,
) -> Forecast {
    let past = Past::new(store, parse, scope);
    let mut works = expected::works(graph, plan, store);
    let mut stages = BTreeMap::new();
    let mut seen = HashSet::new();
    for action in plan.misses() {
        let estimate = if seen.insert(action.action_key) {
            let instance = &graph.stages[action.node];
            let work = works.remove(&action.node).unwrap_or_default();
            let name = instance.name.to_string();
            let last = store.last_fingerprint(&graph.pipeline, &name);
            let cpus = instance.threads().clamp(1, capacity.cpus.max(1));
            let mut estimate = estimate(&past, action, work, last.as_ref(), cpus);
            if instance.stage.external().is_some() {
                estimate.memory = estimate.memory.filter(|&bytes| bytes >= MEASURABLE_BYTES);
            }
            estimate
        } else {
            Estimate {
                seconds: Some(0.0),
                cpu_seconds: Some(0.0),
                basis: Some(Basis::Equal),
                ..Estimate::default()
            }
        };
        stages.insert(action.node, estimate);
    }
    let totals = totals(graph, plan, &stages, capacity);
    Forecast { stages, totals }
}

/// Returns the totals of the plan's misses that are in `stages`.
pub fn totals(
    graph: &Graph,
    plan: &Plan,
    stages: &BTreeMap<NodeIndex, Estimate>,
    capacity: &Capacity,
) -> Totals {
    let sum = |of: fn(&Estimate) -> Option<f64>| {
        let known: Vec<f64> = stages.values().filter_map(of).collect();
        (!known.is_empty()).then(|| known.iter().sum())
    };
    let known = stages.values().filter(|e| e.seconds.is_some()).count();
    let entries = schedule::Schedule::of(graph, plan, stages, capacity);
    Totals {
        seconds: (known > 0).then(|| entries.seconds(capacity)),
        cpu_seconds: sum(|estimate| estimate.cpu_seconds),
        memory_bytes: entries.memory_at_once(capacity),
        output_bytes: sum(|e| e.output_bytes.map(|bytes| bytes as f64)).map(|bytes| bytes as u64),
        known,
        known_memory: stages.values().filter(|e| e.memory.is_some()).count(),
        known_output: stages.values().filter(|e| e.output_bytes.is_some()).count(),
        stages: stages.len(),
    }
}

fn estimate(
    past: &Past<'_>,
    action: &PlannedAction,
    work: Work,
    last: Option<&Fingerprint>,
    cpus: usize,
) -> Estimate {
    let now = &action.fingerprint;
    let own = last
        .filter(|last| last.kind == now.kind)
        .and_then(|last| past.record(&action_key(last)));
    let found = own
        .map(|record| (Basis::Record, record))
        .or_else(|| Some((Basis::LikeRecord, past.similar(now)?)));
    let mut estimate = Estimate {
        memory: work.memory.map(|memory| memory.likely + WORKER_BYTES),
        output_bytes: work.output_bytes,
        ..Estimate::default()
    };
    if let Some((basis, record)) = &found {
        let then = past.work(record);
        estimate.is_repeated = record.fingerprint == *now;
        estimate.memory = Some(memory(record, &then, &work));
        estimate.output_bytes = past.output_bytes(record).map(|bytes| {
            let grown = ratio(then.output_bytes, work.output_bytes).unwrap_or(1.0);
            (bytes as f64 * grown) as u64
        });
        // The times of a stage that continued from a checkpoint cover only the rest of its work.
        if record.resumed.is_none() {
            let grown = growth(record, &then, now, &work);
            estimate.seconds = Some(record.seconds * grown);
            estimate.cpu_seconds = Some(record.cpu_seconds * grown);
            estimate.basis = Some(*basis);
        }
    }
    if estimate.basis.is_none()
        && let Some(amount) = work.amount
        && let Some(rate) = past.rate(amount.unit)
    {
        let cpu_seconds = amount.count / rate;
        estimate.cpu_seconds = Some(cpu_seconds);
        estimate.seconds = Some(cpu_seconds / cpus as f64);
        estimate.basis = Some(Basis::Rate);
    }
    Estimate { work, ..estimate }
}

/// Returns the ratio of the time for the work `now` to the time of `record`, whose work was `then`.
fn growth(record: &ActionRecord, then: &Work, fingerprint: &Fingerprint, now: &Work) -> f64 {
    if let (Some(then), Some(now)) = (then.amount, now.amount)
        && then.unit == now.unit
        && then.count > 0.0
    {
        return now.count / then.count;
    }
    let epochs = |fingerprint: &Fingerprint| fingerprint.params.get("epochs")?.as_u64();
    ratio(epochs(&record.fingerprint), epochs(fingerprint)).unwrap_or(1.0)
}

/// Returns the memory of a record, in bytes, adjusted by the difference between the work then and now.
fn memory(record: &ActionRecord, then: &Work, now: &Work) -> u64 {
    let peak = (record.peak_memory_mib * MIB) as u64;
    match (then.memory, now.memory) {
        (Some(then), Some(now)) => (peak + now.likely)
            .saturating_sub(then.likely)
            .max(now.least),
        _ => peak,
    }
}

fn ratio(from: Option<u64>, to: Option<u64>) -> Option<f64> {
    let (from, to) = (from.filter(|&from| from > 0)?, to?);
    Some(to as f64 / from as f64)
}
