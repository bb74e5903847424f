//! A cluster for one test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    Client, Driver, Followed, JobFolder, NewJob, Outcome, Pack, Report, Resources, Settings,
    Submitter,
};

/// Longest wait for anything that a cluster does. A job that was put back into the queue waits there for 2 minutes, until
/// the credential of its first start has expired.
const PATIENCE: Duration = Duration::from_secs(450);

pub(super) const VERSION: &str = "1.0";

/// Number of clusters that may live at once. The tests wait most of the time, but each cluster has several processes.
const MOST_CLUSTERS: u32 = 4;
static LIVING: Mutex<u32> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// Prints why a test is skipped, or what one measured.
#[expect(clippy::print_stdout, reason = "tests print what they skip")]
pub(super) fn say(text: &str) {
    println!("{text}");
}

/// A cluster in a temporary folder, whose name has everything that a shell could misread.
pub(super) struct Cluster {
    folder: PathBuf,
    /// Removes the folder. `None` in a process that only uses the cluster.
    temporary: Option<tempfile::TempDir>,
    conf: PathBuf,
}

impl Cluster {
    /// Like [`Cluster::start`], for a test that takes half a minute or more: Slurm lets a job that was put back wait
    /// for two.
    pub(super) fn start_for_long(options: &[&str]) -> Option<Self> {
        if std::env::var("RUNNER_SUITE").as_deref() != Ok("full") {
            say("skipped: `RUNNER_SUITE` is not `full`");
            return None;
        }
        Self::start(options)
    }

    /// Starts a cluster; `None` if such tests are not wanted.
    pub(super) fn start(options: &[&str]) -> Option<Self> {
        if std::env::var("RUNNER_TEST_SLURM").as_deref() != Ok("1") {
            say("skipped: `RUNNER_TEST_SLURM` is not 1; see tests/cluster/README.md");
            return None;
        }
        let mut living = contract::lock(&LIVING);
        while *living >= MOST_CLUSTERS {
            living = ENDED.wait(living).unwrap();
        }
        *living += 1;
        drop(living);
        let temporary = tempfile::tempdir().unwrap();
        let cluster = Self {
            folder: temporary.path().to_owned(),
            conf: temporary.path().join("c/slurm.conf"),
            temporary: Some(temporary),
        };
        fs::create_dir_all(cluster.shared()).unwrap();
        let binary = format!(
            "#!/bin/sh\nexec env STAND_IN_JOB=\"$2\" {} --exact tests::programs::node --ignored --nocapture --quiet\n",
            crate::quote::word(std::env::current_exe().unwrap().to_str().unwrap())
        );
        program(&cluster.binary(), &binary);
        cluster.script("slurm-start", options);
        Some(cluster)
    }

    fn script(&self, name: &str, options: &[&str]) {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cluster");
        let mut command = Command::new(scripts.join(name));
        command.arg(self.folder.join("c")).args(options);
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {errors}");
    }

    /// Ends one process of the cluster, such as `slurmctld`.
    pub(super) fn stop(&self, name: &str) {
        self.script("slurm-stop", &["--only", name]);
    }

    /// Starts what does not run.
    pub(super) fn start_again(&self) {
        self.script("slurm-start", &[]);
    }

    /// Makes the controller forget all jobs. It must not run.
    pub(super) fn forget_all(&self) {
        let state = self.folder.join("c/state");
        fs::remove_dir_all(&state).unwrap();
        fs::create_dir(&state).unwrap();
    }

    /// Returns the folder that driver and nodes share.
    pub(super) fn shared(&self) -> PathBuf {
        self.folder.join("sha'r e%d\\ \"$(x)\"")
    }

    pub(super) fn binary(&self) -> PathBuf {
        self.folder.join("it's the runner")
    }

    pub(super) fn nodes(&self) -> Vec<String> {
        let names = fs::read_to_string(self.folder.join("c/nodes")).unwrap();
        names.split_whitespace().map(str::to_owned).collect()
    }

    pub(super) fn client(&self) -> Client {
        Client::default().with("SLURM_CONF", &self.conf)
    }

    /// Returns a client for which `program` is replaced by a shell script. In it, `$REAL` is the real program.
    pub(super) fn client_with(&self, replaced: &[(&str, &str)]) -> Client {
        let folder = self.folder.join("programs");
        fs::create_dir_all(&folder).unwrap();
        for name in [
            "sbatch", "squeue", "scontrol", "scancel", "sacct", "sacctmgr",
        ] {
            let real = format!("/usr/bin/{name}");
            let own = replaced.iter().find(|(replaced, _)| *replaced == name);
            let text = own.map_or("exec \"$REAL\" \"$@\"", |(_, text)| text);
            program(
                &folder.join(name),
                &format!("#!/bin/bash\nREAL={real}\n{text}\n"),
            );
        }
        self.client().in_folder(folder)
    }

