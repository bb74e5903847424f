//! `runner predict`, and the stage kind `predict`.

mod explained;
mod files;
mod hostile;
mod images;
mod models;
mod output;
mod same;
mod stage;
mod unlike;

use std::fs;

use serde_json::Value;

use crate::sandbox::{Finished, Sandbox};

/// Trains a network on the images in `data`.
const PIPELINE: &str = r#"
version: 1
name: shapes
vars: { channels: 1, units: 1 }
stages:
  data:
    kind: dataset
    params: { source: { folder: { path: data } }, image_size: 16, channels: "${channels}", validation: 0.2, leakage: off }
  cnn:
    kind: train-cnn
    inputs: { train: data.train, validation: data.validation }
    params: { model: [{ conv: { filters: 4 } }, { max_pool: 2 }, flatten, { dense: { units: "${units}" } }], epochs: 2 }
  evaluate:
    kind: evaluate
    inputs: { model: cnn, images: data.test }
    params: { bootstrap: 0 }
"#;

const CLASSES: [&str; 3] = ["DISK", "SQUARE", "BAR"];

/// A sandbox in which the pipeline has run, with a dataset of this many classes. `sets` are assignments.
fn trained(classes: usize, sets: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new(PIPELINE);
    for (class, name) in CLASSES.iter().take(classes).enumerate() {
        for number in 0..45 {
            let split = if number < 40 { "train" } else { "test" };
            let path = sandbox.path(&format!("data/{split}/{name}/{number:02}.png"));
            files::write(&path, &files::picture(class, number, 24), "png");
        }
    }
    run(&sandbox, sets);
    sandbox
}

fn run(sandbox: &Sandbox, sets: &[&str]) {
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["-S", set]).collect();
    let done = sandbox.run_json(&sets);
    assert_eq!(done.code, Some(0), "{done:?}");
}

/// Runs `runner predict`.
fn predict(sandbox: &Sandbox, args: &[&str]) -> Finished {
    sandbox.runner(&[&["predict"], args].concat())
}

/// Runs `runner predict --json`, which must succeed.
fn predicted(sandbox: &Sandbox, args: &[&str]) -> Value {
    let done = predict(sandbox, &[&["--json"], args].concat());
    assert_eq!(done.code, Some(0), "{args:?}: {done:?}");
    done.json()
}

/// Runs `runner predict`, which must fail with this exit code and one error, write nothing and print nothing. Returns
/// the error.
#[track_caller]
fn refused(sandbox: &Sandbox, args: &[&str], code: i32) -> String {
    let before = crate::sandbox::files(&sandbox.path(""));
    let done = predict(sandbox, &[&["-o", "refused.csv"], args].concat());
    assert_eq!(done.code, Some(code), "{args:?}: {done:?}");
    assert_eq!(done.stdout, "", "{args:?}");
    let errors = done
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "{args:?}: {done:?}");
    assert_eq!(done.stderr.lines().count(), 1, "{args:?}: {done:?}");
    assert!(!sandbox.path("refused.csv").exists(), "{args:?}");
    assert!(
        crate::sandbox::files(&sandbox.path("")) == before,
        "{args:?} changed a file"
    );
    done.stderr
}

/// Returns the lines of a CSV file as fields.
fn rows(text: &str) -> Vec<Vec<String>> {
    crate::hostile_names::parsed(text)
}

/// Reads the predictions of the stage `evaluate`: name and probabilities of each image.
fn evaluated(sandbox: &Sandbox) -> Vec<(String, Vec<String>)> {
    let path = "artifacts/latest/shapes/evaluate/metrics/predictions.csv";
    let text = fs::read_to_string(sandbox.path(path)).unwrap();
    let rows = rows(&text).into_iter().skip(1);
    rows.map(|row| (row[0].clone(), row[3..].to_vec()))
        .collect()
}
