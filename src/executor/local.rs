use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use petgraph::graph::NodeIndex;
use stages::contract::{Failure, KindInfo, Request, StageEvent};

use super::inputs::{Inputs, artifacts, digests};
use super::process::{self, Ending};
use super::{Workers, file_name};
use crate::graph::Graph;
use crate::plan::{MissReason, Plan, PlannedAction, State, content_key, sources_unchanged};
use crate::report::{Event, Reporter, StageReport};
use crate::scheduler::{self, Outcome, Slots};
use crate::store::{self, ActionRecord, Digest, Key, Lease, Store, Tree};

/// How often a lease that another runner holds is asked for again.
const LEASE_POLL: Duration = Duration::from_millis(100);

/// The trees of an action's outputs, by port.
pub type Outputs = BTreeMap<String, Digest>;

/// Fills misses in worker processes on this machine.
pub(super) struct Local<'a> {
    pub graph: &'a Graph,
    pub plan: &'a Plan,
    pub store: &'a Store,
    pub workers: &'a Workers,
    pub reporter: &'a Reporter,
    /// Folder of the run: what workers write to standard error goes there.
    pub folder: PathBuf,
    /// The misses, in the order of the queue.
    pub misses: Vec<Miss<'a>>,
    /// Outputs known so far.
    pub outputs: Mutex<HashMap<NodeIndex, Outputs>>,
    /// Of the misses that ended, by position.
    pub reports: Mutex<BTreeMap<usize, StageReport>>,
}

/// An action to execute, unless its outputs turn up in the store meanwhile.
pub(super) struct Miss<'a> {
    pub action: &'a PlannedAction,
    /// Whether an equal action of the same plan comes first; its outputs are this one's.
    pub follows_equal: bool,
}

/// A filled miss: what it took, if it was executed.
struct Filled {
    record: ActionRecord,
    executed: bool,
}

impl scheduler::Executor for Local<'_> {
    fn execute(&self, index: usize, slots: Slots) -> Outcome {
        let miss = &self.misses[index];
        let node = miss.action.node;
        let name = self.name(node);
        let _span = tracing::info_span!("stage", %name).entered();
        let mut report =
            StageReport::not_executed(&name, Outcome::Cancelled, &miss.action.action_key);
        match self.fill(miss, slots, &mut report) {
            Ok(filled) => {
                report.outcome = if filled.executed {
                    Outcome::Succeeded
                } else {
                    Outcome::Cached
                };
                self.keep_view(miss.action, &filled.record.outputs);
                lock(&self.outputs).insert(node, filled.record.outputs);
            }
            Err(Failure::Cancelled) => report.outcome = Outcome::Cancelled,
            Err(failure) => {
                report.outcome = Outcome::Failed;
                report.error = Some(failure.to_string());
            }
        }
        tracing::debug!(outcome = %report.outcome, error = report.error, "ended");
        let outcome = report.outcome;
        self.reporter.send(&Event::StageEnded {
            stage: report.clone(),
        });
        lock(&self.reports).insert(index, report);
        outcome
    }
}

