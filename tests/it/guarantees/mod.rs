//! Tests of docs/guarantees.md: kills, faults and damage lose no result and cause no wrong one. Each case
//! disturbs a pipeline and runs it again undisturbed. The store must then be the same as after a single
//! undisturbed run.
//!
//! By default, each test runs a random sample of its cases. `RUNNER_SUITE=full` runs all of them:
//!
//! ```sh
//! cargo test --release --workspace      # builds the library that `faults` and `reads` preload
//! RUNNER_SUITE=full cargo test --release --test it guarantees:: -- --nocapture --test-threads 1
//! ```
//!
//! Each test prints its seed; `RUNNER_SEED` repeats the choices of an earlier test. Most of the time is
//! spent waiting for disk flushes. `TMPDIR=/dev/shm` avoids that and proves as much.

pub(crate) mod cases;
mod damage;
mod disk;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod faults;
mod kills;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod reads;
mod runners;
mod store_contents;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::sandbox::{Finished, Sandbox, finish, list};
use store_contents::StoreContents;

/// A pipeline with a dataset, two trainings, an evaluation and a table, which runs in a fifth of a second.
const PIPELINE: &str = r#"
version: 1
name: tiny
seed: 7
stages:
  xrays:
    kind: dataset
    params:
      source: { phantom: { images: 40, test_images: 20 } }
      image_size: 16
      validation: 0.2
  cnn:
    kind: train-cnn
    matrix: { width: [4] }
    inputs: { train: xrays.train, validation: xrays.validation }
    params:
      model: [{ conv: { filters: 4 } }, { max_pool: 2 }, flatten, { dense: { units: "${matrix.width}" } }, { dense: { units: 1 } }]
      epochs: 3
  gan:
    kind: train-gan
    inputs: { images: xrays.train }
    params:
      class: NORMAL
      generator: [{ dense: { units: 256 } }, { reshape: [1, 16, 16] }, { activation: tanh }]
      discriminator: [flatten, { dense: { units: 1 } }]
      latent: 4
      epochs: 2
      batch_size: 4
  evaluate:
    kind: evaluate
    matrix: { width: [4] }
    inputs: { model: cnn, images: xrays.test }
    params: { bootstrap: 20 }
tables:
  scores:
    rows: width
    columns:
      - { title: epochs, metric: cnn.best_epoch }
      - { title: f1, metric: evaluate.f1 }
"#;

const STAGES: usize = 4;

/// A run that takes longer counts as hanging.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The result of a test case: a word for the tally, or what went wrong.
pub(crate) type Verdict = Result<&'static str, String>;

/// Returns whether to test all cases instead of a sample.
pub(crate) fn full() -> bool {
    std::env::var("RUNNER_SUITE").is_ok_and(|suite| suite == "full")
}

/// The results of an undisturbed run.
struct Reference {
    contents: StoreContents,
    table: String,
    /// Duration of the run.
    time: Duration,
}

fn reference() -> &'static Reference {
    static REFERENCE: OnceLock<Reference> = OnceLock::new();
    REFERENCE.get_or_init(|| {
        let sandbox = Sandbox::new(PIPELINE);
        let started = Instant::now();
        let run = sandbox.runner(&["run", "pipeline.yaml"]);
        let time = started.elapsed();
        assert_eq!(run.code, Some(0), "{run:?}");
        let contents = StoreContents::of(&sandbox);
        let named = contents.as_named();
        assert_eq!(contents.differences(&named), Vec::<String>::new());
        Reference {
            contents,
            table: run.stdout,
            time,
        }
    })
}

/// Returns a sandbox in which the pipeline has run.
fn finished() -> Sandbox {
    let sandbox = Sandbox::new(PIPELINE);
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    sandbox
}

