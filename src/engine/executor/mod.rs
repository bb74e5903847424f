//! Brings the actions of a plan to their end: from the store where it can, else in worker processes.

mod built_in;
mod commits;
mod external;
mod inputs;
mod interrupt;
mod keeper;
mod leftovers;
mod local;
mod logs;
mod make;
mod memory;
mod own_binary;
mod process;
mod program;
mod remains;
mod usage;
mod verify;
mod versions;
pub mod warden;
mod watch;
mod watched;
pub mod worker;
mod workers;

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;

use petgraph::graph::NodeIndex;
use rayon::prelude::*;

use crate::event::{Event, Reporter, StageReport};
use crate::graph::{Graph, Limits, Measured};
use crate::plan::{Plan, PlannedAction, State};
use crate::scheduler::{self, Entry, OnFailure, Outcome, Queue, Room, Slots};
use crate::store::{ActionRecord, Store, component};

pub use interrupt::Interrupt;
pub use local::Outputs;
pub use own_binary::own_binary;
pub use process::VISIBLE_GPUS;
pub use remains::remains_folder;
pub use usage::{Usage, peak_memory_mib};
pub use verify::damaged_artifacts;
pub use versions::ask_versions;
pub use workers::Workers;

use commits::Pending;
use local::{Local, Miss};
use logs::Logs;

/// Views of outputs that are worth a thread of their own.
const VIEWS: usize = 16;

/// How to execute a plan.
pub struct Options<'a> {
    /// Room for running stages.
    pub room: Room,
    pub on_failure: OnFailure,
    /// The run's folder.
    pub folder: &'a Path,
    /// What holds for every stage that has no limits of its own.
    pub limits: Limits,
    /// Whether to go on from checkpoints.
    pub resume: bool,
    /// Resources that stages took in earlier runs.
    pub measured: HashMap<NodeIndex, Measured>,
    /// Stages that fail where they would have to be run, and why.
    pub refused: HashMap<NodeIndex, String>,
}

/// What came of a plan.
pub struct Execution {
    /// One for each of the plan's actions, in its order.
    pub stages: Vec<StageReport>,
    /// Of every stage that has outputs now.
    pub outputs: HashMap<NodeIndex, Outputs>,
}

/// Executes what `plan` has not found in the store.
///
/// # Errors
/// If the system refuses the thread that records results.
pub fn execute(
    graph: &Graph,
    plan: &Plan,
    store: &Store,
    workers: &Workers,
    reporter: &Reporter,
    options: &Options<'_>,
) -> io::Result<Execution> {
    let misses: Vec<&PlannedAction> = plan.misses().collect();
    let (misses, entries) = schedule(graph, &misses, options);
    let (commits, made) = channel();
    let local = Local {
        graph,
        plan,
        store,
        workers,
        reporter,
        folder: options.folder.to_owned(),
        limits: options.limits,
        resume: options.resume,
        refused: &options.refused,
        misses,
        outputs: Mutex::default(),
        reports: Mutex::default(),
        logs: Logs::new(options.folder),
        commits,
        pending: Pending::default(),
    };
    let mut cached = local.show_cached();
    let queue = Queue::new(entries, &options.room, options.on_failure);
    let outcomes = thread::scope(|scope| {
        let local = &local;
        thread::Builder::new().spawn_scoped(scope, move || local.commit_all(&made))?;
        let run = || scheduler::run(queue, local, workers.stopping());
        let outcomes = catch_unwind(AssertUnwindSafe(run));
        // The other end lives until it has heard this, which it must.
        let _ = local.commits.send(None);
        Ok::<_, io::Error>(outcomes.unwrap_or_else(|panic| resume_unwind(panic)))
    })?;
    if let Some(left) = workers.end_leftovers().wording() {
        tracing::warn!("the programs of this run {left}");
    }

    let mut reports = local
        .reports
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    for (index, (miss, outcome)) in local.misses.iter().zip(outcomes).enumerate() {
        let report = reports.remove(&index).unwrap_or_else(|| {
            let name = graph.stages[miss.action.node].name.to_string();
            let report = StageReport::not_executed(&name, outcome, &miss.action.action_key);
            reporter.send(&Event::StageEnded {
                stage: report.clone(),
            });
            report
        });
        cached.insert(miss.action.node, report);
    }
    Ok(Execution {
        stages: plan
            .actions
            .iter()
            .filter_map(|action| cached.remove(&action.node))
            .collect(),
        outputs: local
            .outputs
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner),
    })
}

impl Local<'_> {
    /// Reports what needs no execution, and takes its outputs as known.
    fn show_cached(&self) -> HashMap<NodeIndex, StageReport> {
        let cached: Vec<(&PlannedAction, &ActionRecord)> = self
            .plan
            .actions
            .iter()
            .filter_map(|action| match &action.state {
                State::Cached(record) => Some((action, &**record)),
                _ => None,
            })
            .collect();
        cached
            .par_iter()
            .with_min_len(VIEWS)
            .for_each(|(action, record)| self.keep_view(action, &record.outputs));
        let mut reports = HashMap::new();
        for (action, record) in cached {
            let name = self.graph.stages[action.node].name.to_string();
            let report = StageReport {
                warnings: record.warnings.clone(),
                ..StageReport::not_executed(&name, Outcome::Cached, &action.action_key)
            };
            self.reporter.send(&Event::StageEnded {
                stage: report.clone(),
            });
            reports.insert(action.node, report);
            self.outputs
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(action.node, record.outputs.clone());
        }
        reports
    }
}

/// The misses as the scheduler sees them: each after the misses it takes inputs from, and after an
/// equal action, whose outputs it then finds in the store.
fn schedule<'a>(
    graph: &Graph,
    misses: &[&'a PlannedAction],
    options: &Options<'_>,
) -> (Vec<Miss<'a>>, Vec<Entry>) {
    let positions: HashMap<NodeIndex, usize> = misses
        .iter()
        .enumerate()
        .map(|(position, action)| (action.node, position))
        .collect();
    let mut first = HashMap::new();
    misses
        .iter()
        .enumerate()
        .map(|(position, &action)| {
            let mut upstream: Vec<usize> = graph
                .inputs(action.node)
                .iter()
                .filter_map(|(producer, _)| positions.get(producer).copied())
                .collect();
            let leader = *first.entry(action.action_key).or_insert(position);
            let follows_equal = leader != position;
            if follows_equal {
                upstream.push(leader);
            }
            let slots = match options.refused.contains_key(&action.node) {
                // What it asks for may not be there.
                true => Slots::cpus(1),
                false => {
                    let measured = options.measured.get(&action.node);
                    let measured = measured.copied().unwrap_or_default();
                    let slots = graph.stages[action.node].slots(measured);
                    slots.granted_of(&options.room)
                }
            };
            (
                Miss {
                    action,
                    follows_equal,
                },
                Entry { upstream, slots },
            )
        })
        .unzip()
}

/// The file that holds what a stage instance wrote, in the folder of its run.
pub fn log_file(run: &Path, name: &str) -> PathBuf {
    run.join(format!("{}.log", component(name)))
}
