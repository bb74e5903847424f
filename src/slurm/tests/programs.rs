//! Programs that other tests start: this test binary plays `runner node`, and a driver that is killed.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use contract::files;
use rustix::process::{Pid, Signal, getpid, getppid, kill_process};
use serde_json::{Value, json};

use super::cluster::{Cluster, VERSION, run_all};
use crate::{Driver, EndResult, Identity, Interrupts, JobFolder, Node, Start, Used, check};

/// Plays `runner node`. The work of the job says what to do:
///
/// | key | what the node does |
/// | --- | --- |
/// | `events` | writes so many events |
/// | `exit`, `kill`, `kill_parent` | ends without an ending: by itself, by a signal, by a signal to the batch script |
/// | `memory` | uses so many MiB |
/// | `units` | works for so many steps of 0.1 s, and keeps a checkpoint when it is interrupted |
/// | `deaf` | does not react to signals |
/// | `fail` | fails with this value |
#[test]
#[ignore = "a program for other tests"]
fn node() {
    let Some(folder) = std::env::var_os("STAND_IN_JOB") else {
        return;
    };
    let identity = Identity {
        version: std::env::var("STAND_IN_VERSION").unwrap_or_else(|_| VERSION.to_owned()),
        processor: "test".to_owned(),
    };
    let code = match Node::start(JobFolder::at(folder), &identity) {
        Ok(Start::Run(node)) => work(*node),
        Ok(Start::Idle(_)) => 0,
        Err(_) => 1,
    };
    std::process::exit(code);
}

fn work(node: Node) -> i32 {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let work = node.request().work.clone();
    let is_deaf = work["deaf"] == true;
    let _listening = Interrupts::listen(move |_| flag.store(!is_deaf, Ordering::SeqCst)).unwrap();
    if let Some(answer) = check::on_node(&work).unwrap() {
        return node
            .end(EndResult::Succeeded(answer), Used::default())
            .unwrap();
    }
    let number = |key: &str| work[key].as_u64();
    note_run(Path::new(work["runs"].as_str().unwrap()), &work["name"]);
    for event in 0..number("events").unwrap_or_default() {
        node.event(&json!({ "event": event })).unwrap();
    }
    super::cluster::say("output of the node");
    if let Some(mib) = number("memory") {
        let mut bytes = vec![1_u8; (mib as usize) << 20];
        bytes.iter_mut().step_by(4096).for_each(|byte| *byte += 1);
        std::hint::black_box(&bytes);
        // Slurm looks only every few seconds.
        thread::sleep(Duration::from_secs(60));
    }
    if let Some(code) = number("exit") {
        std::process::exit(code as i32);
    }
    let kill = |process: Option<Pid>| kill_process(process.unwrap(), Signal::KILL).unwrap();
    if work["kill"] == true {
        kill(Some(getpid()));
    }
    if work["kill_parent"] == true {
        kill(getppid());
        // Slurm ends what is left of the job, but not at once.
        thread::sleep(Duration::from_secs(60));
    }
    if !work["fail"].is_null() {
        let result = EndResult::Failed(work["fail"].clone());
        return node.end(result, Used::default()).unwrap();
    }
    let (result, units) = train(&node, number("units").unwrap_or_default(), &stop);
    let used = Used {
        seconds: units as f64 / 10.0,
        ..Used::default()
    };
    node.end(result, used).unwrap()
}

/// Works step by step. The result depends on every step, so it shows if one was left out or done twice.
fn train(node: &Node, units: u64, stop: &AtomicBool) -> (EndResult, u64) {
    let checkpoint = node.folder().path().join("checkpoint");
    let kept = files::read_text(&checkpoint, 100).unwrap_or_default();
    let (mut done, mut state) = match kept.split_once(' ') {
        Some((done, state)) => (done.parse().unwrap(), state.parse().unwrap()),
        None => (0, 1_u64),
    };
    while done < units {
        if stop.load(Ordering::SeqCst) {
            let fresh = checkpoint.with_extension("new");
            fs::write(&fresh, format!("{done} {state}")).unwrap();
            fs::rename(fresh, checkpoint).unwrap();
            return (EndResult::Paused, done);
        }
        thread::sleep(Duration::from_millis(100));
        done += 1;
        state = step(state);
    }
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let result = json!({ "state": state, "gpus": visible });
    (EndResult::Succeeded(result), done)
}

fn step(state: u64) -> u64 {
    state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1)
}

/// Returns the state after so many steps without an interruption.
pub(super) fn undisturbed(units: u64) -> u64 {
    (0..units).fold(1, |state, _| step(state))
}

/// Notes that the work of a job was begun. One write is atomic.
fn note_run(file: &Path, name: &Value) {
    let mut options = fs::File::options();
    let mut file = files::open_with(file, options.create(true).append(true)).unwrap();
    let line = format!("{}\n", name.as_str().unwrap());
    std::io::Write::write_all(&mut file, line.as_bytes()).unwrap();
}

/// Plays a driver, in a process that a test can kill.
#[test]
#[ignore = "a program for other tests"]
fn driver() {
    let Some(folder) = std::env::var_os("STAND_IN_DRIVER") else {
        return;
    };
    let cluster = Cluster::attach(Path::new(&folder));
    let count: usize = std::env::var("STAND_IN_JOBS").unwrap().parse().unwrap();
    let what: Value = serde_json::from_str(&std::env::var("STAND_IN_WORK").unwrap()).unwrap();
    let client = match std::env::var("STAND_IN_SBATCH") {
        Ok(text) => cluster.client_with(&[("sbatch", &text)]),
        Err(_) => cluster.client(),
    };
    let driver = Driver::new(cluster.submitter(client, |_| {}), VERSION).unwrap();
    let jobs: Vec<_> = (0..count)
        .map(|number| cluster.job(&format!("job{number}"), what.clone()))
        .collect();
    for followed in run_all(&driver, &jobs) {
        super::cluster::result(&followed.outcome);
    }
}
