//! Warnings and refusals before anything runs.

use std::fs;

use image::{GrayImage, Luma};
use serde_json::Value;

use super::messages;
use crate::sandbox::Sandbox;

const START: &str = r#"
version: 1
name: doubtful
seed: 7
vars: { batch: 8, layers: [flatten, { dense: { units: 1 } }], source: { phantom: { images: 40, test_images: 20 } } }
stages:
  xrays: &xrays
    kind: dataset
    params: { source: "${source}", image_size: 16, validation: 0.2 }
  augmented:
    kind: augment
    inputs: { images: xrays.train }
    params: { horizontal_flip: true }
  cnn: &cnn
    kind: train-cnn
    inputs: { train: augmented, validation: xrays.validation }
    params: { model: "${layers}", epochs: 2, batch_size: "${batch}" }
"#;

fn warned(rest: &str, args: &[&str]) -> (Vec<String>, Value) {
    let sandbox = Sandbox::new(&format!("{START}{rest}"));
    let run = sandbox.runner(&[&["validate", "pipeline.yaml", "--json"], args].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    let warnings = run.json()["files"][0]["warnings"].clone();
    (messages(&warnings), warnings)
}

const TRAINED: &str = "`score` measures its model on images that `cnn` was trained on";
const SELECTED: &str = "`score` measures its model on images that were used to select `cnn`";

#[test]
fn measuring_on_images_that_the_model_has_seen_causes_a_warning() {
    let retrained = "
  retrained:
    kind: retrain
    inputs: { synthetic: xrays.test, initial: cnn }
    params: { model: \"${layers}\", epochs: 1 }
";
    let gan = "
  gan:
    kind: train-gan
    matrix: { class: [NORMAL, PNEUMONIA] }
    inputs: { images: xrays.train }
    params:
      class: \"${matrix.class}\"
      latent: 4
      generator: [{ conv_transpose: { filters: 1, kernel: 16, stride: 1, padding: valid, activation: tanh } }]
      discriminator: [flatten, { dense: { units: 1 } }]
  synthetic: { kind: synthesize, inputs: { generators: gan, train: xrays.test }, params: { images: 8 } }
  retrained:
    kind: retrain
    inputs: { synthetic: synthetic, validation: xrays.validation }
    params: { model: \"${layers}\", epochs: 1 }
";
    let gan_trained = "`score` measures its model on images that `gan` was trained on";
    let again_trained = "`score` measures its model on images that `retrained` was trained on";
    for (before, model, images, expected) in [
        ("", "cnn", "xrays.test", None),
        ("", "cnn", "xrays.train", Some(TRAINED)),
        ("", "cnn", "xrays.validation", Some(SELECTED)),
        ("  twin: *xrays\n", "cnn", "twin.train", Some(TRAINED)),
        ("  twin: *xrays\n", "cnn", "twin.test", None),
        (retrained, "retrained", "xrays.train", Some(TRAINED)),
        (retrained, "retrained", "xrays.validation", Some(SELECTED)),
        (retrained, "retrained", "xrays.test", Some(again_trained)),
        (retrained, "cnn", "xrays.test", None),
        (gan, "retrained", "xrays.train", Some(gan_trained)),
        (gan, "retrained", "synthetic", Some(again_trained)),
        // `synthesize` only compares `xrays.test` with the generated images.
        (gan, "retrained", "xrays.test", None),
    ] {
        let score = format!(
            "{before}  score: {{ kind: evaluate, inputs: {{ model: {model}, images: {images} }} }}\n"
        );
        let (found, warnings) = warned(&score, &[]);
        let expected: Vec<&str> = expected.into_iter().collect();
        assert_eq!(found, expected, "{score}");
        if expected.is_empty() {
            continue;
        }
        assert_eq!(warnings[0]["place"]["text"], *images, "{warnings}");
        let hint = warnings[0]["hint"].as_str().unwrap();
        let unused = before.is_empty() || before.contains("twin") || before == gan;
        let names_unused = hint.contains("`xrays.test`");
        assert_eq!(names_unused, unused && images != "synthetic", "{hint}");
    }
}

#[test]
fn instances_of_a_stage_share_one_warning_per_place() {
    let score = "
  score:
    kind: evaluate
    matrix: { threshold: [0.3, 0.5], images: [xrays.test, xrays.train] }
    inputs: { model: cnn, images: \"${matrix.images}\" }
    params: { threshold: \"${matrix.threshold}\" }
";
    assert_eq!(warned(score, &[]).0, [TRAINED]);
}

#[test]
fn warnings_cover_included_pipelines() {
    let sandbox = Sandbox::new(
        "version: 1\nname: outer\ninclude: { inner: { file: inner.yaml } }\nstages:\n  score: { kind: evaluate, inputs: { model: inner.cnn, images: inner.xrays.train } }\n",
    );
    fs::write(sandbox.path("inner.yaml"), START).unwrap();
    let run = sandbox.runner(&["validate", "pipeline.yaml", "--json"]);
    let found = messages(&run.json()["files"][0]["warnings"]);
    let expected = "`score` measures its model on images that `inner.cnn` was trained on";
    assert_eq!(found, [expected], "{run:?}");
}

#[test]
fn measuring_on_images_that_a_sweep_chooses_trials_by_causes_a_warning() {
    let sweep = "
  score: { kind: evaluate, inputs: { model: cnn, images: xrays.validation } }
  report: { kind: evaluate, inputs: { model: cnn, images: xrays.test } }
sweep:
  axes: { batch: [4, 8] }
  objective: { metric: score.roc_auc, direction: maximize }
";
    assert_eq!(warned(sweep, &[]).0, [""; 0]);
    let on_test = sweep.replace("xrays.validation", "xrays.test");
    let expected =
        "`report` measures its model on images that the sweep uses to choose trials, in `score`";
    assert_eq!(warned(&on_test, &[]).0, [expected]);
    let on_train = sweep.replace("images: xrays.validation", "images: xrays.train");
    assert_eq!(warned(&on_train, &[]).0, [TRAINED]);
}

#[test]
fn a_trial_has_its_own_warnings() {
    let sweep = "sweep: { axes: { batch: [1, 8] } }\n";
    let norm = "layers=[flatten, batch_norm, {dense: {units: 1}}]";
    let expected = "`batch_norm` normalizes over a batch, and `batch_size` is 1";
    assert_eq!(warned(sweep, &["-S", norm]).0, [expected]);
}

#[test]
fn a_network_that_cannot_learn_its_classes_causes_a_warning_at_its_place() {
    for (layers, batch, expected) in [
        ("[flatten, {dense: {units: 1}}]", "1", None),
        ("[flatten, batch_norm, {dense: {units: 1}}]", "2", None),
        (
            "[flatten, batch_norm, {dense: {units: 1}}]",
            "1",
            Some(("`batch_norm` normalizes over a batch", "1")),
        ),
        (
            "[flatten, {dense: {units: 1, activation: relu}}]",
            "8",
            Some(("probabilities are never below 0.50", "relu")),
        ),
        (
            "[flatten, {dense: {units: 2}}, {activation: sigmoid}]",
            "8",
            Some(("no class ever has a probability above 0.73", "sigmoid")),
        ),
    ] {
        let sets = [format!("layers={layers}"), format!("batch={batch}")];
        let (found, warnings) = warned("", &["-S", &sets[0], "-S", &sets[1]]);
        match expected {
            None => assert_eq!(found, [""; 0], "{layers}"),
            Some((message, text)) => {
                assert!(found.len() == 1 && found[0].contains(message), "{found:?}");
                assert_eq!(warnings[0]["place"]["text"], *text, "{warnings}");
                assert!(warnings[0]["hint"].is_string(), "{warnings}");
            }
        }
    }
}

#[test]
fn every_command_shows_the_warnings_and_keeps_its_exit_code() {
    let score = "  score: { kind: evaluate, inputs: { model: cnn, images: xrays.train } }\n";
    let sandbox = Sandbox::new(&format!("{START}{score}"));
    for command in ["validate", "status", "plan", "run", "run"] {
        let run = sandbox.runner(&[command, "pipeline.yaml"]);
        assert_eq!(run.code, Some(0), "{command}: {run:?}");
        let line = format!("warning: {TRAINED}\n  --> pipeline.yaml:");
        assert_eq!(run.stderr.matches(&line).count(), 1, "{command}: {run:?}");
    }
    for command in ["status", "plan"] {
        let run = sandbox.runner(&[command, "pipeline.yaml", "--json"]);
        assert_eq!(messages(&run.json()["warnings"]), [TRAINED], "{command}");
    }
}

#[test]
fn one_unit_for_three_classes_is_refused_once_the_classes_are_known() {
    let message = "the network ends in one unit, which distinguishes 2 classes, but the training images have 3";
    // The parameters name the classes.
    let named = "source={npz: {path: a.npz, classes: [a, b, c]}}";
    let sandbox = Sandbox::new(START);
    let run = sandbox.runner(&["validate", "pipeline.yaml", "-S", named]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        run.stderr.contains(message) && run.stderr.contains("units: 3"),
        "{run:?}"
    );
    // The folder shows the classes.
    for split in ["train", "test"] {
        for class in ["a", "b", "c"] {
            for n in 0..6_u8 {
                let path = sandbox.path(&format!("data/{split}/{class}/{n}.png"));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                GrayImage::from_pixel(16, 16, Luma([n])).save(path).unwrap();
            }
        }
    }
    let folder = "source={folder: {path: data}}";
    let run = sandbox.runner(&["run", "pipeline.yaml", "-S", folder]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains(message), "{run:?}");
    assert!(run.stderr.contains("--> pipeline.yaml:5:"), "{run:?}");
    let plan = sandbox.runner(&["plan", "pipeline.yaml", "--json", "-S", folder]);
    assert_eq!(messages(&plan.json()["refusals"]), [message], "{plan:?}");
    let fitting = "layers=[flatten, {dense: {units: 3}}]";
    let run = sandbox.runner(&["run", "pipeline.yaml", "-S", folder, "-S", fitting]);
    assert_eq!(run.code, Some(0), "{run:?}");
    // With a cached dataset, the training is still refused. A stage that does not run is not checked.
    let run = sandbox.runner(&["run", "pipeline.yaml", "-S", folder]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains(message), "{run:?}");
    let until = ["run", "pipeline.yaml", "-S", folder, "--until", "xrays"];
    let run = sandbox.runner(&until);
    assert_eq!(run.code, Some(0), "{run:?}");
}
