//! Checks Slurm with one small job.

mod problem;
mod text;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contract::{ShowPath, files, lock};
use engine::error::Error;
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use slurm::check::{self, Checked, SharedCheck};
use slurm::{
    Client, Driver, Identity, Outcome, Partition, Report, Resources, Settings, Submitter, Survey,
};
use store::FORMAT;
use tempfile::TempDir;

use self::problem::problem;
use crate::cli::doctor::say;
use crate::cli::node::{identity, with_hint};
use crate::cli::pipeline::StoreArgs;
use crate::config::Config;
use crate::report::Console;

/// Folder in the store for the jobs of checks.
const FOLDER: &str = "checks";

/// Time that the job may take, in seconds. It takes a second, or up to two minutes if something does not work.
const SECONDS: f64 = 300.0;
/// Time for the request to cancel the job.
const CANCELLING: Duration = Duration::from_secs(5);
/// Memory of the job in bytes.
const MEMORY: u64 = 256 << 20;

/// Facts about Slurm on this site. A fact is `None` if an earlier problem prevented its check.
#[derive(Debug, Default, Serialize)]
pub(super) struct Slurm {
    pub(super) version: Option<String>,
    pub(super) partitions: Vec<Partition>,
    /// `true` if `sacct` works. Runs do not need it.
    pub(super) has_accounting: Option<bool>,
    /// Largest number of elements of an array.
    pub(super) most_elements: Option<u32>,
    /// Largest number of jobs of this user that may wait or run.
    pub(super) most_jobs: Option<u32>,
    /// Folder that driver and nodes must share.
    pub(super) folder: String,
    pub(super) job: Option<Job>,
    /// Kind of processor that stages on this site are expected to compute on.
    pub(super) expected_processor: String,
    #[serde(skip)]
    pub(super) problems: Vec<String>,
}

/// The job, and what it found.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Job {
    pub(super) id: Option<String>,
    pub(super) node: Option<String>,
    /// Version of the binary on the node.
    pub(super) version: Option<String>,
    /// Kind of processor of the node.
    pub(super) processor: Option<String>,
    /// Seconds from the start of the check to that of the job, and to its end.
    pub(super) seconds_to_start: Option<f64>,
    pub(super) seconds_to_end: Option<f64>,
    pub(super) shared_folder: Option<Shared>,
}

/// Properties of the shared file system.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Shared {
    /// `true` if it has everything that is required.
    pub(super) is_fit: bool,
    /// Number of times that a file was read while the node replaced it, and of reads that saw no whole file.
    pub(super) reads: u32,
    pub(super) torn: u32,
    /// Milliseconds by which the node's clock is ahead.
    pub(super) clock_ahead_ms: Option<i64>,
    /// Milliseconds until the node saw the answer to a file, there and back.
    pub(super) visible_ms: Option<i64>,
}

impl Slurm {
    /// Checks the site of the configuration with a job in the store.
    ///
    /// # Errors
    /// If the settings are invalid. Everything else is a finding.
    pub(super) fn detect(args: &StoreArgs, console: &Console) -> Result<Self, Error> {
        let config = Config::load().map_err(Error::Invalid)?;
        let settings = config.slurm().map_err(Error::Invalid)?;
        let folder = args.folder().join(FORMAT).join(FOLDER);
        let Identity { version, processor } = identity()?;
        let mut found = Self {
            folder: folder.to_string_lossy().into_owned(),
            expected_processor: settings.processor.clone().unwrap_or(processor),
            ..Self::default()
        };
        let client = Client::default();
        match client.survey(&settings) {
            Ok(survey) => found.take_survey(survey, &settings),
            Err(error) => found.problems.push(with_hint(&error)),
        }
        if found.problems.is_empty()
            && let Err(error) = found.check((client, settings, &version), &folder, console)
        {
            found.problems.push(with_hint(&error));
        }
        Ok(found)
    }

    fn take_survey(&mut self, survey: Survey, settings: &Settings) {
        self.version = Some(survey.version);
        self.has_accounting = Some(survey.has_accounting);
        self.most_elements = Some(survey.limits.elements);
        self.most_jobs = Some(survey.limits.submitted);
        self.partitions = survey.partitions;
        if settings.memory.is_some() {
            // Every job asks for memory.
            for partition in &mut self.partitions {
                partition.default_memory = None;
            }
        }
        if self.partitions.is_empty() {
            self.problems.push(match &settings.partition {
                Some(name) => format!(
                    "there is no partition `{name}`; `sinfo` shows those that there are, and `slurm.partition` names one"
                ),
                None => "the site has no default partition; set `slurm.partition` to one that `sinfo` shows".to_owned(),
            });
        }
        // Jobs wait in a partition that is down, perhaps for days.
        let is_up = |partition: &Partition| partition.state == "up";
        if !self.partitions.is_empty() && !self.partitions.iter().any(is_up) {
            let names: Vec<_> = self.partitions.iter().map(|p| p.name.as_str()).collect();
            self.problems.push(format!(
                "partition `{}` is not up; set `slurm.partition` to another one that `sinfo` shows",
                names.join(",")
            ));
        }
    }

