//! Progress of a run, shown on its own terminal and to other processes; stopping and following a run.

mod attaching;
mod bars;
mod notifying;
mod order;
mod several;
mod stopping;

use std::fs;
use std::process::Child;

use crate::sandbox::{Sandbox, eventually, list};

/// A program that runs until the file `go` exists, and a stage after it.
fn waiting(sandbox: &Sandbox) -> String {
    let go = sandbox.path("go");
    format!(
        r#"
version: 1
name: waiting
stages:
  quick: {{ kind: command, params: {{ argv: [sh, -c, "echo x > o"], outputs: {{ o: o }} }} }}
  slow:
    kind: command
    inputs: {{ q: quick.o }}
    params: {{ argv: [sh, -c, 'while [ ! -e "$1" ]; do sleep 0.05; done; echo x > o', sh, "{}"], outputs: {{ o: o }} }}
  last: {{ kind: command, inputs: {{ s: slow.o }}, params: {{ argv: [sh, -c, "echo x > o"], outputs: {{ o: o }} }} }}
"#,
        go.to_str().unwrap()
    )
}

fn waiting_sandbox() -> Sandbox {
    let sandbox = Sandbox::new("");
    fs::write(sandbox.path("pipeline.yaml"), waiting(&sandbox)).unwrap();
    sandbox
}

/// Starts a run and waits until the stage `slow` runs.
fn start_waiting(sandbox: &Sandbox, args: &[&str]) -> Child {
    let runs = || list(&sandbox.path("artifacts/v1/runs")).len();
    let before = runs();
    let runner = sandbox.start(&[&["run", "pipeline.yaml"], args].concat());
    eventually("running", || {
        let has_begun = runs() > before;
        let started = r#""event":"stage-started","stage":"slow""#;
        (has_begun && events(sandbox).contains(started)).then_some(())
    });
    runner
}

/// Returns the events of the newest run.
fn events(sandbox: &Sandbox) -> String {
    let mut runs = list(&sandbox.path("artifacts/v1/runs"));
    runs.sort();
    let newest = runs.last().map(|run| run.join("events.jsonl"));
    newest
        .and_then(|file| fs::read_to_string(file).ok())
        .unwrap_or_default()
}

fn run_id(sandbox: &Sandbox) -> String {
    let run = sandbox.last_run();
    run["run"].as_str().unwrap().to_owned()
}