fn start(command: &mut Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Waits for the end of `child`. Kills it and returns an error after [`TIME_LIMIT`].
pub(crate) fn finish_in_time(mut child: Child) -> Result<Finished, String> {
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > TIME_LIMIT {
            child.kill().unwrap();
            return Err(format!(
                "still running after {TIME_LIMIT:?}: {:?}",
                finish(child)
            ));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(finish(child))
}

pub(crate) fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// Checks that `finished` reports no bug of runner and has a documented exit code.
fn exits_properly(finished: &Finished) -> Result<(), String> {
    let stderr = &finished.stderr;
    let is_fault = stderr.contains("panic") || stderr.contains("bug in runner");
    require(!is_fault, || format!("runner has a bug: {finished:?}"))?;
    let is_documented = matches!(finished.code, Some(0 | 1 | 2 | 100));
    require(is_documented, || {
        format!("unexpected exit code: {finished:?}")
    })
}

/// Checks that the run either succeeded with the right table, or failed with the system's own words for
/// the cause.
fn succeeds_or_reports(finished: &Finished, words: &str) -> Result<(), String> {
    exits_properly(finished)?;
    if finished.code == Some(0) {
        require(finished.stdout == reference().table, || {
            format!("exit code 0, but a wrong table: {finished:?}")
        })
    } else {
        require(finished.stderr.contains(words), || {
            format!("standard error lacks \"{words}\": {finished:?}")
        })
    }
}

/// Runs the pipeline again, undisturbed. Checks that the store is as after an undisturbed run, that nothing
/// is quarantined, and that no finished stage runs again.
fn recovers(sandbox: &Sandbox) -> Result<(), String> {
    recovers_to(sandbox, &reference().contents)?;
    let aside = list(&sandbox.path("artifacts/v1/quarantine"));
    require(aside.is_empty(), || {
        format!("files were set aside: {aside:?}")
    })
}

fn recovers_to(sandbox: &Sandbox, expected: &StoreContents) -> Result<(), String> {
    let finished = StoreContents::of(sandbox).finished(sandbox);
    let second = succeeds(sandbox, &["run", "pipeline.yaml", "--json"])?;
    for stage in second.json()["stages"].as_array().unwrap() {
        let key = stage["key"].as_str().unwrap();
        let is_lost = finished.contains(key) && stage["outcome"] != "cached";
        require(!is_lost, || format!("a finished stage ran again: {stage}"))?;
    }
    is_complete(sandbox, expected)
}

/// Checks that the store is complete and correct, that another run finds everything cached, and that no
/// unfinished work is left.
fn is_complete(sandbox: &Sandbox, expected: &StoreContents) -> Result<(), String> {
    let third = succeeds(sandbox, &["run", "pipeline.yaml", "--json"])?;
    require(third.json()["counts"]["cached"] == STAGES, || {
        format!("not every stage is cached: {third:?}")
    })?;
    has_expected_table(sandbox)?;
    let differences = StoreContents::of(sandbox).differences(expected);
    require(differences.is_empty(), || differences.join("; "))?;
    let unfinished = unfinished(sandbox);
    require(unfinished.is_empty(), || {
        format!("unfinished work is left: {unfinished:?}")
    })
}

fn has_expected_table(sandbox: &Sandbox) -> Result<(), String> {
    let table = succeeds(sandbox, &["table", "pipeline.yaml"])?;
    require(table.stdout == reference().table, || {
        format!("`table` prints a wrong table: {table:?}")
    })
}

fn succeeds(sandbox: &Sandbox, args: &[&str]) -> Result<Finished, String> {
    let finished = finish_in_time(start(&mut sandbox.command(args)))?;
    exits_properly(&finished)?;
    require(finished.code == Some(0), || {
        format!("{args:?} failed: {finished:?}")
    })?;
    Ok(finished)
}

/// Lists the files and folders of unfinished work in the store.
fn unfinished(sandbox: &Sandbox) -> Vec<PathBuf> {
    let tmp = list(&sandbox.path("artifacts/v1/tmp"));
    tmp.into_iter()
        .filter(|path| !path.ends_with(".lock"))
        .collect()
}

/// Returns the number of stages with this outcome from the output of `run --json`.
fn count(run: &Value, outcome: &str) -> u64 {
    run["counts"][outcome].as_u64().unwrap()
}
