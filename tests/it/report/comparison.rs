//! Reports that compare a run with the one before, also where its results were removed.

use serde_json::Value;

use super::{models, report};
use crate::sandbox::Sandbox;

#[test]
fn a_run_is_compared_with_the_one_before() {
    let sandbox = Sandbox::new(&models());
    for epochs in ["epochs=1", "epochs=2"] {
        let run = sandbox.run_json(&["-S", epochs]);
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    let report = report(&sandbox, &["pipeline.yaml", "-S", "epochs=2"]);
    let comparison = report.section("comparison");
    for part in [
        "options",
        "epochs=1",
        "epochs=2",
        "params.epochs 1 → 2",
        "Metrics that differ",
        "other metrics differ of trainings, single classes and averages",
    ] {
        assert!(comparison.contains(part), "{part}: {comparison}");
    }
}

#[test]
fn metrics_of_other_test_images_have_no_verdict() {
    let sandbox = Sandbox::new(&models());
    for count in ["test_images=20", "test_images=24"] {
        let run = sandbox.run_json(&["-S", count]);
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    let report = report(&sandbox, &["--run", "latest"]);
    let comparison = report.section("comparison");
    let note = "Other test images: evaluate[4], evaluate[6]. Differences between these metrics may come from the images.";
    assert!(comparison.contains(note), "{comparison}");
    let metrics = comparison.matches(" other test images").count();
    assert!(metrics > 2, "{comparison}");
    assert!(
        !comparison.contains("better") && !comparison.contains("worse"),
        "{comparison}"
    );
    the_command_says_the_same(&sandbox);
    // Both models were tested on the same images.
    let evaluations = report.section("evaluations");
    let checksum = |part: &str| part[..12].to_owned();
    let mut parts = evaluations
        .split("24 images of xrays.test (checksum ")
        .skip(1);
    let [first, second] = [parts.next().unwrap(), parts.next().unwrap()].map(checksum);
    assert!(
        first.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{first}"
    );
    assert_eq!(first, second);

    // A longer training does not change the images.
    let run = sandbox.run_json(&["-S", "test_images=24", "-S", "epochs=1"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let report = super::report(&sandbox, &["--run", "latest"]);
    let comparison = report.section("comparison");
    assert!(!comparison.contains("ther test images"), "{comparison}");
}

/// Checks that `compare` prints no verdict about the metrics of the last two runs, which tested other images.
fn the_command_says_the_same(sandbox: &Sandbox) {
    let compare = |format: &[&str]| {
        let compared = sandbox.runner(&[&["compare", "latest~1", "latest"], format].concat());
        assert_eq!(compared.code, Some(0), "{compared:?}");
        compared.stdout
    };
    let note = "with other test images, so without a verdict: evaluate[4], evaluate[6]\n";
    for text in [compare(&[]), compare(&["--md"])] {
        assert!(text.contains(note), "{text}");
        assert!(
            !text.contains("better") && !text.contains("worse"),
            "{text}"
        );
    }
    let object: Value = serde_json::from_str(&compare(&["--json"])).unwrap();
    let stages = object["stages"].as_array().unwrap().iter();
    let evaluations =
        stages.filter(|stage| stage["name"].as_str().unwrap().starts_with("evaluate"));
    let metrics = evaluations.flat_map(|stage| stage["metrics"].as_array().unwrap());
    let metrics: Vec<&Value> = metrics.collect();
    assert!(metrics.len() > 10, "{object}");
    for metric in metrics {
        assert_eq!(metric["other_images"], true, "{metric}");
        assert_eq!(metric["verdict"], Value::Null, "{metric}");
    }
}

#[test]
fn a_run_whose_results_were_removed_says_so_and_is_compared_by_its_record() {
    let sandbox = Sandbox::new(&models());
    for epochs in ["epochs=1", "epochs=2", "epochs=3"] {
        let run = sandbox.run_json(&["-S", epochs]);
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    // The newest run keeps its results, and with them the dataset of all runs.
    let removed = sandbox.runner(&["cache", "gc", "--max-size", "1B", "--apply"]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
    let report = report(&sandbox, &["--run", "latest~1"]);
    let summary = report.section("summary");
    let note = "The results of 4 of 5 stages were removed from the store, so this page does not show them.";
    assert!(summary.contains(note), "{summary}");
    let comparison = report.section("comparison");
    for part in ["Metrics that differ", "roc_auc", "other metrics differ"] {
        assert!(comparison.contains(part), "{part}: {comparison}");
    }
    assert!(!comparison.contains("No metric"), "{comparison}");
    let newest = super::report(&sandbox, &["--run", "latest"]);
    assert!(!newest.text.contains("were removed from the store"));
}
