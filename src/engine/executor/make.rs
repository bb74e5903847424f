//! Makes a result that is not in the store: runs the stage, retries after transient failures,
//! and ingests the outputs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use contract::{Failure, Folder, Made, Port, Request, ShowPath, StageEvent, files};
use jiff::Timestamp;

use super::commits::NewResult;
use super::context::Context;
use super::failed_outputs_folder;
use super::failure::store_failure;
use super::inputs::{Inputs, artifacts};
use super::stage_events::StageEvents;
use super::state::Outputs;
use super::watched::{Reader, Watched};
use crate::event::StageReport;
use crate::graph::Limits;
use crate::launch::{Ending, Kept, Launch, Placement, Scratch, Work};
use crate::plan::{MissReason, PlannedAction, SourceState, Stamps, State, source_state};
use crate::scheduler::Grant;
use crate::spec::suggest::distinct;
use store::keys::Key;
use store::{ActionRecord, Checkpoints, Deadline, Guard};

/// Maximum number of times that a stage runs again because its sources were written to, but have the same content.
const MOST_TOUCHES: usize = 5;
/// Interval between checks for a stop while waiting.
const POLL: Duration = Duration::from_millis(50);

/// An action to be executed, with everything known about it by now.
pub(super) struct Making<'a> {
    pub action: &'a PlannedAction,
    pub content_key: Key,
    /// Key of its checkpoints, if it has any.
    pub checkpoint_key: Option<Key>,
    pub inputs: &'a Inputs,
    pub grant: &'a Grant,
}

/// State that an attempt starts from.
struct AttemptStart {
    /// `true` to resume from checkpoints.
    resume: bool,
    /// Stamps of the sources.
    stamps: Stamps,
    /// Reason for running the stage, in a few words.
    reason: String,
}

/// Result of an attempt that did not fail.
enum Attempt {
    Made(Box<ActionRecord>, Guard),
    /// A source was written to meanwhile, but has its old content again. The stage may
    /// have read something else.
    SourceRewritten(Stamps),
}

/// Returns whether the action must be executed even if it is cached.
pub(super) fn is_forced(action: &PlannedAction) -> bool {
    matches!(action.state, State::Runs(MissReason::Forced))
}

