//! Stages run on another machine over SSH: on a real server on the loopback interface, if `RUNNER_TEST_SSH` names a
//! folder in which `tests/cluster/ssh-start` was run.

mod doctor;
mod settings;
mod troubles;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::sandbox::{
    Finished, Sandbox, TINY, copy_program, eventually, files, finish, has_ended, list, signal, skip,
};

/// A training of some seconds, with everything that has state. The dataset is made here.
const TRAINING: &str = r#"
version: 1
name: training
seed: 3
vars: { images: 600, epochs: 60 }
stages:
  xrays:
    kind: dataset
    executor: local
    params: { source: { phantom: { images: "${images}", test_images: 20 } }, image_size: 16, validation: 0.2 }
  cnn:
    kind: train-cnn
    inputs: { train: xrays.train, validation: xrays.validation }
    params:
      model: [{ conv: { filters: 16 } }, { batch_norm: {} }, { conv: { filters: 16 } }, { max_pool: 2 }, flatten, { dropout: 0.3 }, { dense: { units: 1 } }]
      epochs: "${epochs}"
"#;

/// A driver in a sandbox, and the host `loopback` with a store and a copy of the binary in the same sandbox.
struct Machines {
    sandbox: Sandbox,
}

impl Machines {
    /// `None` without an SSH server.
    fn new(pipeline: &str) -> Option<Self> {
        let Some(server) = std::env::var_os("RUNNER_TEST_SSH") else {
            skip("`RUNNER_TEST_SSH` is not set, so SSH is not tested");
            return None;
        };
        let sandbox = Sandbox::new(pipeline);
        // Processes of the host are recognized by the path of their program.
        let binary = Path::new(env!("CARGO_BIN_EXE_runner"));
        copy_program(binary, &sandbox.path("host-runner"));
        fs::create_dir(sandbox.path("bin")).unwrap();
        let config = Path::new(&server).join("config");
        let real = Command::new("sh").args(["-c", "command -v ssh"]).output();
        let real = String::from_utf8(real.unwrap().stdout).unwrap();
        let script = format!(
            "#!/bin/sh\necho >>'{}'\nexec {} -F '{}' \"$@\"\n",
            sandbox.path("connections").display(),
            real.trim(),
            config.display()
        );
        write_program(&sandbox.path("bin/ssh"), &script);
        let machines = Self { sandbox };
        machines.configure("host-runner", "");
        Some(machines)
    }

    /// Writes the settings of the host: its program, and more lines.
    fn configure(&self, binary: &str, more: &str) {
        let path = |name| self.sandbox.path(name).display().to_string();
        let text = format!(
            "[ssh.loopback]\nbinary = '{}'\nstore = '{}'\n{more}\n",
            path(binary),
            path("host store"),
        );
        fs::create_dir_all(self.sandbox.path(".config/runner")).unwrap();
        fs::write(self.sandbox.path(".config/runner/config.toml"), text).unwrap();
    }

    /// Forgets the connections so far.
    fn count_connections(&self) {
        fs::write(self.sandbox.path("connections"), "").unwrap();
    }

    /// Returns the number of times that `ssh` was started.
    fn connections(&self) -> usize {
        let text = fs::read_to_string(self.sandbox.path("connections"));
        text.unwrap_or_default().lines().count()
    }

    fn start(&self, args: &[&str]) -> Child {
        self.start_command(&[&["run", "pipeline.yaml"], args].concat())
    }

