//! Executes the actions of a plan: takes outputs from the store where possible, and otherwise runs the
//! stages with a launcher. [`execute`] is the entry point.
//!
//! | step | file |
//! | --- | --- |
//! | a miss that the scheduler starts | `fill.rs` |
//! | find its result in the store after all, or take the lease | `hits.rs` |
//! | otherwise make it: run the stage, retry, ingest the outputs | `make.rs`, `stage_events.rs` |
//! | record results in batches, on a thread of its own | `commits.rs` |
//! | send events in the order of dependencies | `announcer.rs` |
//!
//! All parts read the [`Context`]. What changes is in the [`ExecutionState`].

mod announcer;
mod commits;
mod context;
mod failure;
mod fill;
mod hits;
mod inputs;
mod make;
mod pictures;
mod stage_events;
mod state;
mod verify;
mod versions;
mod views;
mod watched;

use std::collections::{HashMap, HashSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;

use petgraph::graph::NodeIndex;
use rayon::prelude::*;

use crate::event::{Event, Reporter, StageReport};
use crate::graph::{Demand, Graph, Limits};
use crate::launch::Launcher;
use crate::plan::{Plan, PlannedAction, State};
use crate::scheduler::{self, Capacity, Entry, OnFailure, Outcome, Queue, Schedule, Slots};
use announcer::Announcer;
use commits::Recorder;
use context::Context;
use fill::{Filler, Miss};
use state::{ExecutionState, KnownOutputs};
use store::{ActionRecord, Store, component};

pub use pictures::{MOST_PICTURE, picture_file};
pub use state::Outputs;
pub use verify::damaged_artifacts;
pub use versions::ask_versions;
pub use views::update_view;

/// Minimum number of cached actions per thread, when their views in `latest` are checked.
const VIEWS: usize = 16;

/// Options for executing a plan.
pub struct Options<'a> {
    /// Resources for running stages.
    pub capacity: Capacity,
    pub on_failure: OnFailure,
    /// Folder of the run.
    pub folder: &'a Path,
    /// Limits of stages that have none of their own.
    pub limits: Limits,
    /// `true` to resume from checkpoints.
    pub resume: bool,
    /// Expected resources of stages, from earlier runs or from the work that the stages declare.
    pub demands: HashMap<NodeIndex, Demand>,
    /// Expected wall times of stages, in seconds, as far as they are known.
    pub seconds: HashMap<NodeIndex, f64>,
    /// Number of trials that later rounds will choose. `None` if there are no later rounds.
    pub later_trials: Option<usize>,
    /// Stages that fail if they have to run, with the reasons.
    pub refused: HashMap<NodeIndex, String>,
    /// Stages that failed when they were last executed.
    pub failed_before: HashSet<NodeIndex>,
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
    launcher: &dyn Launcher,
    reporter: &Reporter,
    options: &Options<'_>,
) -> io::Result<Execution> {
    let misses: Vec<&PlannedAction> = plan.misses().collect();
    let (misses, entries) = schedule(graph, &misses, options);
    if !misses.is_empty() {
        reporter.send(&scheduled(graph, &misses, &entries, options));
    }
    let upstream: Vec<&[usize]> = entries.iter().map(|entry| &*entry.upstream).collect();
    let names = misses.iter().map(|miss| name(graph, miss));
    let announcer = Announcer::new(reporter, names, &upstream);
    let context = Context {
        graph,
        plan,
        store,
        launcher,
        reporter: &announcer,
        folder: options.folder,
        limits: options.limits,
        resume: options.resume,
        failed_before: &options.failed_before,
    };
    let state = ExecutionState::default();
    let mut cached = report_cached(&context, &state.outputs);
    let outcomes = fill(&context, &misses, entries, options, &state)?;
    if let Some(left) = launcher.finish() {
        tracing::warn!("the programs of this run {left}");
    }

    let mut reports = state.reports.into_inner();
    for (index, (miss, outcome)) in misses.iter().zip(outcomes).enumerate() {
        let report = reports.remove(&index).unwrap_or_else(|| {
            let name = context.name(miss.action.node);
            let report = StageReport::not_executed(&name, outcome, &miss.action.action_key);
            announcer.send(Event::StageEnded {
                stage: report.clone(),
            });
            report
        });
        cached.insert(miss.action.node, report);
    }
    announcer.finish();
    Ok(Execution {
        stages: plan
            .actions
            .iter()
            .filter_map(|action| cached.remove(&action.node))
            .collect(),
        outputs: state.outputs.into_inner(),
    })
}

