//! Runs whose stages are jobs.

use std::process::{Child, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use super::*;
use crate::sandbox::{TINY, files, finish, signal};

/// Settings with which a test need not wait long.
pub(super) const FAST: &str = "poll = 0.5\nlate = 10\n";

/// Five programs, each of which adds a line to the file `ran`, and a sixth that reads their outputs.
pub(super) const COUNTING: &str = r#"
version: 1
name: counting
stages:
  one:
    kind: command
    matrix: { n: [1, 2, 3, 4, 5] }
    params:
      shell: true
      argv: "echo ${matrix.n} >> \"$PROJECT/ran\"; sleep 0.$(( ${matrix.n} * 2 - 1 )); echo ${matrix.n} > o"
      outputs: { o: o }
  all:
    kind: command
    inputs: { parts: one.o }
    params:
      shell: true
      argv: "echo all >> \"$PROJECT/ran\"; cat parts/*/* > o"
      outputs: { o: o }
"#;

/// A program that prints a line, adds one to the file `ran`, and ends once the file `gate` is there.
pub(super) const GATED: &str = r#"
version: 1
name: gated
stages:
  it:
    kind: command
    params: { shell: true, argv: "echo 1 >> \"$PROJECT/ran\"; echo has begun; while ! [ -e \"$PROJECT/gate\" ]; do sleep 0.1; done; echo done > o", outputs: { o: o } }
"#;

/// `$PROJECT` in the pipeline stands for the folder of the sandbox.
pub(super) fn sandbox(pipeline: &str) -> Sandbox {
    let sandbox = Sandbox::new("");
    let folder = sandbox.path("");
    let text = pipeline.replace("$PROJECT", folder.to_str().unwrap());
    fs::write(sandbox.path("pipeline.yaml"), text).unwrap();
    configure(&sandbox, FAST);
    sandbox
}

/// `runner run pipeline.yaml --executor slurm` with `args`.
pub(super) fn command(cluster: &Cluster, sandbox: &Sandbox, args: &[&str]) -> Command {
    let run = ["run", "pipeline.yaml", "--executor", "slurm"];
    let mut command = cluster.command(sandbox, &[&run, args].concat());
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(super) fn start(cluster: &Cluster, sandbox: &Sandbox, args: &[&str]) -> Child {
    command(cluster, sandbox, args).spawn().unwrap()
}

pub(super) fn run(cluster: &Cluster, sandbox: &Sandbox, args: &[&str]) -> Finished {
    finish(start(cluster, sandbox, args))
}

/// Lines of the file `ran`, sorted.
pub(super) fn ran(sandbox: &Sandbox) -> Vec<String> {
    let text = fs::read_to_string(sandbox.path("ran")).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The outputs of the latest run, by path.
pub(super) fn outputs(sandbox: &Sandbox) -> Vec<(String, Vec<u8>)> {
    let mut files = files(&sandbox.path("artifacts/latest"));
    // Keys differ if a pipeline has the path of its sandbox in it.
    files.retain(|(path, _)| !path.ends_with(".outputs.json"));
    files
}

/// The report of a stage in the latest run's record.
pub(super) fn stage(record: &Value, name: &str) -> Value {
    let stages = record["stages"].as_array().unwrap();
    let found = stages.iter().find(|stage| stage["name"] == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {record}"))
        .clone()
}

pub(super) fn is_full() -> bool {
    std::env::var("RUNNER_SUITE").is_ok_and(|suite| suite == "full")
}

#[test]
fn results_have_the_same_bytes_as_on_this_machine() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let here = Sandbox::new(TINY);
    assert_eq!(here.runner(&["run", "pipeline.yaml"]).code, Some(0));
    let there = sandbox(TINY);
    let ended = run(&cluster, &there, &["--json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(outputs(&there), outputs(&here));
    let record = there.last_run();
    for name in ["xrays", "cnn[4]", "cnn[6]"] {
        let stage = stage(&record, name);
        assert!(stage["node"].as_str().unwrap().starts_with('t'), "{stage}");
        assert!(stage["peak_memory_mib"].as_f64().unwrap() > 1.0, "{stage}");
    }
    // The results are in the store, so nothing is left of the jobs.
    let left = list(&there.path("artifacts/v1/jobs"));
    let left: Vec<_> = left
        .iter()
        .filter(|path| !path.ends_with("submissions"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let again = run(&cluster, &there, &["--json"]);
    assert!(
        again
            .outcomes()
            .iter()
            .all(|(_, outcome)| outcome == "cached")
    );
}

#[test]
fn a_driver_that_is_killed_loses_nothing_and_submits_nothing_twice() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let here = sandbox(COUNTING);
    let ended = here.runner(&["run", "pipeline.yaml"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (times, kills) = if is_full() { (10, 3) } else { (1, 3) };
    for time in 0..times {
        let there = sandbox(COUNTING);
        for kill in 0..kills {
            let mut driver = start(&cluster, &there, &[]);
            // Spread over the life of a driver.
            let moment = (time * kills + kill + 1) * 997 % 3000;
            thread::sleep(Duration::from_millis(moment));
            driver.kill().unwrap();
            driver.wait().unwrap();
        }
        let ended = run(&cluster, &there, &[]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(ran(&there), ran(&here));
        assert_eq!(outputs(&there), outputs(&here));
    }
}

#[test]
fn a_program_with_code_and_data_files_runs_on_a_node() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let there = sandbox(
        r#"
version: 1
name: files
stages:
  it:
    kind: command
    params: { argv: [sh, it.sh], code: [it.sh], files: { data: data.txt }, env: [LEVEL=3], outputs: { o: o } }
"#,
    );
    fs::write(there.path("it.sh"), "cat data > o; echo $LEVEL >> o\n").unwrap();
    fs::write(there.path("data.txt"), "data\n").unwrap();
    let ended = run(&cluster, &there, &["--json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let made = fs::read_to_string(there.path("artifacts/latest/files/it/o/o")).unwrap();
    assert_eq!(made, "data\n3\n");
}

#[test]
fn two_drivers_share_a_store() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let there = sandbox(COUNTING);
    let drivers = [(); 2].map(|()| start(&cluster, &there, &["--json"]));
    for driver in drivers {
        let ended = finish(driver);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    assert_eq!(ran(&there), ["1", "2", "3", "4", "5", "all"]);
}

#[test]
fn ctrl_c_leaves_jobs_and_a_second_one_cancels_them() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let there = sandbox(GATED);
    let has_started = || (!ran(&there).is_empty()).then_some(());
    let driver = start(&cluster, &there, &[]);
    wait_for("the start of the job", has_started);
    // The log of a job can be read while it runs.
    wait_for("its log", || {
        let logs = there.runner(&["runs", "logs", "latest"]);
        logs.stdout.contains("has begun").then_some(())
    });
    signal(driver.id(), Signal::INT).unwrap();
    let left = finish(driver);
    assert_eq!(left.code, Some(130), "{left:?}");
    assert!(left.stderr.contains("go on"), "{left:?}");
    assert!(left.stderr.contains("it: left as Slurm job"), "{left:?}");
    assert!(!left.stderr.contains("are killed"), "{left:?}");
    let second = start(&cluster, &there, &["-v"]);
    fs::write(there.path("gate"), "").unwrap();
    let collected = finish(second);
    assert_eq!(collected.code, Some(0), "{collected:?}");
    assert!(
        collected.stderr.contains("continues Slurm job"),
        "{collected:?}"
    );
    assert_eq!(ran(&there), ["1"]);

    fs::remove_file(there.path("gate")).unwrap();
    fs::remove_file(there.path("ran")).unwrap();
    let driver = start(&cluster, &there, &["--force", "it"]);
    wait_for("the start of the job", has_started);
    signal(driver.id(), Signal::INT).unwrap();
    thread::sleep(Duration::from_millis(500));
    signal(driver.id(), Signal::INT).unwrap();
    let cancelled = finish(driver);
    assert_eq!(cancelled.code, Some(130), "{cancelled:?}");
    let root = there.path("artifacts/v1/jobs");
    assert!(
        cancelled.stderr.contains("cancelling"),
        "{cancelled:?} {root:?}"
    );
    assert!(cancelled.stderr.contains("it: cancelled"), "{cancelled:?}");
    // The job is gone, so the next run starts a new one.
    fs::write(there.path("gate"), "").unwrap();
    let ended = run(&cluster, &there, &["--force", "it"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ran(&there), ["1", "1"]);
}

/// The input of the stage was made in the same run, and is checked after the stage.
#[test]
fn ctrl_c_leaves_a_job_whose_input_is_new() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let before = r#"
stages:
  before:
    kind: command
    params: { argv: [sh, -c, "echo before > o"], outputs: { o: o } }
  it:
    inputs: { before: before.o }"#;
    let there = sandbox(&GATED.replace("\nstages:\n  it:", before));
    let driver = start(&cluster, &there, &[]);
    wait_for("the start of the job", || {
        (!ran(&there).is_empty()).then_some(())
    });
    signal(driver.id(), Signal::INT).unwrap();
    let left = finish(driver);
    assert_eq!(left.code, Some(130), "{left:?}");
    assert!(left.stderr.contains("it: left as Slurm job"), "{left:?}");
    fs::write(there.path("gate"), "").unwrap();
    let collected = run(&cluster, &there, &[]);
    assert_eq!(collected.code, Some(0), "{collected:?}");
    assert_eq!(ran(&there), ["1"]);
}

#[test]
fn a_job_that_slurm_never_starts_does_not_stay_in_the_queue() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let pipeline = r#"
version: 1
name: wide
stages:
  wide:
    kind: command
    resources: { cpus: 63 }
    params: { argv: ["true"] }
"#;
    let there = sandbox(pipeline);
    let ended = run(&cluster, &there, &["--json"]);
    assert_eq!(ended.code, Some(100), "{ended:?}");
    let error = stage(&there.last_run(), "wide")["error"].to_string();
    assert!(error.contains("Slurm does not start job"), "{error}");
    // Other tests use the cluster, but no other job asks for so many cores.
    let waiting = cluster.shell("squeue -h -o '%C %T' | grep '^63 '");
    assert_eq!(waiting, "");
}

#[test]
fn every_end_of_a_job_is_told_apart() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let pipeline = r#"
version: 1
name: ends
stages:
  fails:
    kind: command
    params: { shell: true, argv: "echo wrong flag; exit 3", outputs: { o: o } }
  grows:
    kind: command
    resources: { memory: 100MiB }
    params: { shell: true, argv: "exec awk 'BEGIN { s = \"x\"; while (1) s = s s }'", outputs: { o: o } }
  hangs:
    kind: command
    timeout: 2s
    params: { shell: true, argv: "sleep 60", outputs: { o: o } }
  cancelled:
    kind: command
    params: { shell: true, argv: "echo 1 >> \"$PROJECT/ran\"; sleep 100", outputs: { o: o } }
  wide:
    kind: command
    resources: { cpus: 64 }
    params: { shell: true, argv: "echo never > o", outputs: { o: o } }
"#;
    let there = sandbox(pipeline);
    let driver = start(&cluster, &there, &["-k", "--json"]);
    let job = wait_for("the start of the job to cancel", || {
        let started = ran(&there);
        let jobs = list(&there.path("artifacts/v1/jobs"));
        let folders = jobs.iter().map(|job| job.join("attempt-1"));
        let mut folders = folders.filter(|folder| {
            let request = fs::read_to_string(folder.join("request.json"));
            request.is_ok_and(|request| request.contains("\"stage\":\"cancelled\""))
        });
        let record = fs::read_to_string(folders.next()?.join("job.json")).ok()?;
        let record: Value = serde_json::from_str(&record).ok()?;
        let element = record["element"].as_u64();
        let element = element.map(|element| format!("_{element}"));
        let id = format!("{}{}", record["job"], element.unwrap_or_default());
        (!started.is_empty()).then_some(id)
    });
    cluster.shell(&format!("scancel {job}"));
    let ended = finish(driver);
    assert_eq!(ended.code, Some(100), "{ended:?}");
    let record = there.last_run();
    for (name, words) in [
        ("fails", ["exit code 3", "wrong flag"]),
        ("grows", ["memory", "MiB"]),
        ("hangs", ["2", "s"]),
        ("cancelled", ["Slurm job", "was cancelled"]),
        ("wide", ["Slurm does not start job", "cpus"]),
    ] {
        let stage = stage(&record, name);
        let error = stage["error"].as_str().unwrap();
        assert!(
            words.iter().all(|word| error.contains(word)),
            "{name}: {error}"
        );
    }
}

#[test]
fn stages_share_a_job() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let packed = COUNTING.replace("    matrix:", "    pack: 3\n    matrix:");
    let there = sandbox(&packed);
    let ended = run(&cluster, &there, &["--json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ran(&there), ["1", "2", "3", "4", "5", "all"]);
    let jobs = cluster.shell("scontrol -o show job | grep -c 'Comment=runner:'");
    assert!(jobs.parse::<u32>().unwrap() > 0, "{jobs}");
}

#[test]
fn a_node_with_another_kind_of_processor_refuses_a_training() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let there = Sandbox::new(TINY);
    configure(&there, &format!("{FAST}processor = \"x86-other\"\n"));
    let ended = run(&cluster, &there, &["-k", "--json"]);
    assert_eq!(ended.code, Some(100), "{ended:?}");
    let error = stage(&there.last_run(), "cnn[4]")["error"].to_string();
    assert!(error.contains("`slurm.processor`"), "{error}");
    assert!(error.contains("x86-other"), "{error}");
}
