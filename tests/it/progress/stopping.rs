//! Runs that were stopped or failed: what they say, and what `status` knows of them later.

use rustix::process::Signal;
use serde_json::Value;

use super::{events, run_id};
use crate::sandbox::{Sandbox, eventually, finish, signal};

const TRAINING: &str = r#"
version: 1
name: training
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 600, test_images: 20 } }, image_size: 16, validation: 0.2 }
  cnn:
    kind: train-cnn
    inputs: { train: xrays.train, validation: xrays.validation }
    params:
      model: [{ conv: { filters: 16 } }, { max_pool: 2 }, flatten, { dense: { units: 1 } }]
      epochs: 5000
"#;

#[test]
fn a_stopped_run_says_how_far_it_got_and_status_knows_its_checkpoint() {
    let sandbox = Sandbox::new(TRAINING);
    let runner = sandbox.start(&["run", "pipeline.yaml"]);
    eventually("checkpoint", || {
        events(&sandbox).contains("stage-checkpoint").then_some(())
    });
    // Another process sees how far it is, and after a second also how long it takes.
    let shown = eventually("estimated", || {
        let shown = sandbox.runner(&["runs", "show", "--json"]).json();
        let left = &shown["progress"]["running"][0]["seconds_left"];
        left.is_f64().then_some(shown)
    });
    let stage = &shown["progress"]["running"][0];
    assert_eq!(stage["name"], "cnn", "{shown}");
    assert_eq!(stage["progress"]["total"], 5000.0, "{shown}");
    assert!(stage["progress"]["figures"]["loss"].is_f64(), "{shown}");
    assert!(shown["progress"]["seconds_left"].is_f64(), "{shown}");
    let page = sandbox.runner(&["runs", "show", "latest"]).stdout;
    assert!(
        page.contains("\nprogress  1 of 2 stages, 1 running; about "),
        "{page}"
    );
    assert!(page.contains("\ncnn: epoch "), "{page}");
    let status = sandbox.runner(&["status", "pipeline.yaml"]).stdout;
    assert!(status.contains(" has been running since "), "{status}");

    signal(runner.id(), Signal::INT).unwrap();
    let stopped = finish(runner);
    assert_eq!(stopped.code, Some(130), "{stopped:?}");
    let stderr = &stopped.stderr;
    assert!(
        stderr.contains("after 10 s are killed; interrupt again to kill"),
        "{stderr}"
    );
    let line = stderr
        .lines()
        .find(|line| line.starts_with("cnn: epoch "))
        .expect(stderr);
    assert!(line.contains("/5000; resumes after "), "{line}");
    assert!(
        stderr.contains("stopped: 1 of 2 stages done; the same command continues from here"),
        "{stderr}"
    );

    for command in ["status", "plan"] {
        let text = sandbox.runner(&[command, "pipeline.yaml"]).stdout;
        assert!(
            text.contains("will run: first run; resumes after "),
            "{text}"
        );
        assert!(text.contains("of 5000"), "{text}");
        assert!(!text.contains("has been running"), "{text}");
        let object = sandbox.runner(&[command, "pipeline.yaml", "--json"]).json();
        assert_eq!(
            object["stages"][1]["resumes_after"]["epochs"], 5000,
            "{object}"
        );
        assert_eq!(object["running"], Value::Array(Vec::new()), "{object}");
    }
    // Nobody knows how long the rest takes, and the plan says so.
    let plan = sandbox.runner(&["plan", "pipeline.yaml"]).stdout;
    assert!(
        plan.contains("time unknown: 1 of 1 stage has never finished here"),
        "{plan}"
    );
}

#[test]
fn status_names_the_last_failure_and_its_log() {
    let sandbox = Sandbox::new(
        "version: 1\nname: t\nstages:\n  a: { kind: command, matrix: { v: [1, 2] }, params: { argv: [sh, -c, \"echo why >&2; exit ${matrix.v}\"] } }\n",
    );
    assert_eq!(
        sandbox.runner(&["run", "pipeline.yaml", "-j", "1"]).code,
        Some(100)
    );
    let run = run_id(&sandbox);
    let status = sandbox.runner(&["status", "pipeline.yaml"]).stdout;
    let expected = format!("a[1]: failed in run {run}: ");
    let line = status
        .lines()
        .find(|line| line.starts_with(&expected))
        .expect(&status);
    let logs = format!("`runner runs logs {run} 'a[1]'` prints its output");
    assert!(line.ends_with(&logs), "{line}");
    assert!(!status.contains("a[2]: failed"), "{status}");
    let state = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.expect(&status).to_owned()
    };
    assert_eq!(state("a[1]  "), "a[1]  will run: failed last time");
    assert_eq!(state("a[2]  "), "a[2]  will run: first run");
    let object = sandbox
        .runner(&["status", "pipeline.yaml", "--json"])
        .json();
    assert_eq!(object["stages"][0]["last_failure"]["run"], run.as_str());
    assert_eq!(object["stages"][0]["reason"], "failed last time");
    assert_eq!(object["stages"][1]["last_failure"], Value::Null);
    // The next run and its record say the same.
    let again = sandbox.runner(&["run", "pipeline.yaml", "-j", "1"]);
    assert!(
        again.stderr.contains("a[1]: starts (failed last time)\n"),
        "{again:?}"
    );
    let shown = sandbox.runner(&["runs", "show"]).stdout;
    let row = shown.lines().find(|line| line.starts_with("a[1] "));
    assert!(
        row.expect(&shown).ends_with("  failed last time"),
        "{shown}"
    );
}
