//! Failing stages, killed workers and stopped runs.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::sandbox::{Sandbox, TINY, eventually, finish, first_worker, has_ended, signal};

/// Makes the dataset stage take several seconds.
const SLOW: [&str; 2] = ["-S", "images=30000"];

fn outcome(run: &Value, stage: usize) -> &str {
    run["stages"][stage]["outcome"].as_str().unwrap()
}

#[test]
fn a_killed_worker_is_a_failed_stage_and_the_next_run_recovers() {
    let sandbox = Sandbox::new(TINY);
    let runner = sandbox.start(&[&["run", "pipeline.yaml"], &SLOW[..]].concat());
    signal(first_worker(&runner), Signal::KILL).unwrap();
    let failed = finish(runner);
    assert_eq!(failed.code, Some(100), "{failed:?}");
    assert!(
        failed
            .stderr
            .contains("xrays: failed: its worker process was killed by SIGKILL"),
        "{failed:?}"
    );
    let run = sandbox.last_run();
    assert_eq!(run["state"], "failed");
    assert_eq!(
        [outcome(&run, 0), outcome(&run, 1), outcome(&run, 2)],
        ["failed", "skipped", "skipped"]
    );

    let next = sandbox.run_json(&["-S", "images=50"]);
    assert_eq!(next.code, Some(0), "{next:?}");
    assert_eq!(next.json()["counts"]["succeeded"], 3);
}

#[test]
fn a_stopped_run_is_recorded_as_cancelled() {
    for (sent, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let sandbox = Sandbox::new(TINY);
        let runner = sandbox.start(&[&["run", "pipeline.yaml", "--json"], &SLOW[..]].concat());
        let worker = first_worker(&runner);
        signal(runner.id(), sent).unwrap();
        let stopped = finish(runner);
        assert_eq!(stopped.code, Some(code), "{stopped:?}");
        assert!(has_ended(worker));
        let run = sandbox.last_run();
        assert_eq!(stopped.json(), run);
        assert_eq!(run["state"], "cancelled");
        assert_eq!(run["counts"]["cancelled"], 3);
    }
}

#[test]
fn a_worker_ends_with_its_runner_and_leaves_no_lock() {
    let sandbox = Sandbox::new(TINY);
    let mut runner = sandbox.start(&[&["run", "pipeline.yaml"], &SLOW[..]].concat());
    let worker = first_worker(&runner);
    runner.kill().unwrap();
    runner.wait().unwrap();
    eventually("ended", || has_ended(worker).then_some(()));
    // The killed runner could not record how the run ended.
    assert_eq!(sandbox.last_run()["state"], "running");
    let next = sandbox.run_json(&[]);
    assert_eq!(next.code, Some(0), "{next:?}");
}

#[test]
fn two_runners_execute_each_stage_once() {
    let sandbox = Sandbox::new(TINY);
    let args = ["run", "pipeline.yaml", "--json", "-S", "images=2000"];
    let first = sandbox.start(&args);
    std::thread::sleep(Duration::from_millis(50));
    let (second, first) = (sandbox.runner(&args), finish(first));
    let ran = |run: &Value| run["counts"]["succeeded"].as_u64().unwrap();
    assert_eq!(
        ran(&first.json()) + ran(&second.json()),
        3,
        "{first:?} {second:?}"
    );
}
