//! What a plan will take: time, memory, disk.
//!
//! From what was recorded where there is something alike, else from what a stage says of its own
//! [`Work`] and the rate at which such work went before. What neither tells stays unknown: nothing is
//! made up. `past` reads records back as stages, `ahead` says what a plan's stages get as inputs,
//! `schedule` plays the plan through.

mod ahead;
mod machine;
mod past;
pub mod preflight;
mod schedule;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

use contract::{Device, Work};
use petgraph::graph::NodeIndex;
use serde::Serialize;

use crate::graph::{Graph, Instance, Measured, Parse};
use crate::keys::Fingerprint;
use crate::plan::{Plan, PlannedAction, action_key};
use crate::scheduler::Room;
use crate::store::{ActionRecord, Store};
pub use machine::Machine;
use past::Past;

/// Shortest time that tells how many cores a stage keeps busy.
const MEASURABLE_SECONDS: f64 = 1.0;
/// Least peak memory, in bytes, that tells of a program what it needs: the system counts what `runner` held when it
/// started the program.
const TELLING_BYTES: u64 = 128 << 20;
/// Bytes that a worker process holds besides what its stage says of its work.
const WORKER_BYTES: u64 = 64 << 20;
/// Bytes of a MiB.
const MIB: f64 = 1024.0 * 1024.0;

/// What is expected of the stages of a plan that are not cached, and of all of them together.
#[derive(Debug, Default)]
pub struct Forecast {
    pub stages: BTreeMap<NodeIndex, Estimate>,
    pub totals: Totals,
}

/// What one stage will take, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Wall-clock time.
    pub seconds: Option<f64>,
    /// Processor time over all threads.
    pub cpu_seconds: Option<f64>,
    /// Peak memory in bytes.
    pub memory: Option<u64>,
    /// Bytes that its outputs add to the store.
    pub output_bytes: Option<u64>,
    /// What the times are taken from.
    pub basis: Option<Basis>,
    /// What the stage itself says.
    pub work: Work,
    /// Whether an earlier record is of the very same work: its outputs may well be in the store.
    pub is_repeated: bool,
}

impl Forecast {
    /// Resources that the stages which are not cached take, as far as earlier runs tell.
    pub fn measured(&self, graph: &Graph) -> HashMap<NodeIndex, Measured> {
        let stages = self.stages.iter();
        stages
            .map(|(&node, estimate)| (node, estimate.measured(&graph.stages[node])))
            .collect()
    }
}

impl Estimate {
    /// Resources that an instance takes as far as earlier runs tell. A GPU's memory is not the machine's.
    pub fn measured(&self, instance: &Instance) -> Measured {
        let busy = self.cpu_seconds.zip(self.seconds);
        let busy = busy.filter(|&(_, seconds)| seconds >= MEASURABLE_SECONDS);
        Measured {
            cpus: busy.map(|(cpu_seconds, seconds)| (cpu_seconds / seconds).round() as usize),
            memory: self.memory.filter(|_| instance.device == Device::Cpu),
        }
    }
}

/// Where an estimate of time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The stage's own last record.
    Record,
    /// The record of another stage with the same parameters, but perhaps for `epochs`.
    LikeRecord,
    /// The amount of work, and the rate at which the store's records say that such work goes.
    Rate,
    /// An equal stage of the plan comes first, and makes it.
    Equal,
}

/// What all stages that are not cached will take together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// From start to end, stages side by side as slots allow; of the known ones.
    pub seconds: Option<f64>,
    pub cpu_seconds: Option<f64>,
    /// The largest sum of memory, in bytes, that stages need which may run at once.
    pub memory_bytes: Option<u64>,
    pub output_bytes: Option<u64>,
    /// Stages whose time is known.
    pub known: usize,
    /// Stages that are not cached.
    pub stages: usize,
}

/// Which records an estimate may be taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A stage's own last one: quick, and enough for memory and disk.
    Own,
    /// All of the store.
    All,
}

/// Says what the stages of `plan` that are not cached will take with `room` to run in.
pub fn forecast(
    graph: &Graph,
    plan: &Plan,
    store: &Store,
    parse: Parse,
    room: &Room,
    reach: Reach,
) -> Forecast {
    let past = Past::new(store, parse, reach);
    let mut works = ahead::works(graph, plan, store);
    let mut stages = BTreeMap::new();
    let mut seen = HashSet::new();
    for action in plan.misses() {
        let estimate = if seen.insert(action.action_key) {
            let instance = &graph.stages[action.node];
            let work = works.remove(&action.node).unwrap_or_default();
            let name = instance.name.to_string();
            let last = store.last_fingerprint(&graph.pipeline, &name);
            let cpus = instance.threads().clamp(1, room.cpus.max(1));
            let mut estimate = estimate(&past, action, work, last.as_ref(), cpus);
            if instance.stage.external().is_some() {
                estimate.memory = estimate.memory.filter(|&bytes| bytes >= TELLING_BYTES);
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
    let totals = totals(graph, plan, &stages, room);
    Forecast { stages, totals }
}

/// The totals of those of the plan's misses that `stages` has.
pub fn totals(
    graph: &Graph,
    plan: &Plan,
    stages: &BTreeMap<NodeIndex, Estimate>,
    room: &Room,
) -> Totals {
    let sum = |of: fn(&Estimate) -> Option<f64>| {
        let known: Vec<f64> = stages.values().filter_map(of).collect();
        (!known.is_empty()).then(|| known.iter().sum())
    };
    let known = stages.values().filter(|e| e.seconds.is_some()).count();
    let entries = schedule::Entries::of(graph, plan, stages, room);
    Totals {
        seconds: (known > 0).then(|| entries.seconds(room)),
        cpu_seconds: sum(|estimate| estimate.cpu_seconds),
        memory_bytes: entries.memory_at_once(room),
        output_bytes: sum(|e| e.output_bytes.map(|bytes| bytes as f64)).map(|bytes| bytes as u64),
        known,
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
        .or_else(|| Some((Basis::LikeRecord, past.like(now)?)));
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
        // One that went on from a checkpoint took the rest of the time only.
        if record.resumed.is_none() {
            let grown = growth(record, &then, now, &work);
            estimate.seconds = Some(record.seconds * grown);
            estimate.cpu_seconds = Some(record.cpu_seconds * grown);
            estimate.basis = Some(*basis);
        }
    }
    if estimate.basis.is_none()
        && let Some(amount) = work.amount
        && let Some(rate) = past.rate(amount.rate)
    {
        let cpu_seconds = amount.count / rate;
        estimate.cpu_seconds = Some(cpu_seconds);
        estimate.seconds = Some(cpu_seconds / cpus as f64);
        estimate.basis = Some(Basis::Rate);
    }
    Estimate { work, ..estimate }
}

/// How many times as long as `record`, whose work was `then`, the work `now` takes.
fn growth(record: &ActionRecord, then: &Work, fingerprint: &Fingerprint, now: &Work) -> f64 {
    if let (Some(then), Some(now)) = (then.amount, now.amount)
        && then.rate == now.rate
        && then.count > 0.0
    {
        return now.count / then.count;
    }
    let epochs = |fingerprint: &Fingerprint| fingerprint.params.get("epochs")?.as_u64();
    ratio(epochs(&record.fingerprint), epochs(fingerprint)).unwrap_or(1.0)
}

/// The memory of a record, in bytes, with what the work now takes more, or less.
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
