//! Runs stages as Slurm jobs.
//!
//! The package `slurm` submits and follows jobs. This module translates: a stage into the work of a job, and the end of
//! a job into the end of a stage. `node` is the other side. A driver that died is continued by the next one: job
//! folders are named after action keys, so the same stage finds its job again.
//!
//! | end of the job | end of the stage |
//! | --- | --- |
//! | succeeded, with the sources as they are now | its outputs |
//! | succeeded, with other sources | another attempt |
//! | failed | the failure |
//! | out of memory, timed out | the same failure, so it may be retried |
//! | lost with its node, preempted, forgotten | failure of the system, so it may be retried |
//! | of an earlier run: failed, or lost before this run | a warning, and another attempt |
//! | cancelled by this run | cancelled |
//! | cancelled by somebody else, rejected or held for a reason that does not pass | failure that is not retried |
//! | left behind by Ctrl-C | left; the job goes on |

mod ending;
mod files;
mod left;
mod requests;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use contract::{Failure, Gathered, StageEvent, lock};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use slurm::decide::Loss;
use slurm::{
    Client, Driver, EndResult, Followed, JobFolder, NewJob, Outcome, Report, Settings, Submitter,
};

use super::message;
use super::node::{NodeWork, version};
use super::{Ending, Kept, Launch, Launcher, OnInterrupt, Scratch, Usage, Work};
use crate::spec::Executor;
use ending::{Ended, end};
use files::{LogCopy, link_picture};
pub use left::{LeftJob, LeftJobs};
pub use requests::SlurmRequests;
use store::Store;
use store::keys::Key;

/// Time after Ctrl-C in which a second one cancels the jobs.
const SECOND_THOUGHT: Duration = Duration::from_secs(10);
/// Longest time that a cancellation may take before this process ends.
const CANCELLING: Duration = Duration::from_secs(20);
/// Interval between checks while waiting.
const POLL: Duration = Duration::from_millis(50);
/// Number of times that a job which saves checkpoints may be interrupted and go on.
const MOST_RESTARTS: u32 = 1000;
/// Memory of a job in addition to that of the stage's process, in bytes: for the process that starts it.
const OVERHEAD: u64 = 64 << 20;

/// Follows jobs on one cluster.
pub(super) struct Slurm {
    shared: Arc<Shared>,
    /// Folder of job folders.
    jobs: PathBuf,
}

struct Shared {
    driver: Driver,
    stopping: AtomicBool,
    /// `true` after a second Ctrl-C.
    is_cancelling: AtomicBool,
    /// Number of stages that are followed.
    followed: AtomicUsize,
    /// Number of those that are in Slurm.
    submitted: AtomicUsize,
    on_interrupt: OnInterrupt,
}

impl Slurm {
    /// Prepares to submit jobs for stages of a store, which nodes must see under the same path.
    pub(super) fn new(
        store: &Store,
        settings: &Settings,
        on_interrupt: OnInterrupt,
    ) -> Result<Self, String> {
        // Nodes start in another folder.
        let jobs = std::path::absolute(store.jobs_folder())
            .map_err(|error| format!("failed to find the store: {error}"))?;
        allow_many_files();
        let binary = std::env::current_exe()
            .map_err(|error| format!("failed to find the path of this program: {error}"))?;
        let submitter = Submitter::new(Client::default(), settings.clone(), &jobs, &binary)
            .map_err(|error| said(&error))?;
        let sweeper = submitter.clone();
        thread::spawn(move || {
            if let Err(error) = sweeper.sweep() {
                tracing::debug!("old folders are not removed: {error}");
            }
        });
        let driver = Driver::new(submitter, &version()?).map_err(|error| said(&error))?;
        Ok(Self {
            shared: Arc::new(Shared {
                driver,
                stopping: AtomicBool::default(),
                is_cancelling: AtomicBool::default(),
                followed: AtomicUsize::default(),
                submitted: AtomicUsize::default(),
                on_interrupt,
            }),
            jobs,
        })
    }

