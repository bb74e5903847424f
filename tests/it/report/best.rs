//! Values that are called the highest: never one of several equal values, and never one of several seeds.

use super::report;
use crate::sandbox::Sandbox;

/// One network, evaluated at two thresholds.
const THRESHOLDS: &str = r#"
version: 1
name: thresholds
seed: 7
vars: { thresholds: [0.000001, 0.999999] }
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 40, test_images: 20 } }, image_size: 16, validation: 0.2 }
  cnn:
    kind: train-cnn
    inputs: { train: xrays.train, validation: xrays.validation }
    params: { model: [{ max_pool: 4 }, flatten, { dense: { units: 1 } }], epochs: 1 }
  evaluate:
    kind: evaluate
    matrix: { threshold: "${thresholds}" }
    inputs: { model: cnn, images: xrays.test }
    params: { threshold: "${matrix.threshold}", bootstrap: 0 }
"#;

/// Both thresholds classify every image as positive.
const EQUAL: &str = "thresholds=[0.000001, 0.000002]";

/// The summary and the results of a run with these options.
fn sections(sandbox: &Sandbox, args: &[&str]) -> (String, String) {
    let run = sandbox.run_json(args);
    assert_eq!(run.code, Some(0), "{run:?}");
    let report = report(sandbox, &[&["pipeline.yaml"], args].concat());
    let has_results = report.contents().contains(&"results".to_owned());
    let results = has_results.then(|| report.section("results"));
    (report.section("summary"), results.unwrap_or_default())
}

#[test]
fn the_highest_evaluation_is_named_unless_another_is_as_high() {
    let sandbox = Sandbox::new(THRESHOLDS);
    let (summary, _) = sections(&sandbox, &[]);
    let expected =
        "Highest f1 on test images evaluate[0.000001] 0.750 significantly better than the other";
    assert!(summary.contains(expected), "{summary}");
    assert!(!summary.contains("Best"), "{summary}");
    let (summary, _) = sections(&sandbox, &["-S", EQUAL]);
    assert!(!summary.contains("Highest"), "{summary}");
}

#[test]
fn external_images_do_not_hide_the_highest_evaluation_on_the_test_images() {
    let external = "  hospital:
    kind: dataset
    seed: 8
    params: { source: { phantom: { images: 4, test_images: 12 } }, image_size: 16 }
  external:
    kind: evaluate
    matrix: { threshold: \"${thresholds}\" }
    inputs: { model: cnn, images: hospital.test }
    params: { threshold: \"${matrix.threshold}\", bootstrap: 0 }
";
    let sandbox = Sandbox::new(&format!("{THRESHOLDS}{external}"));
    let (summary, _) = sections(&sandbox, &[]);
    let expected = "Highest f1 on test images evaluate[0.000001] 0.750";
    assert!(summary.contains(expected), "{summary}");
    assert_eq!(summary.matches("Highest").count(), 1, "{summary}");
}

#[test]
fn a_table_marks_the_highest_value_unless_another_is_as_high() {
    let table =
        "tables:\n  t: { rows: threshold, columns: [{ title: F-score, metric: evaluate.f1 }] }\n";
    let sandbox = Sandbox::new(&format!("{THRESHOLDS}{table}"));
    let (summary, results) = sections(&sandbox, &[]);
    let expected = "Highest f1 (F-score) threshold 0.000001 0.";
    assert!(summary.contains(expected), "{summary}");
    assert_eq!(results.matches("★ highest").count(), 1, "{results}");
    let (summary, results) = sections(&sandbox, &["-S", EQUAL]);
    assert!(!summary.contains("Highest"), "{summary}");
    assert!(!results.contains('★'), "{results}");
}

#[test]
fn no_seed_is_called_the_highest() {
    let table = "tables:\n  t: { rows: seed, columns: [{ title: f1, metric: evaluate.f1 }] }\n";
    let seeded = THRESHOLDS
        .replace("seed: 7\n", "seed: 7\nseeds: 3\n")
        .replace("    matrix: { threshold: \"${thresholds}\" }\n", "")
        .replace("threshold: \"${matrix.threshold}\", ", "");
    let sandbox = Sandbox::new(&format!("{seeded}{table}"));
    let (summary, results) = sections(&sandbox, &[]);
    assert!(!summary.contains("Highest"), "{summary}");
    assert!(!results.contains('★'), "{results}");
    let sandbox = Sandbox::new(&seeded);
    let (summary, _) = sections(&sandbox, &[]);
    assert!(!summary.contains("Highest"), "{summary}");
}

#[test]
fn the_tile_of_a_sweep_names_its_objective_unless_trials_are_equal() {
    let swept = THRESHOLDS
        .replace("    matrix: { threshold: \"${thresholds}\" }\n", "")
        .replace("\"${matrix.threshold}\"", "0.5");
    let sweep = "sweep:\n  axes: { evaluate.params.threshold: [0.000001, 0.999999] }\n  objective: { metric: evaluate.f1, direction: maximize }\n";
    let sandbox = Sandbox::new(&format!("{swept}{sweep}"));
    let (summary, _) = sections(&sandbox, &[]);
    let expected = "Highest evaluate.f1 trial 1 0.";
    assert!(summary.contains(expected), "{summary}");
    let equal = "sweep.axes={evaluate.params.threshold: [0.000001, 0.000002]}";
    let (summary, _) = sections(&sandbox, &["-S", equal]);
    assert!(!summary.contains("Highest"), "{summary}");
}