/// The event with the schedule of the misses.
fn scheduled(
    graph: &Graph,
    misses: &[Miss<'_>],
    entries: &[Entry],
    options: &Options<'_>,
) -> Event {
    let stages = misses.iter().map(|miss| {
        let seconds = options.seconds.get(&miss.action.node).copied();
        (name(graph, miss), seconds)
    });
    Event::Scheduled {
        schedule: Schedule::new(entries, stages, &options.capacity, options.on_failure),
        later_trials: options.later_trials,
    }
}

fn name(graph: &Graph, miss: &Miss<'_>) -> String {
    graph.stages[miss.action.node].name.to_string()
}

/// Fills the misses, and records the results on a second thread. Returns the outcomes in the queue's order.
fn fill<'a>(
    context: &Context<'a>,
    misses: &'a [Miss<'a>],
    entries: Vec<Entry>,
    options: &'a Options<'_>,
    state: &'a ExecutionState,
) -> io::Result<Vec<Outcome>> {
    let (commits, made) = channel();
    let filler = Filler {
        context: *context,
        misses,
        refused: &options.refused,
        state,
        commits,
    };
    let recorder = Recorder {
        context: *context,
        misses: misses.iter().map(|miss| miss.action).collect(),
        state,
    };
    let queue = Queue::new(entries, &options.capacity, options.on_failure);
    thread::scope(|scope| {
        thread::Builder::new().spawn_scoped(scope, move || recorder.commit_all(&made))?;
        let run = || scheduler::run(queue, &filler, context.launcher.stopping());
        let outcomes = catch_unwind(AssertUnwindSafe(run));
        // The recorder thread waits for this message, so it is sent even after a panic.
        let _ = filler.commits.send(None);
        Ok(outcomes.unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// Reports the cached actions, updates their views and remembers their outputs.
fn report_cached(context: &Context<'_>, outputs: &KnownOutputs) -> HashMap<NodeIndex, StageReport> {
    let actions = context.plan.actions.iter();
    let cached: Vec<(&PlannedAction, &ActionRecord)> = actions
        .filter_map(|action| match &action.state {
            State::Cached(record) => Some((action, &**record)),
            State::Runs(_) | State::Waits(_) => None,
        })
        .collect();
    cached
        .par_iter()
        .with_min_len(VIEWS)
        .for_each(|(action, record)| {
            update_view(context.graph, context.store, action, &record.outputs)
        });
    let mut reports = HashMap::with_capacity(cached.len());
    for (action, record) in cached {
        let name = context.name(action.node);
        let report = StageReport {
            warnings: record.warnings.clone(),
            ..StageReport::not_executed(&name, Outcome::Cached, &action.action_key)
        };
        context.reporter.send(Event::StageEnded {
            stage: report.clone(),
        });
        reports.insert(action.node, report);
        outputs.insert(action.node, record.outputs.clone());
    }
    reports
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
                    let demand = options.demands.get(&action.node);
                    let demand = demand.copied().unwrap_or_default();
                    let slots = graph.stages[action.node].slots(demand);
                    slots.granted_of(&options.capacity)
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

/// Returns the folder for the outputs of a failed stage, in the folder of its run.
pub fn failed_outputs_folder(run: &Path, stage: &str) -> PathBuf {
    log_file(run, stage).with_added_extension("outputs")
}
