//! Runs during which the controller is down, a node is lost, or the time limit ends a training.
//!
//! Slurm lets a job that was put back into the queue wait for two minutes, so these tests belong to the full suite.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::runs::{COUNTING, FAST, GATED, command, is_full, outputs, ran, sandbox, start};
use super::*;
use crate::sandbox::finish;

/// A training that saves checkpoints. 100 epochs take about 10 s.
const TRAINING: &str = r#"
version: 1
name: training
seed: 3
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 2400, test_images: 20 } }, image_size: 16, validation: 0.2 }
  augmented:
    kind: augment
    inputs: { images: xrays.train }
    params: { shear: 0.2, zoom: 0.2, horizontal_flip: true }
  cnn:
    kind: train-cnn
    inputs: { train: augmented, validation: xrays.validation }
    params:
      model: [{ conv: { filters: 16 } }, { batch_norm: {} }, { conv: { filters: 16 } }, { max_pool: 2 }, flatten, { dropout: 0.3 }, { dense: { units: 1 } }]
      epochs: EPOCHS
"#;

/// The training, on this machine and without a disturbance.
fn undisturbed(epochs: u32) -> (String, Vec<(String, Vec<u8>)>) {
    let pipeline = TRAINING.replace("EPOCHS", &epochs.to_string());
    let here = Sandbox::new(&pipeline);
    let ended = here.runner(&["run", "pipeline.yaml"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    (pipeline, outputs(&here))
}

/// Returns the job folder of a stage.
fn attempt(sandbox: &Sandbox, stage: &str) -> Option<PathBuf> {
    let jobs = list(&sandbox.path("artifacts/v1/jobs"));
    let mut attempts = jobs.iter().flat_map(|job| list(job));
    let wanted = format!("\"stage\":\"{stage}\"");
    attempts.find(|attempt| {
        let request = fs::read_to_string(attempt.join("request.json"));
        request.is_ok_and(|request| request.contains(&wanted))
    })
}

/// Returns `started.json` of the stage's job, if it has started at least `restart` times again.
fn started(sandbox: &Sandbox, stage: &str, restart: u64) -> Option<Value> {
    let text = fs::read_to_string(attempt(sandbox, stage)?.join("started.json")).ok()?;
    let started: Value = serde_json::from_str(&text).ok()?;
    (started["restart"].as_u64() >= Some(restart)).then_some(started)
}

/// Starts a cluster with these options, and lets everything happen to runs on it.
fn outages_change_nothing(options: &[&str]) {
    if !is_full() {
        return skip("`RUNNER_SUITE` is not `full`");
    }
    let Some(cluster) = Cluster::start(options) else {
        return;
    };
    controller_is_down(&cluster);
    node_is_lost(&cluster);
    time_limit_is_reached_twice(&cluster);
}

fn controller_is_down(cluster: &Cluster) {
    // Takes 1 to 9 s for each stage, and the last one is submitted while the controller is down.
    let pipeline = COUNTING.replace("sleep 0.", "sleep ");
    let here = sandbox(&pipeline);
    let ended = here.runner(&["run", "pipeline.yaml"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let there = sandbox(&pipeline);
    let driver = start(cluster, &there, &[]);
    wait_for("a job", || (!ran(&there).is_empty()).then_some(()));
    cluster.stop("slurmctld");
    thread::sleep(Duration::from_secs(30));
    cluster.start_again();
    let ended = finish(driver);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("Slurm does not answer"), "{ended:?}");
    assert!(ended.stderr.contains("Slurm answers again"), "{ended:?}");
    assert_eq!(ran(&there), ran(&here));
    assert_eq!(outputs(&there), outputs(&here));
}

fn node_is_lost(cluster: &Cluster) {
    let (pipeline, expected) = undisturbed(200);
    let there = sandbox(&pipeline);
    let driver = start(cluster, &there, &[]);
    let first = wait_for("the start", || started(&there, "cnn", 0));
    wait_for("a checkpoint", || {
        let events = fs::read_to_string(attempt(&there, "cnn")?.join("events.jsonl")).ok()?;
        events.to_lowercase().contains("checkpoint").then_some(())
    });
    let node = first["node"].as_str().unwrap();
    cluster.stop(&format!("slurmd-{node}"));
    cluster.shell(&format!(
        "scontrol update nodename={node} state=down reason=test"
    ));
    let process = first["process"].as_i64().unwrap();
    let process = Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    // The process dies at once, as in a power failure, and saves no checkpoint.
    kill_process(process, Signal::KILL).unwrap();
    let second = wait_for("the second start", || started(&there, "cnn", 1));
    assert_ne!(second["node"], first["node"]);
    let ended = finish(driver);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("resumes after"), "{ended:?}");
    assert_eq!(outputs(&there), expected);
    cluster.start_again();
    cluster.shell(&format!("scontrol update nodename={node} state=resume"));
}

fn time_limit_is_reached_twice(cluster: &Cluster) {
    let (pipeline, expected) = undisturbed(1250);
    let there = sandbox(&pipeline);
    // The signal comes 35 s before the limit of one minute. Slurm looks at limits twice a minute.
    configure(
        &there,
        "poll = 0.5\nlate = 10\ntime_limit = 1\ngrace = 35\n",
    );
    let driver = start(cluster, &there, &[]);
    wait_for("the third start", || started(&there, "cnn", 2));
    let ended = finish(driver);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("Slurm interrupted job"), "{ended:?}");
    assert_eq!(outputs(&there), expected);
}

#[test]
fn outages_change_nothing_without_accounting() {
    outages_change_nothing(&[]);
}

#[test]
fn outages_change_nothing_with_accounting() {
    outages_change_nothing(&["--accounting"]);
}

#[test]
fn a_controller_that_cannot_be_found_is_reported_soon() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let there = sandbox(COUNTING);
    let mut command = command(&cluster, &there, &[]);
    command.env("SLURM_CONF", there.path("missing.conf"));
    let mut driver = command.spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(driver.stderr.take().unwrap()));
    let line = lines.find_map(|line| line.ok().filter(|line| line.contains("does not answer")));
    driver.kill().unwrap();
    driver.wait().unwrap();
    let line = line.unwrap();
    assert!(line.contains("missing.conf"), "{line}");
}

