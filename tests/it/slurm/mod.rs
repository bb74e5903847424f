//! Runs on a real Slurm cluster on this machine, if `RUNNER_TEST_SLURM` is 1 (see `tests/cluster/README.md`).

mod doctor;
mod outages;
mod runs;
mod settings;
mod submit;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::sandbox::{Finished, Sandbox, list, skip};

/// Longest wait for anything that a cluster does. A job that was put back into the queue waits there for 2 minutes, until
/// the credential of its first start has expired.
const PATIENCE: Duration = Duration::from_secs(450);

/// A cluster with two nodes of two cores each. It is stopped when the last test that uses it ends.
pub(crate) struct Cluster {
    folder: TempDir,
}

impl Cluster {
    /// Returns the cluster of this test binary, and starts it if no other test uses it. `None` if such tests are not
    /// wanted.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let mut shared = contract::lock(&SHARED);
        if let Some(cluster) = shared.upgrade() {
            return Some(cluster);
        }
        let cluster = Arc::new(Self::start(&[])?);
        *shared = Arc::downgrade(&cluster);
        Some(cluster)
    }

    /// Like [`Cluster::shared`], for a test that takes minutes, because Slurm lets a job that was put back wait for two.
    pub(crate) fn shared_for_long() -> Option<Arc<Self>> {
        if std::env::var("RUNNER_SUITE").as_deref() != Ok("full") {
            skip("`RUNNER_SUITE` is not `full`");
            return None;
        }
        Self::shared()
    }

    /// Starts a cluster with these options of `tests/cluster/slurm-start`. `None` if such tests are not wanted.
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        if std::env::var("RUNNER_TEST_SLURM").as_deref() != Ok("1") {
            skip("`RUNNER_TEST_SLURM` is not 1; see tests/cluster/README.md");
            return None;
        }
        let cluster = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        cluster.script("slurm-start", options);
        Some(cluster)
    }

    fn script(&self, name: &str, options: &[&str]) {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster");
        let mut command = Command::new(scripts.join(name));
        let output = command.arg(self.folder.path()).args(options).output();
        let output = output.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {errors}");
    }

    /// Ends one process of the cluster, such as `slurmctld`. [`Cluster::start_again`] starts it.
    pub(crate) fn stop(&self, name: &str) {
        self.script("slurm-stop", &["--only", name]);
    }

    /// Starts what does not run.
    pub(crate) fn start_again(&self) {
        self.script("slurm-start", &[]);
    }

    pub(crate) fn conf(&self) -> PathBuf {
        self.folder.path().join("slurm.conf")
    }

    /// Returns `runner` with `args`, with the commands of this cluster.
    pub(crate) fn command(&self, sandbox: &Sandbox, args: &[&str]) -> Command {
        let mut command = sandbox.command(args);
        command.env("SLURM_CONF", self.conf());
        command
    }

    /// Runs `runner` with `args` to its end.
    pub(crate) fn runner(&self, sandbox: &Sandbox, args: &[&str]) -> Finished {
        self.command(sandbox, args).output().unwrap().into()
    }

    /// Runs a line of shell as a person would, and returns what it prints.
    pub(crate) fn shell(&self, line: &str) -> String {
        let mut command = Command::new("sh");
        command.args(["-c", line]).env("SLURM_CONF", self.conf());
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Returns Slurm's state of a job, such as `RUNNING`.
    pub(crate) fn state(&self, job: u64) -> String {
        self.shell(&format!("squeue -h -t all -j {job} -o %T"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if thread::panicking() {
            let logs = self.folder.path().join("log");
            let logs = format!("tail -n 5 {}/*.log; squeue -t all", logs.display());
            skip(&format!(
                "a test failed; the cluster said:\n{}",
                self.shell(&logs)
            ));
        }
        self.script("slurm-stop", &[]);
    }
}

/// Waits until `get` returns a value, for as long as a cluster may take.
pub(crate) fn wait_for<T>(what: &str, mut get: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = get() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Writes the table `[slurm]` into the user's configuration file.
pub(crate) fn configure(sandbox: &Sandbox, table: &str) {
    let folder = sandbox.path(".config/runner");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.toml"), format!("[slurm]\n{table}")).unwrap();
}
