//! Executes the actions of a plan: takes outputs from the store where possible, and otherwise runs the stages
//! in processes of their own. [`execute`] is the entry point.

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

/// Fewest cached actions whose views in `latest` are checked by one thread.
const VIEWS: usize = 16;

/// Options for executing a plan.
pub struct Options<'a> {
    /// Resources for running stages.
    pub room: Room,
    pub on_failure: OnFailure,
    /// Folder of the run.
    pub folder: &'a Path,
    /// Limits of stages that have none of their own.
    pub limits: Limits,
    /// Whether to resume from checkpoints.
    pub resume: bool,
    /// Resources that stages used in earlier runs.
    pub measured: HashMap<NodeIndex, Measured>,
    /// Stages that fail if they have to run, with the reasons.
    pub refused: HashMap<NodeIndex, String>,
}

/// Result of executing a plan.
pub struct Execution {
    /// Reports of the plan's actions, in its order.
    pub stages: Vec<StageReport>,
    /// Outputs of every stage that has any now.
    pub outputs: HashMap<NodeIndex, Outputs>,
}

/// Executes the actions that `plan` did not find in the store.
///
/// # Errors
/// If the recorder thread cannot be started.
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
        // The recorder thread waits for this message, so it is sent even after a panic.
        let _ = local.commits.send(None);
        Ok::<_, io::Error>(outcomes.unwrap_or_else(|panic| resume_unwind(panic)))
    })?;
    if let Some(left) = workers.end_leftovers().wording(workers.is_stopping()) {
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
    /// Reports the cached actions, updates their views and remembers their outputs.
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

/// Returns the misses with their queue entries. A miss waits for the misses that it takes inputs from, and
/// for an equal action before it, whose outputs it then finds in the store.
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
                // The resources that it requests may not exist.
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

/// Returns the log file of a stage instance in the folder of its run.
pub fn log_file(run: &Path, name: &str) -> PathBuf {
    run.join(format!("{}.log", component(name)))
}
