//! Warnings of stages about their results.

use std::fs;

use serde_json::Value;

use super::messages;
use crate::sandbox::{Finished, Sandbox};

const PIPELINE: &str = r#"
version: 1
name: meaning
seed: 7
vars: { rate: 0.01, cases: [plain], test_images: 40 }
models:
  plain: [flatten, { dense: { units: 1 } }]
  # Every image ends in the same score.
  dead:
    - flatten
    - { dense: { units: 1, activation: relu } }
    - { dense: { units: 1, activation: relu } }
    - { dense: { units: 1, activation: relu } }
    - { dense: { units: 1, activation: relu } }
    - { dense: { units: 1, activation: relu } }
    - { dense: { units: 1, activation: relu } }
    - { dense: { units: 1, activation: relu } }
    - { dense: { units: 1 } }
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 40, test_images: "${test_images}" } }, image_size: 16, validation: 0.2 }
  cnn:
    kind: train-cnn
    matrix: { model: "${cases}" }
    inputs: { train: xrays.train, validation: xrays.validation }
    params: { model: "${matrix.model}", epochs: 10, learning_rate: "${rate}", batch_size: 8 }
  score:
    kind: evaluate
    matrix: { model: "${cases}" }
    inputs: { model: cnn, images: xrays.test }
tables:
  scores: { rows: model, columns: [{ title: AUC, metric: score.roc_auc }] }
"#;

const LOSS: &str = "the training loss never fell: ";
const CONSTANT: &str = "all 8 images got the score ";
const CHANCE: &str = "which contains 0.5";

/// Returns the name and the warnings of each stage that has warnings.
fn warned(run: &Finished) -> Vec<(String, Vec<String>)> {
    let object = run.json();
    let stages = object["stages"].as_array().unwrap().iter();
    let with = stages.filter(|stage| !stage["warnings"].is_null());
    let name = |stage: &Value| stage["name"].as_str().unwrap().to_owned();
    with.map(|stage| (name(stage), messages(&stage["warnings"])))
        .collect()
}

#[test]
fn sound_results_have_no_warnings() {
    let sandbox = Sandbox::new(PIPELINE);
    let run = sandbox.run_json(&[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(warned(&run), [], "{run:?}");
    assert!(!run.stderr.contains("warning"), "{run:?}");
    for args in [&["table", "pipeline.yaml"][..], &["runs", "show", "latest"]] {
        let shown = sandbox.runner(args);
        assert!(!shown.stdout.contains("warning"), "{shown:?}");
    }
}

#[test]
fn warnings_stay_with_a_result_wherever_it_is_used() {
    let sandbox = Sandbox::new(PIPELINE);
    let args = ["cases=[plain, dead]", "rate=1e-12", "test_images=8"];
    let args = args.map(|set| ["-S", set]).concat();
    let first = sandbox.run_json(&args);
    assert_eq!(first.code, Some(0), "{first:?}");
    let found = warned(&first);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let stages = ["cnn[plain]", "cnn[dead]", "score[plain]", "score[dead]"];
    assert_eq!(names, stages, "{found:?}");
    let expected = [LOSS, LOSS, CHANCE, CONSTANT];
    for ((name, messages), part) in found.iter().zip(expected) {
        let has = messages.iter().any(|message| message.contains(part));
        assert!(has, "{name}: {messages:?}");
    }
    // Both trainings have this warning. The record holds both, and the terminal shows one line for them.
    assert_eq!(
        first.stderr.matches(&format!("]: warning: {LOSS}")).count(),
        1,
        "{first:?}"
    );
    let both = format!(" (and 1 other instance, with other numbers): warning: {LOSS}");
    assert_eq!(first.stderr.matches(&both).count(), 1, "{first:?}");

    // Cached stages repeat their warnings.
    let junit = [&args[..], &["--junit", "junit.xml"]].concat();
    let again = sandbox.run_json(&junit);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(again.json()["counts"]["cached"], 5, "{again:?}");
    assert_eq!(warned(&again), found);
    assert_eq!(again.stderr.matches(&both).count(), 1, "{again:?}");
    assert!(again.stderr.contains(CONSTANT), "{again:?}");

    let junit = fs::read_to_string(sandbox.path("junit.xml")).unwrap();
    assert!(junit.contains(CONSTANT), "{junit}");
    let events = sandbox.path("artifacts/v1/runs");
    let run = first.json()["run"].as_str().unwrap().to_owned();
    let events = fs::read_to_string(events.join(run).join("events.jsonl")).unwrap();
    let warning = |line: &&str| line.contains(r#""event":"stage-warning""#);
    assert!(events.lines().filter(warning).count() >= 4, "{events}");

    let shown = sandbox.runner(&["runs", "show", "latest"]);
    for part in [CONSTANT, CHANCE, &both] {
        assert!(shown.stdout.contains(part), "{part}: {shown:?}");
    }
    let table = [&["table", "pipeline.yaml"][..], &args].concat();
    let md = sandbox.runner(&[&table[..], &["--format", "md"]].concat());
    assert!(md.stdout.contains(CONSTANT), "{md:?}");
    for format in ["terminal", "csv", "json", "latex"] {
        let shown = sandbox.runner(&[&table[..], &["--format", format]].concat());
        assert!(
            !shown.stdout.contains("warning") && shown.stderr.contains(CONSTANT),
            "{format}: {shown:?}"
        );
    }
}

#[test]
fn skipped_images_are_in_the_record_of_every_run() {
    let source = "{ folder: { path: data, on_bad_image: skip } }";
    let sandbox = Sandbox::new(&format!(
        "version: 1\nname: left\nstages:\n  xrays: {{ kind: dataset, params: {{ source: {source}, image_size: 8 }} }}\n"
    ));
    for split in ["train", "test"] {
        for class in ["a", "b"] {
            let folder = sandbox.path(&format!("data/{split}/{class}"));
            fs::create_dir_all(&folder).unwrap();
            for n in 0..12_u8 {
                let image =
                    image::GrayImage::from_fn(8, 8, |x, y| image::Luma([(n * 20) ^ (x * y) as u8]));
                image.save(folder.join(format!("{n}.png"))).unwrap();
            }
        }
    }
    fs::write(sandbox.path("data/train/a/broken\u{1b}[2J.png"), "none").unwrap();
    for outcome in ["succeeded", "cached"] {
        let run = sandbox.run_json(&[]);
        assert_eq!(run.outcomes()[0].1, outcome, "{run:?}");
        let found = &warned(&run)[0].1;
        let left_out = |m: &String| m.contains("1 unreadable image left out");
        assert!(found.iter().any(left_out), "{found:?}");
        assert!(
            run.stderr.contains("1 unreadable image left out"),
            "{run:?}"
        );
        assert!(!run.stderr.contains('\u{1b}'), "{run:?}");
    }
}
