//! Makes a result that is not in the store: runs the stage, retries after transient failures,
//! and ingests the outputs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use contract::{Failure, Folder, Gathered, Made, Port, Request, Resume, ShowPath};
use jiff::Timestamp;

use super::built_in::Said;
use super::commits;
use super::external::Scratch;
use super::inputs::{Inputs, artifacts};
use super::local::{Local, is_forced, refused};
use super::process::Ending;
use super::watched::Watched;
use super::{Limits, Outputs};
use crate::event::{Event, StageReport};
use crate::keys::Key;
use crate::plan::{PlannedAction, SourceState, Stamps, source_state};
use crate::scheduler::Grant;
use crate::store::{self, ActionRecord, Checkpoints, Deadline, Guard, Staging, is_absence};

/// Most times that a stage runs again because its sources were written to without being changed.
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
struct Try {
    /// Whether to resume from checkpoints.
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
    SourceTouched(Stamps),
}

impl<'a> Local<'a> {
    /// Executes the action and ingests its outputs. It is not recorded yet.
    pub fn make(
        &self,
        making: &Making<'_>,
        report: &mut StageReport,
    ) -> Result<commits::Made<'a>, Failure> {
        let limits = self.graph.stages[making.action.node].limits.or(self.limits);
        let checkpoints = match &making.checkpoint_key {
            Some(key) => Some(self.store.checkpoints(key).map_err(refused)?),
            None => None,
        };
        let mut next = Try {
            resume: self.resume && !is_forced(making.action),
            stamps: making.action.stamps,
            reason: self.reason(making.action),
        };
        let (mut retries, mut touches) = (0, 0);
        loop {
            let attempt = self.attempt(making, limits, checkpoints.as_ref(), &next, report);
            // The checkpoints of this run are valid, even if earlier ones were not.
            next.resume = true;
            match attempt {
                Ok(Attempt::Made(record, guard)) => {
                    return Ok(commits::Made {
                        record: *record,
                        checkpoints,
                        guard,
                    });
                }
                Ok(Attempt::SourceTouched(now)) if touches < MOST_TOUCHES => {
                    touches += 1;
                    next.stamps = now;
                    next.resume = false;
                    self.warn(making.action, "its source was written to meanwhile");
                    next.reason = "once more".to_owned();
                }
                Ok(Attempt::SourceTouched(_)) => {
                    return Err(Failure::Data(
                        "its source is written to all the time; run again when it is at rest"
                            .to_owned(),
                    ));
                }
                Err(Failure::TimedOut(_)) if self.workers.is_stopping() => {
                    return Err(Failure::Cancelled);
                }
                Err(failure) if failure.is_transient() && retries < limits.retries() => {
                    // Waiting does not help after a timeout.
                    let wait = match failure {
                        Failure::TimedOut(_) => Duration::ZERO,
                        _ => limits.backoff(retries),
                    };
                    retries += 1;
                    self.warn(making.action, format!("failed: {failure}"));
                    self.wait(wait)?;
                    next.reason = format!("retry {retries} of {}", limits.retries());
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Runs the stage once and ingests its outputs.
    fn attempt(
        &self,
        making: &Making<'_>,
        limits: Limits,
        checkpoints: Option<&Checkpoints<'_>>,
        this: &Try,
        report: &mut StageReport,
    ) -> Result<Attempt, Failure> {
        let action = making.action;
        let instance = &self.graph.stages[action.node];
        let external = instance.stage.external();
        // The deadline includes the time for reading inputs and outputs.
        let deadline = Deadline::new(limits.timeout, self.workers.stopping());
        let inputs = Watched::begin(making.inputs, self.store, external.is_some(), &deadline)?;
        let staging = self.store.staging().map_err(refused)?;
        // Dropped after the keeper has stored its content.
        let kept = match checkpoints {
            Some(_) => Some(self.store.staging().map_err(refused)?),
            None => None,
        };
        let kept = kept.as_ref().map(Staging::path);
        let request = Request {
            kind: instance.kind.name.to_owned(),
            params: instance.stage.canonical(),
            seed: instance.seed,
            // The declared number rather than the measured one, because the program can see it.
            cpus: instance.threads().min(making.grant.cpus),
            device: instance.device,
            gpus: self.gpus(making.grant),
            inputs: artifacts(making.inputs, self.store),
            staging: staging.path().to_owned(),
            resume: match checkpoints.zip(kept) {
                Some((checkpoints, folder)) => Some(Resume {
                    folder: folder.to_owned(),
                    kept: self.kept_checkpoints(action, checkpoints, this.resume)?,
                }),
                None => None,
            },
        };
        let (ending, said, made) = match external {
            Some(external) => {
                let scratch = Scratch {
                    request: &request,
                    folder: staging.folder(),
                    inputs: &inputs,
                };
                let (ending, Gathered { made, warnings }) =
                    self.run_program(making, external, &this.reason, &scratch, limits);
                let said = Said {
                    warnings,
                    ..Said::default()
                };
                (ending, said, made)
            }
            None => {
                inputs.start();
                let (ending, said) =
                    self.run_worker(action, &this.reason, &request, limits, checkpoints);
                let ports = instance.outputs.iter();
                let made = ports.map(|p| (p.name.clone(), Made::At(PathBuf::from(&p.name))));
                (ending, said, made.collect())
            }
        };
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
        report.warnings.clone_from(&said.warnings);
        // Checked even after a failure, so that no other stage reads an input that was changed.
        let inputs_check = inputs.check(&deadline)?;
        result?;

        match source_state(self.graph, self.store, action, &this.stamps)
            .map_err(|e| Failure::System(e.to_string()))?
        {
            SourceState::Untouched => {}
            SourceState::Touched(now) => return Ok(Attempt::SourceTouched(now)),
            SourceState::Changed => {
                return Err(Failure::Data(
                    "its source changed while it was read; run again".to_owned(),
                ));
            }
        }
        // Held from the first blob on, because only the record protects the blobs.
        let guard = self.store.guard().map_err(refused)?;
        let record = ActionRecord {
            action_key: action.action_key,
            content_key: making.content_key,
            fingerprint: action.fingerprint.clone(),
            outputs: self.ingest(&instance.outputs, staging.folder(), made, &deadline)?,
            seconds,
            cpu_seconds: usage.cpu_seconds,
            peak_memory_mib: usage.peak_memory_mib,
            notes: said.notes,
            warnings: said.warnings,
            resumed: said.resumed,
            finished: Timestamp::now().to_string(),
            runner: env!("CARGO_PKG_VERSION").to_owned(),
            inputs: inputs_check,
        };
        drop(staging);
        inputs.end();
        Ok(Attempt::Made(Box::new(record), guard))
    }

    /// Returns the GPUs of a grant in the form of `CUDA_VISIBLE_DEVICES`.
    fn gpus(&self, grant: &Grant) -> Vec<String> {
        let gpus = grant
            .gpus
            .iter()
            .filter_map(|&index| self.graph.gpus.get(index));
        gpus.map(|gpu| gpu.uuid.clone()).collect()
    }

    /// Returns the checkpoints to resume from. If the stage must start over, removes
    /// them all and returns none.
    fn kept_checkpoints(
        &self,
        action: &PlannedAction,
        checkpoints: &Checkpoints<'_>,
        resume: bool,
    ) -> Result<Vec<contract::Artifact>, Failure> {
        let kept = if resume {
            checkpoints.furthest_first()
        } else {
            checkpoints.discard_all().map(|()| Vec::new())
        };
        tracing::debug!(stage = %self.name(action.node), ?kept, "checkpoints");
        kept.map_err(refused)
    }

    /// Ingests the output of every port.
    fn ingest(
        &self,
        ports: &[Port],
        staging: &Folder,
        mut made: BTreeMap<String, Made>,
        deadline: &Deadline<'_>,
    ) -> Result<Outputs, Failure> {
        let mut outputs = Outputs::new();
        for port in ports {
            let nothing = || Failure::Internal(format!("the stage made no output `{}`", port.name));
            let tree = match made.remove(&port.name).ok_or_else(nothing)? {
                Made::File { name, bytes } => self.store.ingest_bytes(name, &bytes),
                Made::At(path) => match staging.stat(&path) {
                    Err(error) if is_absence(&error) => return Err(nothing()),
                    // Ingesting reports other errors.
                    _ => self.store.ingest(staging, &path, deadline),
                },
            };
            let tree = tree.map_err(|error| match error {
                store::Error::Unstorable { path, why } => {
                    let path = path.shown();
                    Failure::Data(format!("its output `{path}` cannot be kept: {why}"))
                }
                error => refused(error),
            })?;
            outputs.insert(port.name.clone(), tree.digest);
        }
        Ok(outputs)
    }

    /// Removes the checkpoints of a recorded action. The last one stays if the stage can be extended, for
    /// example by more epochs. Failing to remove them only costs disk space.
    pub(super) fn settle(&self, action: &PlannedAction, checkpoints: Option<Checkpoints<'_>>) {
        let Some(checkpoints) = checkpoints else {
            return;
        };
        let resumable = self.graph.stages[action.node].stage.resumable();
        let settled = match resumable {
            Some(resumable) if !resumable.open_ended.is_empty() => checkpoints.keep_furthest(),
            _ => checkpoints.clear(),
        };
        if let Err(error) = settled {
            tracing::warn!(
                "checkpoints of `{}` were not removed: {error}",
                self.name(action.node)
            );
        }
    }

    /// Warns about this run of an action, not about its result.
    pub(super) fn warn(&self, action: &PlannedAction, message: impl Into<String>) {
        self.reporter.send(&Event::StageWarning {
            stage: self.name(action.node),
            message: message.into(),
            passing: true,
        });
    }

    /// Waits. Returns early if the run is stopped.
    fn wait(&self, duration: Duration) -> Result<(), Failure> {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            if self.workers.is_stopping() {
                return Err(Failure::Cancelled);
            }
            thread::sleep(POLL.min(end.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }
}