    fn follow(
        &self,
        launch: &Launch<'_>,
        on_event: &dyn Fn(StageEvent),
    ) -> Result<(Gathered, f64, Usage), Ended> {
        let job = self.job(launch).map_err(Ended::without_usage)?;
        pass_over_failure(&job.root, on_event)
            .map_err(|error| Ended::without_usage(Failure::System(said(&error))))?;
        let in_slurm = OnceCell::new();
        loop {
            let is_adopted = AtomicBool::default();
            let log = Mutex::new(LogCopy::default());
            let root = &job.root;
            let followed = self.shared.driver.run(&job, &|report| {
                let Ok(Some((_, folder))) = JobFolder::latest(root) else {
                    return;
                };
                lock(&log).copy(&folder.log(), launch.log);
                if let Report::Submitted { adopted, .. } = report {
                    is_adopted.store(adopted, Ordering::Relaxed);
                    in_slurm.get_or_init(|| Counted::among(&self.shared.submitted));
                }
                pass_on(report, &folder, launch, on_event);
            });
            let Followed { folder, outcome } =
                followed.map_err(|error| Ended::without_usage(Failure::System(said(&error))))?;
            lock(&log).copy(&folder.log(), launch.log);
            let is_stopping = self.is_stopping();
            let is_lost = matches!(outcome, Outcome::Lost(_)) && is_adopted.into_inner();
            if is_stopping && is_cancelled(&outcome) {
                return Err(Ended::without_usage(Failure::Cancelled));
            }
            let ended = end(&folder, outcome, &launch.request.staging, launch.log);
            let is_current = has_sources(&folder, &launch.placement.sources);
            match ended {
                // The run takes no result any more.
                Ok(_) if is_stopping => {
                    let text = "its Slurm job has ended; the next run takes its result";
                    return Err(Ended::without_usage(Failure::Left(text.to_owned())));
                }
                Ok(outputs) if is_current => return Ok(outputs),
                Err(ended) if ended.is_left => return Err(ended),
                _ => {}
            }
            let marked = folder.put_collected();
            marked.map_err(|error| Ended::without_usage(Failure::System(said(&error))))?;
            match ended {
                // An earlier driver submitted the job before a source was written to.
                Ok(_) => {}
                Err(ended) if is_lost => on_event(about_earlier(&ended.failure)),
                Err(ended) => return Err(ended),
            }
            if is_stopping {
                return Err(Ended::without_usage(Failure::Cancelled));
            }
        }
    }

    fn job(&self, launch: &Launch<'_>) -> Result<NewJob, Failure> {
        let (checkpoints, resume) = match launch.work {
            Work::BuiltIn(Some(Kept {
                checkpoints,
                resume,
            })) => (Some(*checkpoints.key()), resume),
            Work::BuiltIn(None) | Work::Program(_) => (None, false),
        };
        let absolute = |path: &Path| {
            std::path::absolute(path).map_err(|error| Failure::io("find", path, error))
        };
        let (has_own_gpus, failed_outputs) = match launch.work {
            Work::Program(Scratch {
                has_own_gpus,
                failed_outputs,
                ..
            }) => (has_own_gpus, absolute(failed_outputs)?),
            Work::BuiltIn(_) => (false, PathBuf::new()),
        };
        let limits = launch.limits;
        let work = NodeWork {
            key: launch.key,
            stage: launch.stage.to_owned(),
            folder: absolute(Path::new("."))?,
            store: absolute(launch.store.root())?,
            request: launch.request.clone(),
            params: launch.placement.params.clone(),
            has_own_gpus,
            failed_outputs,
            checkpoints,
            resume,
            timeout: limits.timeout,
            memory: limits.memory,
            processor: launch.placement.processor.clone(),
            sources: launch.placement.sources.clone(),
        };
        let work = serde_json::to_value(&work).map_err(|e| Failure::Internal(e.to_string()))?;
        let placement = launch.placement;
        Ok(NewJob {
            root: self.jobs.join(launch.key.to_string()),
            resources: requests::resources(
                &limits,
                launch.request.cpus,
                placement.gpus,
                placement.gpu_memory,
            ),
            pack: requests::pack(placement.pack),
            restarts: match checkpoints {
                Some(_) => MOST_RESTARTS,
                None => limits.retries(),
            },
            starts_over: placement.starts_over,
            work,
        })
    }
}

/// Counts one until it is dropped.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn among(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Launcher for Slurm {
    fn run(&self, launch: &Launch<'_>, on_event: &dyn Fn(StageEvent)) -> Ending {
        (launch.on_linked)();
        let _followed = Counted::among(&self.shared.followed);
        match self.follow(launch, on_event) {
            Ok((gathered, seconds, usage)) => Ending {
                result: Ok(gathered),
                seconds,
                usage,
            },
            Err(ended) => Ending {
                result: Err(ended.failure),
                seconds: ended.seconds,
                usage: ended.usage,
            },
        }
    }

    /// Removes the folder of the job, which has the only outputs until the result is in the store.
    fn recorded(&self, executor: &Executor, key: &Key) {
        if *executor != Executor::Slurm {
            return;
        }
        let root = self.jobs.join(key.to_string());
        if let Err(error) = store::remove(&root) {
            tracing::warn!("a job folder is not removed: {error}");
        }
    }

    fn stopping(&self) -> &AtomicBool {
        &self.shared.stopping
    }

    fn stop(&self) {
        let shared = Arc::clone(&self.shared);
        shared.stopping.store(true, Ordering::SeqCst);
        let jobs = shared.submitted.load(Ordering::SeqCst);
        if jobs == 0 {
            shared.driver.leave();
            return;
        }
        let jobs = crate::wording::counted(jobs, "stage");
        if shared.on_interrupt == OnInterrupt::Cancel {
            tracing::warn!("cancelling the Slurm jobs of {jobs}");
            shared.driver.cancel();
            return;
        }
        let seconds = SECOND_THOUGHT.as_secs();
        tracing::warn!(
            "the Slurm jobs of {jobs} go on; the next run collects their results; press Ctrl-C again within {seconds} s \
             to cancel them"
        );
        thread::spawn(move || {
            thread::sleep(SECOND_THOUGHT);
            if !shared.is_cancelling.load(Ordering::SeqCst) {
                shared.driver.leave();
            }
        });
    }

    fn kill_programs(&self) {}

    fn kill(&self) {
        let shared = &self.shared;
        shared.stopping.store(true, Ordering::SeqCst);
        if shared.followed.load(Ordering::SeqCst) == 0 {
            return;
        }
        shared.is_cancelling.store(true, Ordering::SeqCst);
        let jobs = shared.submitted.load(Ordering::SeqCst);
        if jobs > 0 {
            let jobs = crate::wording::counted(jobs, "stage");
            tracing::warn!("cancelling the Slurm jobs of {jobs}");
        }
        shared.driver.cancel();
        let began = Instant::now();
        while shared.followed.load(Ordering::SeqCst) > 0 && began.elapsed() < CANCELLING {
            thread::sleep(POLL);
        }
    }

    fn finish(&self) -> Option<String> {
        None
    }
}