impl Local<'_> {
    fn fill(
        &self,
        miss: &Miss<'_>,
        slots: Slots,
        report: &mut StageReport,
    ) -> Result<Filled, Failure> {
        let action = miss.action;
        let _lease = self.lease(action)?;
        let inputs = self.inputs(action)?;
        let (content_key, _) = content_key(self.graph, action, &digests(&inputs));
        let forced = matches!(action.state, State::Runs(MissReason::Forced)) && !miss.follows_equal;
        if !forced && let Some(record) = self.hit(action, &content_key)? {
            return Ok(Filled {
                record,
                executed: false,
            });
        }
        let record = self.make(action, content_key, &inputs, slots, report)?;
        Ok(Filled {
            record,
            executed: true,
        })
    }

    /// Waits for the lease on the action, or for a stop.
    fn lease(&self, action: &PlannedAction) -> Result<Lease, Failure> {
        let mut told = false;
        loop {
            if self.workers.is_stopping() {
                return Err(Failure::Cancelled);
            }
            if let Some(lease) = self.store.try_lease(&action.action_key).map_err(refused)? {
                return Ok(lease);
            }
            if !told {
                let message = "waits for another runner, which makes the same".to_owned();
                self.reporter.send(&Event::StageWarning {
                    stage: self.name(action.node),
                    message,
                });
                told = true;
            }
            thread::sleep(LEASE_POLL);
        }
    }

    /// A record that is there now: another runner has filled the miss meanwhile, or the inputs came
    /// out as they once were (early cutoff).
    fn hit(
        &self,
        action: &PlannedAction,
        content_key: &Key,
    ) -> Result<Option<ActionRecord>, Failure> {
        if let Some(record) = self.store.lookup(&action.action_key).map_err(refused)? {
            return Ok(Some(record));
        }
        let Some(record) = self.store.lookup(content_key).map_err(refused)? else {
            return Ok(None);
        };
        self.store
            .alias(&record, action.action_key, &action.fingerprint)
            .map(Some)
            .map_err(refused)
    }

    /// Executes the action and keeps what it made.
    fn make(
        &self,
        action: &PlannedAction,
        content_key: Key,
        inputs: &Inputs,
        slots: Slots,
        report: &mut StageReport,
    ) -> Result<ActionRecord, Failure> {
        let instance = &self.graph.stages[action.node];
        for input in inputs.values().flatten() {
            self.store.verify(&input.tree).map_err(refused)?;
        }
        let staging = self.store.staging().map_err(refused)?;
        let request = Request {
            kind: instance.kind.name.to_owned(),
            params: instance.stage.canonical(),
            seed: instance.seed,
            cpus: slots.cpus,
            device: instance.device,
            inputs: artifacts(inputs, self.store),
            staging: staging.path().to_owned(),
        };
        let (ending, notes) = self.run_worker(action, &request);
        let Ending {
            result,
            seconds,
            usage,
        } = ending;
        report.seconds = Some(seconds);
        report.cpu_seconds = Some(usage.cpu_seconds);
        report.peak_memory_mib = Some(usage.peak_memory_mib);
        result?;

        let outputs = self.ingest(instance.kind, staging.path())?;
        let unchanged = sources_unchanged(self.graph, self.store, action)
            .map_err(|e| Failure::System(e.to_string()))?;
        if !unchanged {
            return Err(Failure::Data(
                "its source changed while it was read; run again".to_owned(),
            ));
        }
        let record = ActionRecord {
            action_key: action.action_key,
            content_key,
            fingerprint: action.fingerprint.clone(),
            outputs,
            seconds,
            cpu_seconds: usage.cpu_seconds,
            peak_memory_mib: usage.peak_memory_mib,
            notes,
            finished: Timestamp::now().to_string(),
            runner: env!("CARGO_PKG_VERSION").to_owned(),
        };
        self.store.record(&record).map_err(refused)?;
        Ok(record)
    }

    /// Runs a worker to its end, passing on its events; gives its notes too.
    fn run_worker(&self, action: &PlannedAction, request: &Request) -> (Ending, Vec<String>) {
        let name = self.name(action.node);
        let reason = self.reason(action);
        self.reporter.send(&Event::StageStarted {
            stage: name.clone(),
            reason,
        });
        let notes = Mutex::new(Vec::new());
        let heard = |event| self.pass_on(&name, event, &notes);
        let log = self.folder.join(format!("{}.log", file_name(&name)));
        let ending = process::run(request, &log, self.workers, &heard);
        (
            ending,
            notes.into_inner().unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Takes every output port's folder into the store.
    fn ingest(&self, kind: &KindInfo, staging: &Path) -> Result<Outputs, Failure> {
        let mut outputs = Outputs::new();
        for output in kind.outputs {
            let folder = staging.join(output.port);
            if !folder.is_dir() {
                let message = format!("the stage made no output `{}`", output.port);
                return Err(Failure::Internal(message));
            }
            let tree = self.store.ingest(&folder).map_err(refused)?;
            outputs.insert(output.port.to_owned(), tree.digest);
        }
        Ok(outputs)
    }

    fn pass_on(&self, stage: &str, event: StageEvent, notes: &Mutex<Vec<String>>) {
        let stage = stage.to_owned();
        self.reporter.send(&match event {
            StageEvent::Progress(progress) => Event::StageProgress { stage, progress },
            StageEvent::Warning { message } => Event::StageWarning { stage, message },
            StageEvent::Note { message } => {
                lock(notes).push(message.clone());
                Event::StageNote { stage, message }
            }
            StageEvent::Succeeded | StageEvent::Failed { .. } => return,
        });
    }

    /// Remembers what the stage is now, and shows its outputs as ordinary files. The run is as good
    /// without.
    pub fn keep_view(&self, action: &PlannedAction, outputs: &Outputs) {
        let (pipeline, name) = (&self.graph.pipeline, self.name(action.node));
        let trees: Result<BTreeMap<String, Tree>, store::Error> = outputs
            .iter()
            .map(|(port, digest)| Ok((port.clone(), self.store.tree(digest)?)))
            .collect();
        let kept = trees
            .and_then(|trees| self.store.publish_latest(pipeline, &name, &trees))
            .and_then(|()| {
                self.store
                    .set_last_fingerprint(pipeline, &name, &action.fingerprint)
            });
        if let Err(error) = kept {
            tracing::warn!("`latest` does not show `{name}`: {error}");
        }
    }

    /// Why the action is executed: the plan's reason, or the inputs that were made in this run.
    fn reason(&self, action: &PlannedAction) -> String {
        if let State::Runs(reason) = &action.state {
            return reason.to_string();
        }
        let mut made = Vec::new();
        for (producer, _) in self.graph.inputs(action.node) {
            if !matches!(self.plan.action(producer).state, State::Cached(_)) {
                made.push(self.name(producer));
            }
        }
        made.dedup();
        format!("after {}", made.join(", "))
    }

    pub fn name(&self, node: NodeIndex) -> String {
        self.graph.stages[node].name.to_string()
    }
}

pub(super) fn refused(error: store::Error) -> Failure {
    Failure::System(error.to_string())
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