#[test]
fn a_stage_that_is_forced_starts_over_and_a_changed_request_replaces_a_waiting_job() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let resources = "    resources: { memory: 300MiB }\n    params:";
    let there = sandbox(&GATED.replace("    params:", resources));
    let text = fs::read_to_string(there.path("pipeline.yaml")).unwrap();
    configure(&there, &format!("{FAST}extra = [\"#SBATCH --hold\"]\n"));
    let mut driver = start(&cluster, &there, &[]);
    let first = wait_for("the job", || job(&there, 1));
    driver.kill().unwrap();
    driver.wait().unwrap();
    configure(&there, FAST);
    let shown = there.runner(&["status", "pipeline.yaml"]);
    let says = format!("it: Slurm job {first} is submitted");
    assert!(shown.stdout.contains(&says), "{shown:?}");
    fs::write(
        there.path("pipeline.yaml"),
        text.replace("300MiB", "200MiB"),
    )
    .unwrap();
    let plan = there.runner(&["plan", "pipeline.yaml", "--executor", "slurm"]);
    for words in [
        "the next run replaces it, because the stage asks for other resources now",
        "slurm: 1 stage, each with --cpus-per-task=1 --mem=264M",
    ] {
        assert!(plan.stdout.contains(words), "{words}: {plan:?}");
    }
    let mut driver = start(&cluster, &there, &[]);
    wait_for("the start", || (ran(&there).len() == 1).then_some(()));
    wait_for("the end of the first job", || {
        (cluster.state(first) == "CANCELLED").then_some(())
    });
    let second = job(&there, 2).unwrap();
    driver.kill().unwrap();
    driver.wait().unwrap();
    let shown = there.runner(&["runs", "show"]);
    let says = format!("it: Slurm job {second} has started on ");
    assert!(shown.stdout.contains(&says), "{shown:?}");

    let driver = start(&cluster, &there, &["--force", "it"]);
    wait_for("the start", || (ran(&there).len() == 2).then_some(()));
    fs::write(there.path("gate"), "").unwrap();
    let ended = finish(driver);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("is cancelled, because"), "{ended:?}");
    wait_for("the end of the second job", || {
        (cluster.state(second) == "CANCELLED").then_some(())
    });
}

/// Returns the id of the only job's attempt.
fn job(sandbox: &Sandbox, attempt: u32) -> Option<u64> {
    let jobs = list(&sandbox.path("artifacts/v1/jobs"));
    let mut roots = jobs.iter().filter(|root| !root.ends_with("submissions"));
    let record = roots.next()?.join(format!("attempt-{attempt}/job.json"));
    let record: Value = serde_json::from_str(&fs::read_to_string(record).ok()?).ok()?;
    record["job"].as_u64()
}