    fn check(
        &mut self,
        (client, settings, version): (Client, Settings, &str),
        folder: &Path,
        console: &Console,
    ) -> Result<(), slurm::Error> {
        let place = match place(folder) {
            Ok(place) => place,
            Err(problem) => {
                self.problems.push(problem);
                return Ok(());
            }
        };
        let binary = std::env::current_exe().unwrap_or_default();
        let submitter = Submitter::new(client, settings, place.path(), &binary)?;
        let driver = Arc::new(Driver::new(submitter, version)?);
        let is_cancelled = Arc::new(AtomicBool::new(false));
        let _listening = cancel_on_signal(&driver, &is_cancelled);
        let resources = Resources {
            cpus: 1,
            memory: Some(MEMORY),
            seconds: Some(SECONDS),
            gpus: 0,
            gpu_memory: None,
        };
        let job = Mutex::new(Job::default());
        let began = Instant::now();
        let seconds = || Some(began.elapsed().as_secs_f64());
        let checked = check::run(&driver, place.path(), resources, &|report| {
            let mut job = lock(&job);
            match report {
                Report::Submitted { id, .. } => {
                    job.id = Some(id.to_string());
                    say(
                        console,
                        &format!("submitted Slurm job {id}; Ctrl-C cancels it"),
                    );
                }
                Report::Started(started) => {
                    job.node = Some(started.node);
                    job.version = Some(started.version);
                    job.processor = Some(started.processor);
                    job.seconds_to_start = seconds();
                }
                Report::Event(_)
                | Report::Interrupted { .. }
                | Report::Logged
                | Report::Waits { .. } => {}
                Report::Notice(text) => say(console, &text),
            }
        });
        let mut job = lock(&job).clone();
        job.seconds_to_end = seconds();
        match checked? {
            Checked::Answered(shared) => self.take_answer(&shared, &mut job),
            Checked::NoAnswer(_) if is_cancelled.load(Ordering::SeqCst) => {
                let text = "the check was cancelled; start it again";
                self.problems.push(text.to_owned());
            }
            Checked::NoAnswer(outcome) => {
                if matches!(outcome, Outcome::Left(_)) {
                    // The job still uses it.
                    let _ = place.keep();
                }
                self.problems.push(problem(&outcome));
            }
        }
        self.job = Some(job);
        Ok(())
    }

    fn take_answer(&mut self, shared: &SharedCheck, job: &mut Job) {
        let problems = shared.problems();
        job.shared_folder = Some(Shared {
            is_fit: problems.is_empty(),
            reads: shared.reads,
            torn: shared.torn,
            clock_ahead_ms: shared.node.clock.map(|(ahead, _)| ahead),
            visible_ms: shared.node.clock.map(|(_, half)| 2 * half),
        });
        let folder = &self.folder;
        self.problems.extend(
            problems
                .into_iter()
                .map(|text| format!("`{folder}`: {text}")),
        );
        if let Some(found) = &job.processor
            && *found != self.expected_processor
        {
            self.problems.push(format!(
                "the node has the kind of processor `{found}`, but stages expect `{}`; set `slurm.processor = \"{found}\"`, \
                 or choose other nodes with `slurm.constraint`",
                self.expected_processor
            ));
        }
    }
}

/// Creates a folder for one check, which is removed at the end.
fn place(folder: &Path) -> Result<TempDir, String> {
    // Jobs start elsewhere.
    let created = std::path::absolute(folder).and_then(|folder| {
        files::create_folders(&folder)?;
        tempfile::Builder::new()
            .prefix("doctor-")
            .tempdir_in(folder)
    });
    created.map_err(|error| {
        format!(
            "failed to create a folder in `{}`: {error}; choose another store with `--artifacts`",
            folder.shown()
        )
    })
}

/// Stops to listen for signals when it is dropped.
struct Listening(signal_hook::iterator::Handle);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Cancels the job on Ctrl-C and SIGTERM, and sets the flag. The check then ends soon.
fn cancel_on_signal(driver: &Arc<Driver>, is_cancelled: &Arc<AtomicBool>) -> Option<Listening> {
    let mut signals = match Signals::new([SIGINT, SIGTERM]) {
        Ok(signals) => signals,
        Err(error) => {
            tracing::debug!(%error, "Ctrl-C will not cancel the job");
            return None;
        }
    };
    let listening = Listening(signals.handle());
    let (driver, is_cancelled) = (Arc::clone(driver), Arc::clone(is_cancelled));
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            is_cancelled.store(true, Ordering::SeqCst);
            driver.cancel();
            // Files of the job are of no interest, so they are not waited for.
            std::thread::sleep(CANCELLING);
            driver.leave();
        }
    });
    Some(listening)
}
