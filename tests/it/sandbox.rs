//! [`Sandbox`]: a temporary folder with a pipeline, in which tests run the binary.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// A pipeline of 40 phantom images and two small networks, which runs in a second.
pub(crate) const TINY: &str = r#"
version: 1
name: tiny
seed: 7
vars: { images: 40, test_images: 20, epochs: 2, widths: [4, 6] }
stages:
  xrays:
    kind: dataset
    params:
      source: { phantom: { images: "${images}", test_images: "${test_images}" } }
      image_size: 16
      validation: 0.2
  cnn:
    kind: train-cnn
    matrix: { width: "${widths}" }
    inputs: { train: xrays.train, validation: xrays.validation }
    params:
      model: [{ conv: { filters: 4 } }, { max_pool: 2 }, flatten, { dense: { units: "${matrix.width}" } }, { dense: { units: 1 } }]
      epochs: "${epochs}"
tables:
  losses:
    rows: width
    columns:
      - { title: epochs, metric: cnn.best_epoch, paper: { 4: 2 } }
"#;

/// Finds the first character that a terminal would act on or that changes the direction of text.
pub(crate) fn acts_on_terminal(text: &str) -> Option<usize> {
    text.find(|c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

/// Prints why a test is skipped on this machine.
#[expect(clippy::print_stdout, reason = "tests print what they skip")]
pub(crate) fn skip(why: &str) {
    println!("skipped: {why}");
}

/// Copies a program so that every user can run it. `cp` writes the copy, because a process that another test
/// starts could inherit a descriptor of ours that is open for writing, and the copy could then not be run.
pub(crate) fn copy_program(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
    fs::set_permissions(to, Permissions::from_mode(0o755)).unwrap();
}

pub(crate) struct Sandbox {
    folder: TempDir,
}

/// Exit code and output of a finished process.
#[derive(Debug)]
pub(crate) struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Status, output and resource usage of a finished process, including children that it waited for.
pub(crate) struct Measured {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub cpu_seconds: f64,
    pub peak_kib: i64,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Finished {
    /// Parses standard output, which must be a single JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Returns each stage with its outcome, from the output of `run --json`.
    pub(crate) fn outcomes(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let object = self.json();
        let stages = object["stages"].as_array().unwrap().iter();
        stages
            .map(|stage| (text(&stage["name"]), text(&stage["outcome"])))
            .collect()
    }
}

impl Sandbox {
    /// Creates a sandbox with `pipeline` as its `pipeline.yaml`.
    pub(crate) fn new(pipeline: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("pipeline.yaml"), pipeline).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_runner")), args)
    }

    /// Like `command`, but with another copy of the binary.
    pub(crate) fn command_of(&self, runner: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(runner);
        command.args(args).current_dir(self.folder.path());
        let ours = std::env::vars_os().map(|(name, _)| name);
        for variable in ours.filter(|name| name.to_string_lossy().starts_with("RUNNER_")) {
            command.env_remove(variable);
        }
        for variable in ["RUST_BACKTRACE", "NO_COLOR", "CLICOLOR_FORCE"] {
            command.env_remove(variable);
        }
        // Ignores the configuration of the user who runs the tests.
        command.env("XDG_CONFIG_HOME", self.path(".config"));
        command
    }

    /// Runs `runner` with `args` to its end.
    pub(crate) fn runner(&self, args: &[&str]) -> Finished {
        finish(self.start(args))
    }

    /// Runs `runner run pipeline.yaml --json` with `args` to its end.
    pub(crate) fn run_json(&self, args: &[&str]) -> Finished {
        self.runner(&[&["run", "pipeline.yaml", "--json"], args].concat())
    }

    /// Starts `runner` with `args`.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Runs `runner` with `args` to its end and measures its resource usage.
    pub(crate) fn measure(&self, args: &[&str]) -> Measured {
        let files = [".stdout", ".stderr"].map(|name| self.path(name));
        let [out, err] = files.clone().map(|file| File::create(file).unwrap());
        let mut command = self.command(args);
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        #[expect(
            clippy::zombie_processes,
            reason = "`wait4` reaps the child and returns its usage"
        )]
        let child = command.spawn().unwrap();
        let id = i32::try_from(child.id()).unwrap();
        let mut status = 0;
        // SAFETY: zeros are a valid `rusage`, and both pointers are valid while the call lasts.
        let (ended, usage) = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            (libc::wait4(id, &mut status, 0, &mut usage), usage)
        };
        assert_eq!(ended, id);
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
        let [stdout, stderr] = files.map(|file| fs::read(file).unwrap());
        Measured {
            status: ExitStatus::from_raw(status),
            stdout,
            stderr,
            cpu_seconds: seconds(usage.ru_utime) + seconds(usage.ru_stime),
            peak_kib: usage.ru_maxrss,
        }
    }

    /// Returns the folders of all runs that have a record, in the order in which they began.
    pub(crate) fn runs(&self) -> Vec<PathBuf> {
        let mut runs: Vec<(u64, PathBuf)> = list(&self.path("artifacts/v1/runs"))
            .into_iter()
            .filter_map(|run| {
                let record = fs::read(run.join("run.json")).ok()?;
                let record: Value = serde_json::from_slice(&record).ok()?;
                Some((record["number"].as_u64()?, run))
            })
            .collect();
        runs.sort();
        runs.into_iter().map(|(_, run)| run).collect()
    }

    /// Returns the record of the newest run, without its checksum.
    pub(crate) fn last_run(&self) -> Value {
        let newest = self.runs().pop().expect("there must be a run");
        let record = fs::read(newest.join("run.json")).unwrap();
        let mut record: Value = serde_json::from_slice(&record).unwrap();
        record.as_object_mut().unwrap().remove("checksum");
        record
    }
}

pub(crate) fn finish(child: Child) -> Finished {
    child.wait_with_output().unwrap().into()
}

/// Returns the process ids of a running runner's workers.
pub(crate) fn workers(runner: &Child) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{}/task", runner.id()))
        .into_iter()
        .flatten()
        .flatten();
    let children =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    children
        .flat_map(|line| {
            line.split_whitespace()
                .map(|pid| pid.parse().unwrap())
                .collect::<Vec<_>>()
        })
        .collect()
}

pub(crate) fn first_worker(runner: &Child) -> u32 {
    eventually("started", || workers(runner).first().copied())
}

/// Returns whether a process is gone, or is a zombie: orphans are reaped by another process, perhaps later.
pub(crate) fn has_ended(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| {
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('Z'))
    })
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: u32, signal: Signal) -> Result<(), Errno> {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal)
}

/// Lists the entries of a folder. Returns an empty list if there is no such folder.
pub(crate) fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Returns the path (relative to `folder`) and content of every file below a folder, sorted. The content of a link to
/// anything but a file is its target, and that of a pipe is empty.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let kind = fs::symlink_metadata(&path).map(|metadata| metadata.file_type());
        if path == *folder || kind.as_ref().is_ok_and(fs::FileType::is_dir) {
            open.extend(list(&path));
            continue;
        }
        let content = match kind.unwrap() {
            _ if path.is_file() => fs::read(&path).unwrap(),
            kind if kind.is_symlink() => {
                let target = fs::read_link(&path).unwrap();
                target.into_os_string().into_encoded_bytes()
            }
            _ => Vec::new(),
        };
        let name = path.strip_prefix(folder).unwrap().to_string_lossy();
        found.push((name.into_owned(), content));
    }
    found.sort();
    found
}

/// Waits until `get` returns a value. Panics after a minute.
pub(crate) fn eventually<T>(what: &str, mut get: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = get() {
            return found;
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "not {what} within a minute"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
