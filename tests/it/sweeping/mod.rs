//! Sweeps run by the binary: which trials run, which are cached, and which mistakes are reported.

mod adaptive;
mod designs;
mod mistakes;
mod promoting;
mod scale;
mod seeds;
mod sharing;

use serde_json::Value;

use crate::sandbox::{Finished, Sandbox, eventually, first_worker, list};

/// A sweep of 3 × 4 × 2 trials on one dataset and one augmentation.
pub(crate) const GRID: &str = r#"
version: 1
name: grid
seed: 1
vars: { width: 8, batch: 16 }
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 40, test_images: 20 } }, image_size: 16, validation: 0.2 }
  augmented:
    kind: augment
    inputs: { images: xrays.train }
    params: { horizontal_flip: true }
  cnn:
    kind: train-cnn
    inputs: { train: augmented, validation: xrays.validation }
    params:
      model: [{ conv: { filters: "${width}" } }, { max_pool: 4 }, flatten, { dense: { units: 1 } }]
      epochs: 1
      batch_size: "${batch}"
  evaluate:
    kind: evaluate
    inputs: { model: cnn, images: xrays.test }
    params: { bootstrap: 0 }
sweep:
  axes:
    cnn.params.learning_rate: [0.001, 0.003, 0.01]
    width: { int_uniform: [2, 8, 2] }
    batch: [8, 16]
  objective: { metric: evaluate.roc_auc, direction: maximize }
"#;

/// Runs the sweep to its end.
fn run(sandbox: &Sandbox, args: &[&str]) -> Finished {
    let run = sandbox.run_json(args);
    assert_eq!(run.code, Some(0), "{run:?}");
    run
}

/// Starts the sweep and kills it once it has left `records` more action records. A stage leaves two. Unlike
/// time, records show how far a run is.
fn kill_after(sandbox: &Sandbox, records: usize, args: &[&str]) {
    let recorded = || list(&sandbox.path("artifacts/v1/actions")).len();
    let enough = recorded() + records;
    let mut runner = sandbox.start(&[&["run", "pipeline.yaml"], args].concat());
    first_worker(&runner);
    eventually("recorded", || (recorded() >= enough).then_some(()));
    runner.kill().unwrap();
    assert_eq!(
        runner.wait().unwrap().code(),
        None,
        "the sweep ended before the kill"
    );
}

/// Returns the names of the stages that were executed.
fn executed(run: &Finished) -> Vec<String> {
    let outcomes = run.outcomes().into_iter();
    let executed = outcomes.filter(|(_, outcome)| outcome == "succeeded");
    executed.map(|(name, _)| name).collect()
}

/// Returns the values and the objective of each trial, best first, as ranked by `sweep show`.
fn ranking(sandbox: &Sandbox, args: &[&str]) -> Vec<(Value, Value)> {
    let show = sandbox.runner(&[&["sweep", "show", "pipeline.yaml", "--json"], args].concat());
    assert_eq!(show.code, Some(0), "{show:?}");
    let trials = show.json()["trials"].as_array().unwrap().clone();
    let trials = trials.into_iter();
    trials
        .map(|trial| (trial["values"].clone(), trial["objective"].clone()))
        .collect()
}