    fn start_command(&self, args: &[&str]) -> Child {
        let bin = self.sandbox.path("bin").display().to_string();
        let path = std::env::var("PATH").unwrap();
        let mut command = self.sandbox.command(args);
        command
            .env("PATH", format!("{bin}:{path}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Runs the pipeline on the host.
    fn run(&self, args: &[&str]) -> Finished {
        let on_host = ["--executor", "ssh:loopback"];
        finish(self.start(&[&on_host, args].concat()))
    }

    /// Returns the path and the bytes of every output.
    fn outputs(&self) -> Vec<(String, Vec<u8>)> {
        files(&self.sandbox.path("artifacts/latest"))
    }

    /// Returns the events of the newest run.
    fn events(&self) -> String {
        let runs = list(&self.sandbox.path("artifacts/v1/runs"));
        let newest = runs.into_iter().max();
        newest.map_or_else(String::new, |run| {
            fs::read_to_string(run.join("events.jsonl")).unwrap_or_default()
        })
    }

    /// Returns the processes of the host and their children.
    fn host_processes(&self) -> Vec<u32> {
        let program = self.sandbox.path("host-runner").display().to_string();
        let numbers = list(Path::new("/proc")).into_iter().filter_map(|process| {
            let pid: u32 = process.file_name()?.to_str()?.parse().ok()?;
            let exe = fs::read_link(process.join("exe")).ok()?;
            exe.to_string_lossy().starts_with(&program).then_some(pid)
        });
        numbers.filter(|pid| !has_ended(*pid)).collect()
    }

    /// Waits until the host trains.
    fn wait_for_training(&self) -> Vec<u32> {
        eventually("training", || {
            let trains = self.events().contains(r#""stage":"cnn","progress""#);
            // The node, and its worker.
            let processes = self.host_processes();
            (trains && processes.len() >= 2).then_some(processes)
        })
    }

    /// Waits until the driver has a checkpoint.
    fn wait_for_checkpoint(&self) {
        eventually("kept", || {
            let keys = list(&self.sandbox.path("artifacts/v1/checkpoints"));
            let mut folders = keys.iter().flat_map(|key| list(key));
            folders.any(|folder| folder.is_dir()).then_some(())
        });
    }

    fn wait_for_quiet_host(&self) {
        eventually("quiet", || self.host_processes().is_empty().then_some(()));
    }
}

fn write_program(path: &Path, text: &str) {
    let draft = path.with_extension("draft");
    fs::write(&draft, text).unwrap();
    copy_program(&draft, path);
}

/// Returns the outputs of a run on this machine.
fn outputs_here(pipeline: &str, args: &[&str]) -> Vec<(String, Vec<u8>)> {
    let here = Sandbox::new(pipeline);
    let run = here.runner(&[&["run", "pipeline.yaml"], args].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    files(&here.path("artifacts/latest"))
}

fn assert_same(found: &[(String, Vec<u8>)], expected: &[(String, Vec<u8>)]) {
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(found), names(expected));
    for ((name, bytes), (_, expected)) in found.iter().zip(expected) {
        assert!(bytes == expected, "`{name}` differs");
    }
}

#[test]
fn stages_on_a_host_give_the_same_bytes_as_here() {
    let Some(machines) = Machines::new(TINY) else {
        return;
    };
    let run = machines.run(&[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_same(&machines.outputs(), &outputs_here(TINY, &[]));
    let events = machines.events();
    assert_eq!(events.matches("runs on loopback").count(), 3, "{events}");
    assert!(events.contains("waits for loopback"), "{events}");
    let cached = machines.run(&["--json"]);
    assert_eq!(cached.json()["counts"]["cached"], 3, "{cached:?}");
    machines.wait_for_quiet_host();
    let left = list(&machines.sandbox.path("host store/v1/tmp"));
    let left: Vec<&PathBuf> = left
        .iter()
        .filter(|path| !path.ends_with(".lock"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let actions = list(&machines.sandbox.path("host store/v1/actions"));
    assert!(actions.is_empty(), "the host keeps no records");
}

#[test]
fn several_stages_run_at_once_and_files_are_sent_once() {
    let pipeline = TINY.replace("kind: dataset", "kind: dataset\n    executor: local");
    let Some(machines) = Machines::new(&pipeline) else {
        return;
    };
    let sends = |machines: &Machines| machines.events().matches("\"text\":\"sends ").count();
    machines.run(&[]);
    // The second training has the same inputs.
    assert_eq!(sends(&machines), 1, "{}", machines.events());
    machines.configure("host-runner", "jobs = 2");
    let run = machines.run(&["-S", "epochs=3"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(sends(&machines), 0, "{}", machines.events());
    assert!(
        !machines.events().contains("waits for"),
        "{}",
        machines.events()
    );
    // A damaged file is sent again.
    for blob in files(&machines.sandbox.path("host store/v1/cas")) {
        let path = machines.sandbox.path("host store/v1/cas").join(blob.0);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "damaged").unwrap();
    }
    machines.configure("host-runner", "");
    let run = machines.run(&["-S", "epochs=4"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(sends(&machines), 1, "{}", machines.events());
    assert_same(
        &machines.outputs(),
        &outputs_here(&pipeline, &["-S", "epochs=4"]),
    );
}

#[test]
fn a_lost_connection_is_retried_from_the_last_checkpoint() {
    let Some(machines) = Machines::new(TRAINING) else {
        return;
    };
    let driver = machines.start(&["--executor", "ssh:loopback", "--retries", "1"]);
    machines.wait_for_training();
    machines.wait_for_checkpoint();
    let clients = crate::sandbox::workers(&driver);
    assert!(!clients.is_empty());
    for client in clients {
        signal(client, Signal::KILL).unwrap();
    }
    let run = finish(driver);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("resumes after "), "{run:?}");
    assert_same(&machines.outputs(), &outputs_here(TRAINING, &[]));
    machines.wait_for_quiet_host();
}

#[test]
fn stages_end_with_a_killed_driver() {
    let Some(machines) = Machines::new(TRAINING) else {
        return;
    };
    let mut driver = machines.start(&["--executor", "ssh:loopback", "-S", "epochs=2000"]);
    let processes = machines.wait_for_training();
    driver.kill().unwrap();
    driver.wait().unwrap();
    for process in processes {
        eventually("ended", || has_ended(process).then_some(()));
    }
    machines.wait_for_quiet_host();
}

#[test]
fn an_interrupted_training_saves_a_checkpoint_and_goes_on_later() {
    // Epochs that are long enough to be stopped in the middle.
    let long = ["-S", "images=12000", "-S", "epochs=2"];
    let Some(machines) = Machines::new(TRAINING) else {
        return;
    };
    let driver = machines.start(&[&["--executor", "ssh:loopback"], &long[..]].concat());
    machines.wait_for_training();
    signal(driver.id(), Signal::INT).unwrap();
    let stopped = finish(driver);
    assert_eq!(stopped.code, Some(130), "{stopped:?}");
    assert!(stopped.stderr.contains("cnn: cancelled"), "{stopped:?}");
    machines.wait_for_checkpoint();
    machines.wait_for_quiet_host();
    let run = machines.run(&long);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("resumes after "), "{run:?}");
    assert_same(&machines.outputs(), &outputs_here(TRAINING, &long));
}

#[test]
fn a_second_interruption_kills_the_stage() {
    let Some(machines) = Machines::new(TRAINING) else {
        return;
    };
    let driver = machines.start(&["--executor", "ssh:loopback", "-S", "epochs=2000"]);
    machines.wait_for_training();
    // Stopped, so that it cannot save a checkpoint.
    let processes = machines.host_processes();
    for process in &processes {
        signal(*process, Signal::STOP).unwrap();
    }
    signal(driver.id(), Signal::INT).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    signal(driver.id(), Signal::INT).unwrap();
    let killed = finish(driver);
    assert_eq!(killed.code, Some(130), "{killed:?}");
    for process in &processes {
        // Some systems end stopped processes that lost their session.
        let _ = signal(*process, Signal::CONT);
    }
    machines.wait_for_quiet_host();
}
