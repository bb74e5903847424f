//! The node's side of the protocol.
//!
//! [`Node::start`] decides whether a process may run the job of a folder:
//!
//! | found | result |
//! | --- | --- |
//! | no request within [`PATIENCE`] | error: the node does not see the driver's files |
//! | the claim is of another submission | [`Idle::Superseded`] |
//! | marked as cancelled | [`Idle::Cancelled`] |
//! | another process holds the lock of the folder | [`Idle::Running`], after a while |
//! | a final ending | [`Idle::Ended`] |
//! | another version of the binary | ending `refused`, and an error |
//! | started more often than allowed | ending `refused`, and [`Idle::Ended`] |
//! | nothing of that | `started.json`, and the job runs |

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use contract::files;
use serde::Serialize;
use signal_hook::consts::{SIGTERM, SIGUSR1};
use signal_hook::iterator::{Handle, Signals};

use crate::records::{EndResult, Ending, Request, Started};
use crate::script::{AGAIN, TAG_VARIABLE};
use crate::{Error, JobFolder};

/// Longest wait for files that the driver wrote before the submission.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait for the lock of an earlier process. Servers release the locks of a lost node after about 90 s.
const LOCK_PATIENCE: Duration = Duration::from_secs(120);

/// Facts about this process that the engine knows.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Version of this binary.
    pub version: String,
    /// Kind of processor.
    pub processor: String,
}

/// Reason why a node has nothing to do for a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// The job was submitted again by another driver.
    Superseded,
    Cancelled,
    /// Another process runs the job.
    Running,
    Ended,
}

/// Result of [`Node::start`].
#[derive(Debug)]
pub enum Start {
    Run(Box<Node>),
    Idle(Idle),
}

/// Resources that a job used in one start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Used {
    pub seconds: f64,
    pub cpu_seconds: f64,
    pub peak_memory_mib: f64,
}

/// Signal that asks a job to save a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// The time limit is near. The batch script requeues the job afterwards.
    BeforeLimit,
    /// The job is cancelled or preempted, or its time is over. It is killed soon.
    Terminated,
}

/// A job that this process runs.
#[derive(Debug)]
pub struct Node {
    folder: JobFolder,
    request: Request,
    started: Started,
    events: File,
    /// Held for the life of the process. `None` on file systems without locks.
    _lock: Option<File>,
}

impl Node {
    /// Begins to run the job of a folder, if there is something to do.
    ///
    /// # Errors
    /// If the request is not visible, the version differs, or a file cannot be written.
    pub fn start(folder: JobFolder, identity: &Identity) -> Result<Start, Error> {
        let tag = std::env::var(TAG_VARIABLE).ok();
        Self::start_as(folder, identity, tag.as_deref(), LOCK_PATIENCE)
    }

    fn start_as(
        folder: JobFolder,
        identity: &Identity,
        tag: Option<&str>,
        lock_patience: Duration,
    ) -> Result<Start, Error> {
        let request = wait_for_request(&folder)?;
        if let Some(tag) = tag
            && !has_claim(&folder, tag)?
        {
            return Ok(Start::Idle(Idle::Superseded));
        }
        if folder.is_cancelled()? {
            return Ok(Start::Idle(Idle::Cancelled));
        }
        let lock = match take_lock(&folder, lock_patience)? {
            Lock::Ours(lock) => Some(lock),
            Lock::Unsupported => None,
            Lock::Taken => return Ok(Start::Idle(Idle::Running)),
        };
        folder.refresh();
        let ending = folder.ending()?;
        if ending.is_some_and(|ending| ending.result != EndResult::Paused) {
            return Ok(Start::Idle(Idle::Ended));
        }
        let started = started(&folder, &request, identity)?;
        if request.version != identity.version {
            let error = Error::Version {
                expected: request.version,
                found: identity.version.clone(),
            };
            refuse(&folder, &started, error.to_string())?;
            return Err(error);
        }
        if started.restart > request.restarts {
            let most = request.restarts;
            let text = format!(
                "the job was interrupted {} times; {most} are allowed",
                most + 1
            );
            refuse(&folder, &started, text)?;
            return Ok(Start::Idle(Idle::Ended));
        }
        folder.put_started(&started)?;
        let outputs = folder.outputs(started.restart);
        files::create_folders(&outputs).map_err(Error::io("create", &outputs))?;
        let node = Self {
            events: folder.events()?,
            folder,
            request,
            started,
            _lock: lock,
        };
        Ok(Start::Run(Box::new(node)))
    }

    pub fn folder(&self) -> &JobFolder {
        &self.folder
    }

    pub fn request(&self) -> &Request {
        &self.request
    }

    pub fn started(&self) -> &Started {
        &self.started
    }

    /// Returns the folder for the outputs of this start.
    pub fn outputs(&self) -> PathBuf {
        self.folder.outputs(self.started.restart)
    }