    /// Runs one of Slurm's commands as a person would.
    pub(super) fn slurm(&self, line: &str) -> String {
        let mut command = Command::new("sh");
        command.args(["-c", line]).env("SLURM_CONF", &self.conf);
        let output = command.current_dir(&self.folder).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(super) fn submitter(
        &self,
        client: Client,
        change: impl FnOnce(&mut Settings),
    ) -> Submitter {
        let mut settings = Settings {
            poll: 1.0,
            late: 2.0,
            grace: 10,
            ..Settings::default()
        };
        change(&mut settings);
        Submitter::new(client, settings, &self.shared(), &self.binary()).unwrap()
    }

    pub(super) fn driver(&self) -> Driver {
        Driver::new(self.submitter(self.client(), |_| {}), VERSION).unwrap()
    }

    pub(super) fn root(&self, name: &str) -> PathBuf {
        self.shared().join(name)
    }

    /// Returns a job that does `what` (see `programs`).
    pub(super) fn job(&self, name: &str, what: Value) -> NewJob {
        let mut work = json!({ "runs": self.runs_file(), "name": name });
        work.as_object_mut()
            .unwrap()
            .extend(what.as_object().unwrap().clone());
        NewJob {
            root: self.root(name),
            resources: Resources {
                cpus: 1,
                memory: Some(50 << 20),
                seconds: None,
                gpus: 0,
                gpu_memory: None,
            },
            pack: Pack::NONE,
            restarts: 5,
            starts_over: false,
            work,
        }
    }

    fn runs_file(&self) -> PathBuf {
        self.shared().join("runs")
    }

    /// Returns the names of the jobs that did work, sorted; once for each start.
    pub(super) fn runs(&self) -> Vec<String> {
        let text = fs::read_to_string(self.runs_file()).unwrap_or_default();
        let mut names: Vec<String> = text.lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Starts another process of this program, which runs `jobs` jobs that do `what`, and may be killed.
    pub(super) fn driver_process(
        &self,
        jobs: usize,
        what: &Value,
        variables: &[(&str, &str)],
    ) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([
            "--exact",
            "tests::programs::driver",
            "--ignored",
            "--nocapture",
            "--quiet",
        ]);
        command.stdout(std::process::Stdio::null());
        command.env("STAND_IN_DRIVER", &self.folder);
        command.env("STAND_IN_JOBS", jobs.to_string());
        command.env("STAND_IN_WORK", what.to_string());
        command.envs(variables.iter().copied());
        command
    }

    /// Uses the cluster of another process, which stops it.
    pub(super) fn attach(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            conf: folder.join("c/slurm.conf"),
            temporary: None,
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.temporary.is_none() {
            return;
        }
        if thread::panicking() {
            let logs = self.slurm("tail -n 5 c/log/*.log; squeue -t all; scontrol -o show job");
            say(&format!("{logs}\nruns: {:?}", self.runs()));
        }
        self.script("slurm-stop", &[]);
        *contract::lock(&LIVING) -= 1;
        ENDED.notify_all();
    }
}

pub(super) fn program(path: &Path, text: &str) {
    // Another test may start a process between the writing and the closing of the file, which could then not be run.
    // `cp` closes its file before it ends.
    let mut fresh = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut fresh, text.as_bytes()).unwrap();
    let copied = Command::new("cp")
        .arg(fresh.path())
        .arg(path)
        .status()
        .unwrap();
    assert!(copied.success());
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Stops following if a test fails, so that the threads that wait for jobs end.
pub(super) struct LeaveOnPanic<'a>(pub(super) &'a Driver);

impl Drop for LeaveOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.leave();
        }
    }
}

/// Waits until something is true.
pub(super) fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_true() {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Runs a job, and returns its reports as well.
pub(super) fn run(driver: &Driver, job: &NewJob) -> (Followed, Vec<Report>) {
    let reports = Mutex::new(Vec::new());
    let followed = driver.run(job, &|report| contract::lock(&reports).push(report));
    (followed.unwrap(), contract::into_inner(reports))
}

/// Runs jobs at the same time. Returns what became of them, in order.
pub(super) fn run_all(driver: &Driver, jobs: &[NewJob]) -> Vec<Followed> {
    thread::scope(|scope| {
        let threads: Vec<_> = jobs
            .iter()
            .map(|job| scope.spawn(|| driver.run(job, &|_| {}).unwrap()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

/// Returns the result of a job that succeeded.
pub(super) fn result(outcome: &Outcome) -> &Value {
    match outcome {
        Outcome::Ended(ending) => match &ending.result {
            crate::EndResult::Succeeded(value) => value,
            other => panic!("it did not succeed: {other:?}"),
        },
        other => panic!("it did not end: {other:?}"),
    }
}

pub(super) fn lost(outcome: &Outcome) -> &crate::Lost {
    match outcome {
        Outcome::Lost(lost) => lost,
        other => panic!("it was not lost: {other:?}"),
    }
}

/// Waits until the work of a job goes on, and returns its latest start.
pub(super) fn wait_for_start(root: &Path, restart: u32) -> crate::Started {
    let folder = JobFolder::attempt(root, 1);
    let mut found = None;
    wait_until("a start", || {
        found = folder.started().unwrap();
        found
            .as_ref()
            .is_some_and(|started| started.restart >= restart)
    });
    found.unwrap()
}
