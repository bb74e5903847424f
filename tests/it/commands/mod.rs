//! Stages of kind `command`: real programs in real processes.

mod changed;
mod ending;
mod failed;
mod gathered;
mod inputs;
mod leftovers;
mod linked;
mod outputs;
mod paths;
mod sources;
mod tools;
mod wide;

use std::fs;

use crate::sandbox::{Finished, Sandbox};

/// Returns a sandbox with a pipeline of one stage, `it`, with these `params`.
fn one(params: &str) -> Sandbox {
    let stage = format!("  it:\n    kind: command\n    params: {params}\n");
    Sandbox::new(&format!("version: 1\nname: p\nstages:\n{stage}"))
}

fn run(sandbox: &Sandbox) -> Finished {
    sandbox.runner(&["run", "pipeline.yaml"])
}

fn outcome(sandbox: &Sandbox, args: &[&str]) -> String {
    sandbox.run_json(args).outcomes()[0].1.clone()
}

/// Runs a pipeline of one stage with these `params`. Returns the failure that the run prints, from the stage's
/// name to the summary.
fn failure(params: &str) -> String {
    let run = run(&one(params));
    assert_eq!(run.code, Some(100), "{run:?}");
    let start = run
        .stderr
        .find("it: failed: ")
        .expect("the stage `it` must fail");
    let end = run.stderr.find("1 stage: ").unwrap();
    run.stderr[start..end].trim_end().to_owned()
}

fn latest(sandbox: &Sandbox, file: &str) -> String {
    fs::read_to_string(sandbox.path("artifacts/latest/p").join(file)).unwrap()
}