/// Executes the action and ingests its outputs. The result is not recorded yet.
pub(super) fn make<'a>(
    context: &Context<'a>,
    making: &Making<'_>,
    report: &mut StageReport,
) -> Result<NewResult<'a>, Failure> {
    let limits = context.graph.stages[making.action.node]
        .limits
        .or(context.limits);
    let checkpoints = match &making.checkpoint_key {
        Some(key) => Some(context.store.checkpoints(key).map_err(store_failure)?),
        None => None,
    };
    let mut next = AttemptStart {
        resume: context.resume && !is_forced(making.action),
        stamps: making.action.stamps,
        reason: reason(context, making.action),
    };
    report.reason = Some(next.reason.clone());
    let (mut retries, mut touches) = (0, 0);
    loop {
        let attempt = attempt(context, making, limits, checkpoints.as_ref(), &next, report);
        // The checkpoints of this run are valid, even if earlier ones were not.
        next.resume = true;
        match attempt {
            Ok(Attempt::Made(record, guard)) => {
                return Ok(NewResult {
                    record: *record,
                    checkpoints,
                    guard,
                });
            }
            Ok(Attempt::SourceRewritten(now)) if touches < MOST_TOUCHES => {
                touches += 1;
                next.stamps = now;
                next.resume = false;
                context.warn(
                    making.action,
                    "its source was written to while it ran, so it runs again",
                );
                next.reason = "its source was written to".to_owned();
            }
            Ok(Attempt::SourceRewritten(_)) => {
                return Err(Failure::Data(
                    "its source is written to again and again; run again when no program writes to it"
                        .to_owned(),
                ));
            }
            Err(Failure::TimedOut(_)) if context.launcher.is_stopping() => {
                return Err(Failure::Cancelled);
            }
            Err(failure) if failure.is_transient() && retries < limits.retries() => {
                // Waiting does not help after a timeout.
                let pause = match failure {
                    Failure::TimedOut(_) => Duration::ZERO,
                    _ => limits.backoff(retries),
                };
                retries += 1;
                context.warn(making.action, format!("failed: {failure}"));
                wait(context, pause)?;
                next.reason = format!("retry {retries} of {}", limits.retries());
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// Runs the stage once and ingests its outputs.
fn attempt(
    context: &Context<'_>,
    making: &Making<'_>,
    limits: Limits,
    checkpoints: Option<&Checkpoints<'_>>,
    start: &AttemptStart,
    report: &mut StageReport,
) -> Result<Attempt, Failure> {
    let action = making.action;
    let instance = &context.graph.stages[action.node];
    let external = instance.stage.external();
    let is_here = instance.executor.is_local();
    // The deadline includes the time for reading inputs and outputs. Elsewhere, a stage may wait for days before it
    // starts.
    let timeout = limits.timeout.filter(|_| is_here);
    let deadline = Deadline::new(timeout, context.launcher.stopping());
    let reader = match external {
        _ if !is_here => Reader::Elsewhere,
        Some(_) => Reader::Program,
        None => Reader::Worker,
    };
    let inputs = Watched::begin(making.inputs, context.store, reader, &deadline)?;
    let staging = context.store.staging().map_err(store_failure)?;
    let request = Request {
        kind: instance.kind.name.to_owned(),
        params: instance.stage.canonical(),
        seed: instance.seed,
        // A program can see this number, so it is the declared number of cores, not a measured one.
        cpus: match is_here {
            true => instance.threads().min(making.grant.cpus),
            false => instance.threads(),
        },
        device: instance.device,
        gpus: gpus(context, making.grant),
        inputs: artifacts(making.inputs, context.store),
        staging: staging.path().to_owned(),
        resume: None,
    };
    let name = context.name(action.node);
    let failed_outputs = failed_outputs_folder(context.folder, &name);
    let work = match external {
        Some(external) => Work::Program(Scratch {
            external,
            has_own_gpus: instance.resources.gpus.is_some(),
            failed_outputs: &failed_outputs,
        }),
        None => Work::BuiltIn(checkpoints.map(|checkpoints| Kept {
            checkpoints,
            resume: start.resume,
        })),
    };
    let events = StageEvents::begin(context, action, &start.reason, staging.path());
    let ending = context.launcher.run(
        &Launch {
            key: action.action_key,
            stage: &name,
            placement: &Placement {
                executor: instance.executor.clone(),
                pack: instance.pack,
                gpus: instance.gpus(),
                gpu_memory: instance.gpu_memory(),
                params: match is_here {
                    true => serde_json::Value::Null,
                    false => instance.written_params(),
                },
                processor: instance.processor.clone(),
                sources: start.stamps.to_string(),
                starts_over: is_forced(action),
            },
            store: context.store,
            request: &request,
            staging: staging.folder(),
            work,
            limits,
            log: &context.log(action),
            on_linked: &|| inputs.start(),
        },
        &|event| events.receive(event),
    );
    if let Ok(gathered) = &ending.result {
        for message in &gathered.warnings {
            let message = message.clone();
            events.receive(StageEvent::Warning {
                message,
                about_run_only: false,
            });
        }
    }
    let messages = events.into_messages();
    let Ending {
        result,
        seconds,
        usage,
    } = ending;
    let sum = |so_far: Option<f64>, more: f64| Some(so_far.unwrap_or_default() + more);
    report.seconds = sum(report.seconds, seconds);
    report.cpu_seconds = sum(report.cpu_seconds, usage.cpu_seconds);
    report.peak_memory_mib = Some(
        usage
            .peak_memory_mib
            .max(report.peak_memory_mib.unwrap_or_default()),
    );
    report.warnings.clone_from(&messages.warnings);
    report.node.clone_from(&messages.node);
    if let Err(left @ Failure::Left(_)) = result {
        // Ctrl-C also ends the check of the inputs, which the job still reads.
        return Err(left);
    }
    // Checked even after a failure, so that no other stage reads an input that was changed.
    let inputs_check = inputs.check(&deadline)?;
    let mut made = result?.made;
    if external.is_none() {
        let ports = instance.outputs.iter();
        made.extend(ports.map(|port| (port.name.clone(), Made::At(PathBuf::from(&port.name)))));
    }

    match source_state(context.graph, context.store, action, &start.stamps)
        .map_err(|e| Failure::System(e.to_string()))?
    {
        SourceState::Unchanged => {}
        SourceState::Rewritten(now) => return Ok(Attempt::SourceRewritten(now)),
        SourceState::Changed(names) => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            return Err(Failure::Data(format!(
                "{} changed while the stage waited or ran, so its result may belong to either version; run again",
                names.join(", ")
            )));
        }
    }
    // Held from the first blob on, because only the record protects the blobs.
    let guard = context.store.guard().map_err(store_failure)?;
    let record = ActionRecord {
        action_key: action.action_key,
        content_key: making.content_key,
        fingerprint: action.fingerprint.clone(),
        outputs: ingest(
            context,
            &instance.outputs,
            staging.folder(),
            made,
            &deadline,
        )?,
        seconds,
        cpu_seconds: usage.cpu_seconds,
        peak_memory_mib: usage.peak_memory_mib,
        notes: messages.notes,
        warnings: messages.warnings,
        resumed: messages.resumed,
        finished: Timestamp::now().to_string(),
        runner: env!("CARGO_PKG_VERSION").to_owned(),
        inputs: inputs_check,
    };
    drop(staging);
    inputs.end();
    Ok(Attempt::Made(Box::new(record), guard))
}

/// Returns the GPUs of a grant in the form of `CUDA_VISIBLE_DEVICES`.
fn gpus(context: &Context<'_>, grant: &Grant) -> Vec<String> {
    let gpus = grant
        .gpus
        .iter()
        .filter_map(|&index| context.graph.gpus.get(index));
    gpus.map(|gpu| gpu.uuid.clone()).collect()
}

/// Ingests the output of every port.
fn ingest(
    context: &Context<'_>,
    ports: &[Port],
    staging: &Folder,
    mut made: BTreeMap<String, Made>,
    deadline: &Deadline<'_>,
) -> Result<Outputs, Failure> {
    let mut outputs = Outputs::new();
    for port in ports {
        let missing = || Failure::Internal(format!("the stage made no output `{}`", port.name));
        let tree = match made.remove(&port.name).ok_or_else(missing)? {
            Made::File { name, text } => context.store.ingest_bytes(&name, text.as_bytes()),
            Made::At(path) => match staging.stat(&path) {
                Err(error) if files::is_absence(&error) => return Err(missing()),
                // Ingesting reports other errors.
                _ => context.store.ingest(staging, &path, deadline),
            },
        };
        let tree = tree.map_err(|error| match error {
            store::Error::Unstorable { path, why } => {
                let path = path.shown();
                Failure::Data(format!("its output `{path}` cannot be kept: {why}"))
            }
            error => store_failure(error),
        })?;
        outputs.insert(port.name.clone(), tree.digest);
    }
    Ok(outputs)
}

/// Returns the reason for executing the action: the plan's, or the inputs that this run made.
fn reason(context: &Context<'_>, action: &PlannedAction) -> String {
    if let State::Runs(reason) = &action.state {
        return match context.failed_before.contains(&action.node) {
            true => reason.after_failure(),
            false => reason.to_string(),
        };
    }
    let Context { graph, plan, .. } = context;
    let inputs = graph.inputs(action.node).into_iter();
    let made = inputs
        .map(|(producer, _)| producer)
        .filter(|&node| plan.action(node).is_miss());
    // One stage may provide several inputs.
    let made = distinct(made).into_iter().map(|node| context.name(node));
    format!("after {}", made.collect::<Vec<_>>().join(", "))
}

/// Waits. Returns early if the run is stopped.
fn wait(context: &Context<'_>, duration: Duration) -> Result<(), Failure> {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        if context.launcher.is_stopping() {
            return Err(Failure::Cancelled);
        }
        thread::sleep(POLL.min(end.saturating_duration_since(Instant::now())));
    }
    Ok(())
}