    /// Appends an event, which the driver passes on.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn event(&mut self, event: &impl Serialize) -> Result<(), Error> {
        let what = "an event";
        let mut line =
            serde_json::to_vec(event).map_err(|source| Error::Serialize { what, source })?;
        line.push(b'\n');
        let written = self.events.write_all(&line);
        written.map_err(Error::io("write", self.folder.path()))
    }

    /// Ends this start. Returns the exit code for the batch script.
    ///
    /// # Errors
    /// If the ending cannot be written. Then the driver sees a lost job.
    pub fn end(self, result: EndResult, used: Used) -> Result<i32, Error> {
        self.events
            .sync_all()
            .map_err(Error::io("flush", self.folder.path()))?;
        // A node that was given up may be back, while the job runs elsewhere.
        let latest = self.folder.started()?;
        if latest.is_some_and(|latest| latest.restart > self.started.restart) {
            return Ok(1);
        }
        let code = match &result {
            EndResult::Succeeded(_) => 0,
            EndResult::Failed(_) | EndResult::Refused(_) => 1,
            EndResult::Paused if self.may_go_on()? => AGAIN,
            EndResult::Paused => 1,
        };
        self.folder.put_ending(&Ending {
            attempt: self.started.attempt,
            restart: self.started.restart,
            result,
            seconds: used.seconds,
            cpu_seconds: used.cpu_seconds,
            peak_memory_mib: used.peak_memory_mib,
        })?;
        Ok(code)
    }
}

impl Node {
    /// Returns `true` if Slurm may start the job again.
    fn may_go_on(&self) -> Result<bool, Error> {
        Ok(self.started.restart < self.request.restarts && !self.folder.is_cancelled()?)
    }
}

/// Waits for the request, which a shared file system may show late.
fn wait_for_request(folder: &JobFolder) -> Result<Request, Error> {
    let began = Instant::now();
    loop {
        folder.refresh();
        if let Some(request) = folder.request()? {
            return Ok(request);
        }
        if began.elapsed() > PATIENCE || !files::exists(folder.path()).unwrap_or(true) {
            let cause = std::io::Error::other("this node does not see the file of the driver");
            return Err(Error::io("read", &folder.path().join("request.json"))(
                cause,
            ));
        }
        thread::sleep(Duration::from_millis(500));
    }
}

/// Returns `true` if the folder's claim is of the submission `tag`. A claim that was removed may be about to be
/// replaced, and one that is new may be late, so a missing one is looked for again.
fn has_claim(folder: &JobFolder, tag: &str) -> Result<bool, Error> {
    for _ in 0..10 {
        if let Some(claim) = folder.claim()? {
            return Ok(claim.tag == tag);
        }
        thread::sleep(Duration::from_millis(500));
        folder.refresh();
    }
    Ok(false)
}

enum Lock {
    Ours(File),
    Taken,
    Unsupported,
}

fn take_lock(folder: &JobFolder, patience: Duration) -> Result<Lock, Error> {
    let file = folder.node_lock()?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock::Ours(file)),
            Err(TryLockError::WouldBlock) if began.elapsed() >= patience => return Ok(Lock::Taken),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(500)),
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, "this file system has no locks");
                return Ok(Lock::Unsupported);
            }
        }
    }
}

fn started(folder: &JobFolder, request: &Request, identity: &Identity) -> Result<Started, Error> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    // Slurm counts the restarts of its job. The number also grows if that is lost.
    let before = folder.started()?.map(|started| started.restart + 1);
    let restart = number("SLURM_RESTART_COUNT")
        .max(before)
        .unwrap_or_default();
    let boot = files::system_text("/proc/sys/kernel/random/boot_id");
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    Ok(Started {
        node: std::env::var("SLURMD_NODENAME").unwrap_or(host),
        process: std::process::id(),
        boot: boot.ok().map(|text| text.trim().to_owned()),
        processor: identity.processor.clone(),
        version: identity.version.clone(),
        job: number("SLURM_ARRAY_JOB_ID").or_else(|| number("SLURM_JOB_ID")),
        element: number("SLURM_ARRAY_TASK_ID"),
        attempt: request.attempt,
        restart,
    })
}

fn refuse(folder: &JobFolder, started: &Started, text: String) -> Result<(), Error> {
    folder.put_started(started)?;
    folder.put_ending(&Ending {
        attempt: started.attempt,
        restart: started.restart,
        result: EndResult::Refused(text),
        seconds: 0.0,
        cpu_seconds: 0.0,
        peak_memory_mib: 0.0,
    })
}

/// Calls a function for each signal, in a thread, until it is dropped.
#[derive(Debug)]
pub struct Interrupts {
    handle: Handle,
    thread: Option<thread::JoinHandle<()>>,
}