/// Passes on a report of a job as an event of its stage.
fn pass_on(report: Report, folder: &JobFolder, launch: &Launch<'_>, on_event: &dyn Fn(StageEvent)) {
    match report {
        Report::Submitted { id, adopted } => on_event(place(
            None,
            match adopted {
                true => format!("continues Slurm job {id}"),
                false => format!("waits as Slurm job {id}"),
            },
        )),
        Report::Waits { id, reason } => {
            let reason = reason.map(|reason| format!(" ({})", contract::one_line(&reason)));
            let reason = reason.unwrap_or_default();
            on_event(place(None, format!("waits as Slurm job {id}{reason}")));
        }
        Report::Started(started) => {
            let text = format!("runs on {}", started.node);
            on_event(place(Some(started.node), text));
        }
        Report::Interrupted { id, has_checkpoint } => {
            on_event(place(None, format!("waits again as Slurm job {id}")));
            let from = match has_checkpoint {
                true => "from its checkpoint",
                false => "from its last checkpoint, if it has any",
            };
            on_event(StageEvent::Warning {
                message: format!(
                    "Slurm interrupted job {id} and starts it again, {from}; that takes about two minutes, or longer if \
                     no node is free"
                ),
                about_run_only: true,
            });
        }
        // It is copied with every report.
        Report::Logged => {}
        Report::Notice(message) => on_event(StageEvent::Warning {
            message,
            about_run_only: true,
        }),
        Report::Event(value) => {
            let Ok(event) = message::read_value(&value) else {
                tracing::warn!("the node of {} sent an unknown event", launch.stage);
                return;
            };
            if let StageEvent::Picture { file, .. } = &event
                && let Err(error) = link_picture(folder, file, &launch.request.staging)
            {
                tracing::warn!("a picture of {} is not shown: {error}", launch.stage);
                return;
            }
            on_event(event);
        }
    }
}

/// If the job of an earlier run has failed meanwhile, makes the next attempt a new one, as a run on one machine would.
fn pass_over_failure(root: &Path, on_event: &dyn Fn(StageEvent)) -> Result<(), slurm::Error> {
    let Some((_, folder)) = JobFolder::latest(root)? else {
        return Ok(());
    };
    let ending = folder.ending()?;
    let failure = match ending.map(|ending| ending.result) {
        Some(EndResult::Failed(value)) => message::read_value(&value).ok(),
        Some(EndResult::Refused(why)) => Some(Failure::Data(why)),
        Some(EndResult::Succeeded(_) | EndResult::Paused) | None => None,
    };
    match failure {
        Some(failure) if !folder.is_collected()? => {
            on_event(about_earlier(&failure));
            folder.put_collected()
        }
        _ => Ok(()),
    }
}

/// Returns the event that says where a job waits, or on which node it runs.
fn place(node: Option<String>, text: String) -> StageEvent {
    StageEvent::Place {
        node,
        text,
        outlives_run: true,
    }
}

/// Returns `true` if Slurm cancelled a job on request.
fn is_cancelled(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Lost(lost) if matches!(lost.loss, Loss::Cancelled(_)))
}

/// Warns about the job of an earlier run, after which the stage starts again.
fn about_earlier(failure: &Failure) -> StageEvent {
    StageEvent::Warning {
        message: format!("its job of an earlier run failed: {failure}"),
        about_run_only: true,
    }
}

/// Returns `true` if a job was started with the sources as they are now.
fn has_sources(folder: &JobFolder, sources: &str) -> bool {
    let request = folder.request().ok().flatten();
    request.is_some_and(|request| request.work["sources"] == sources)
}

/// Lets this process open as many files as the system allows: it opens some for each job that it follows.
fn allow_many_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::debug!("the limit on open files stays at {current:?}: {error}");
    }
}

/// Returns the words of an error, with its hint.
fn said(error: &slurm::Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}
