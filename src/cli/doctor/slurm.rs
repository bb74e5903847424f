//! Checks Slurm with one small job.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contract::{ShowPath, files, lock};
use engine::error::Error;
use serde::Serialize;
use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use slurm::check::{self, Checked, SharedCheck};
use slurm::{
    Client, DefaultMemory, Driver, EndResult, Identity, Lost, Outcome, Partition, Report,
    Resources, Settings, Submitter, Survey,
};
use store::FORMAT;
use tempfile::TempDir;

use crate::cli::node::{identity, with_hint};
use crate::cli::pipeline::StoreArgs;
use crate::config::Config;
use crate::report::{Console, Verbosity};

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
                Report::Event(_) | Report::Interrupted { .. } | Report::Logged => {}
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

    /// The lines of the paragraph.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(version) = &self.version {
            let accounting = match self.has_accounting {
                Some(true) => "with accounting",
                _ => "without accounting (not needed)",
            };
            lines.push(format!("{version}, {accounting}"));
        }
        for partition in &self.partitions {
            lines.push(partition_text(partition));
            lines.extend(partition.default_memory.map(memory_text));
        }
        if let (Some(elements), Some(jobs)) = (self.most_elements, self.most_jobs) {
            lines.push(format!(
                "limits: {elements} elements of an array, {jobs} submitted jobs"
            ));
        }
        match &self.job {
            Some(job) => lines.extend(job.lines(&self.folder)),
            None => lines.push("no job was run".to_owned()),
        }
        lines
    }
}

fn partition_text(partition: &Partition) -> String {
    let Partition {
        name,
        state,
        time_limit,
        nodes,
        gpus,
        default_memory: _,
    } = partition;
    let gpus = match gpus.is_empty() {
        true => String::new(),
        false => format!(", {}", gpus.join(", ")),
    };
    let nodes = engine::wording::counted(*nodes as usize, "node");
    format!("partition {name}: {state}, {nodes}, time limit {time_limit}{gpus}")
}

/// Memory per core below which most trainings fail, in MiB.
const LITTLE_MEMORY: u64 = 1024;

fn memory_text(memory: DefaultMemory) -> String {
    let (mib, per) = match memory {
        DefaultMemory::PerCore(mib) => (mib, "core"),
        DefaultMemory::PerNode(mib) => (mib, "node"),
    };
    let advice = match mib < LITTLE_MEMORY {
        true => {
            "; most trainings need more: set `slurm.memory`, or `resources: { memory: 2GiB }` at them"
        }
        false => "",
    };
    format!("a stage without `memory` gets {mib} MiB per {per}{advice}")
}

impl Job {
    fn lines(&self, folder: &str) -> Vec<String> {
        let Some(id) = &self.id else {
            return vec!["the job was not submitted".to_owned()];
        };
        let mut lines = vec![match (&self.node, &self.version, &self.processor) {
            (Some(node), Some(version), Some(processor)) => {
                format!("job {id} on {node}: runner {version}, kind {processor}")
            }
            _ => format!("job {id} did not start"),
        }];
        if let (Some(start), Some(end)) = (self.seconds_to_start, self.seconds_to_end) {
            lines.push(format!(
                "started after {start:.1} s, ended after {end:.1} s"
            ));
        }
        if let Some(shared) = &self.shared_folder {
            lines.push(match shared.is_fit {
                true => format!(
                    "{folder} is shared: locks and renames work, files are visible after {} ms",
                    shared.visible_ms.unwrap_or_default() / 2
                ),
                false => format!("{folder} is NOT FIT for sharing"),
            });
        }
        lines
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

fn say(console: &Console, text: &str) {
    if console.verbosity > Verbosity::Quiet {
        console.message(text);
    }
}

/// Describes what is wrong with a job that gave no answer, and what to do.
fn problem(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ended(ending) => match &ending.result {
            EndResult::Refused(why) => format!(
                "the node refused the job: {why}; set `slurm.binary` to the path of this version on the nodes, or copy it there"
            ),
            EndResult::Failed(Value::String(why)) => format!(
                "the node cannot use the shared folder: {why}; keep the store in a folder that nodes see under the same path (`--artifacts`)"
            ),
            EndResult::Failed(_) | EndResult::Succeeded(_) | EndResult::Paused => {
                "the node gave an answer that this version does not understand; set `slurm.binary` to the path of this version on the nodes".to_owned()
            }
        },
        Outcome::Lost(lost) => lost_text(lost),
        Outcome::Held(held) => match held.hint() {
            Some(hint) => format!("{held}; {hint}"),
            None => format!("{held}; `scontrol show job` says more"),
        },
        Outcome::Left(id) => {
            let id = id.map(|id| id.to_string()).unwrap_or_default();
            format!("the job {id} was not followed to its end; `scancel {id}` cancels it")
        }
        Outcome::NotSubmitted => "the check was cancelled; start it again".to_owned(),
        Outcome::Failed(error) => with_hint(error),
    }
}

fn lost_text(lost: &Lost) -> String {
    use slurm::{Exit, Loss};
    let hint = match &lost.loss {
        Loss::Exited(Exit::Code(127 | 126)) => {
            "the node does not find this binary; set `slurm.binary` to its path there, or put it into a folder that nodes see"
        }
        Loss::Exited(Exit::Code(0)) => {
            "a line of `slurm.setup` may end the script; otherwise keep the store in a folder that nodes see under the same path (`--artifacts`)"
        }
        Loss::Exited(_) => {
            "look at the lines of the job below; `slurm.modules`, `slurm.setup` and `slurm.container` are run before the binary"
        }
        Loss::OutOfMemory => "the node gives less memory than the job asks for; ask the site",
        Loss::TimedOut => "the node is very slow, or `slurm.setup` takes long",
        Loss::Cancelled(_) => "start the check again",
        Loss::NodeFailed | Loss::Preempted | Loss::Forgotten | Loss::Rejected(_) => {
            "start the check again; `sinfo -R` shows nodes with problems"
        }
    };
    let mut text = format!("{lost}; {hint}");
    // The last lines are those with the error.
    let lines: Vec<&str> = lost
        .log
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    for line in &lines[lines.len().saturating_sub(5)..] {
        text += &format!("\n  {}", contract::one_line(line));
    }
    text
}