impl Interrupts {
    /// Listens for the signals that Slurm and the batch script send.
    ///
    /// # Errors
    /// If the system refuses that.
    pub fn listen(on_interrupt: impl Fn(Interrupt) + Send + 'static) -> std::io::Result<Self> {
        let mut signals = Signals::new([SIGUSR1, SIGTERM])?;
        let handle = signals.handle();
        let thread = thread::spawn(move || {
            for signal in signals.forever() {
                on_interrupt(match signal {
                    SIGUSR1 => Interrupt::BeforeLimit,
                    _ => Interrupt::Terminated,
                });
            }
        });
        Ok(Self {
            handle,
            thread: Some(thread),
        })
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the function was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

impl JobFolder {
    /// Removes the outputs of earlier starts, which nobody will read.
    ///
    /// # Errors
    /// If something cannot be removed.
    pub fn remove_old_outputs(&self, latest: u32) -> Result<(), Error> {
        for restart in 0..latest {
            let outputs = self.outputs(restart);
            match fs::remove_dir_all(&outputs) {
                Err(error) if !files::is_absence(&error) => {
                    return Err(Error::io("remove", &outputs)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Claim;
    use crate::resources::Resources;

    fn identity(version: &str) -> Identity {
        Identity {
            version: version.to_owned(),
            processor: "x86".to_owned(),
        }
    }

    fn folder(at: &std::path::Path) -> JobFolder {
        let folder = JobFolder::at(at.join("job"));
        let resources = Resources {
            cpus: 1,
            memory: None,
            seconds: None,
            gpus: 0,
            gpu_memory: None,
        };
        let request = Request {
            version: "1".to_owned(),
            attempt: 3,
            restarts: 1,
            resources,
            work: "work".into(),
        };
        folder.create(&request).unwrap();
        let claim = Claim {
            tag: "tag".to_owned(),
            line: 0,
            host: "h".to_owned(),
            process: 1,
        };
        assert!(folder.put_claim(&claim).unwrap());
        folder
    }

    fn start(folder: &JobFolder, tag: &str) -> Start {
        Node::start_as(folder.clone(), &identity("1"), Some(tag), Duration::ZERO).unwrap()
    }

    fn run(folder: &JobFolder) -> Node {
        match start(folder, "tag") {
            Start::Run(node) => *node,
            Start::Idle(idle) => panic!("{idle:?}"),
        }
    }

    fn idle(folder: &JobFolder, tag: &str) -> Idle {
        match start(folder, tag) {
            Start::Run(_) => panic!("it runs"),
            Start::Idle(idle) => idle,
        }
    }

    #[test]
    fn a_job_runs_once_and_its_files_tell_so() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(temporary.path());
        let mut node = run(&folder);
        assert_eq!(idle(&folder, "tag"), Idle::Running);
        assert_eq!(node.request().work, "work");
        assert!(node.outputs().ends_with("outputs/0"));
        node.event(&"one").unwrap();
        node.event(&2).unwrap();
        let used = Used {
            seconds: 1.5,
            cpu_seconds: 2.5,
            peak_memory_mib: 3.5,
        };
        let result = EndResult::Succeeded("result".into());
        assert_eq!(node.end(result.clone(), used).unwrap(), 0);
        let events = crate::EventReader::new(&folder).read().unwrap();
        assert_eq!(events, [serde_json::json!("one"), serde_json::json!(2)]);
        let ending = folder.ending().unwrap().unwrap();
        assert_eq!((ending.attempt, ending.restart), (3, 0));
        assert_eq!(
            (ending.result, ending.seconds, ending.cpu_seconds),
            (result, 1.5, 2.5)
        );
        assert_eq!(idle(&folder, "tag"), Idle::Ended);
    }

    #[test]
    fn a_paused_job_goes_on_as_often_as_allowed() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(temporary.path());
        let end = |result| run(&folder).end(result, Used::default()).unwrap();
        assert_eq!(end(EndResult::Paused), AGAIN);
        assert_eq!(folder.started().unwrap().unwrap().restart, 0);
        assert_eq!(end(EndResult::Paused), 1, "it may be started again once");
        assert_eq!(folder.started().unwrap().unwrap().restart, 1);
        assert_eq!(idle(&folder, "tag"), Idle::Ended);
        let EndResult::Refused(text) = folder.ending().unwrap().unwrap().result else {
            panic!("it was not refused");
        };
        assert_eq!(text, "the job was interrupted 2 times; 1 are allowed");
    }

    #[test]
    fn cancelled_and_superseded_jobs_do_not_start() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(temporary.path());
        assert_eq!(idle(&folder, "other"), Idle::Superseded);
        let node = run(&folder);
        folder.put_cancel().unwrap();
        assert_eq!(node.end(EndResult::Paused, Used::default()).unwrap(), 1);
        assert_eq!(idle(&folder, "tag"), Idle::Cancelled);
    }

    #[test]
    fn another_version_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(temporary.path());
        let error = Node::start_as(folder.clone(), &identity("2"), None, Duration::ZERO);
        let error = error.unwrap_err();
        let text = "the binary on the node has version 2, but the driver has version 1";
        assert_eq!(error.to_string(), text);
        let ending = folder.ending().unwrap().unwrap();
        assert_eq!(ending.result, EndResult::Refused(text.to_owned()));
    }

    #[test]
    fn a_node_that_was_given_up_writes_no_ending() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(temporary.path());
        let node = run(&folder);
        let mut later = node.started().clone();
        later.restart += 1;
        folder.put_started(&later).unwrap();
        let result = EndResult::Succeeded(true.into());
        assert_eq!(node.end(result, Used::default()).unwrap(), 1);
        assert_eq!(folder.ending().unwrap(), None);
    }
}
