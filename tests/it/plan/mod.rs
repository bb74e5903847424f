//! `runner plan`: what it shows, and whether runs match what it predicts.

mod properties;
mod saved;

use std::fs;

use serde_json::{Value, json};

use crate::sandbox::{Sandbox, TINY, list};

fn plan(sandbox: &Sandbox, args: &[&str]) -> Value {
    let done = sandbox.runner(&[&["plan", "pipeline.yaml", "--json"], args].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    done.json()
}

fn stage<'a>(object: &'a Value, name: &str) -> &'a Value {
    let mut stages = object["stages"].as_array().unwrap().iter();
    stages.find(|stage| stage["name"] == name).unwrap()
}

fn seconds(stage: &Value) -> f64 {
    stage["estimate"]["seconds"].as_f64().unwrap()
}

#[test]
fn the_exit_code_shows_whether_a_stage_would_run() {
    let sandbox = Sandbox::new(TINY);
    for command in ["plan", "status"] {
        let would = sandbox.runner(&[command, "pipeline.yaml", "--exit-code"]);
        assert_eq!(would.code, Some(3), "{would:?}");
        assert_eq!(would.stderr, "3 of 3 stages would run\n");
        assert_eq!(sandbox.runner(&[command, "pipeline.yaml"]).code, Some(0));
    }
    sandbox.run_json(&[]);
    for command in ["plan", "status"] {
        let nothing = sandbox.runner(&[command, "pipeline.yaml", "--exit-code"]);
        assert_eq!((nothing.code, nothing.stderr.as_str()), (Some(0), ""));
    }
}

#[test]
fn a_dry_run_prints_the_same_as_plan() {
    let sandbox = Sandbox::new(TINY);
    sandbox.run_json(&[]);
    let args = ["pipeline.yaml", "-S", "epochs=5"];
    let plan = sandbox.runner(&[&["plan"], &args[..]].concat());
    let dry = sandbox.runner(&[&["run", "-n"], &args[..]].concat());
    assert_eq!(plan.stdout, dry.stdout);
    assert!(plan.stdout.contains("cnn[4]"), "{plan:?}");
}

#[test]
fn time_is_estimated_from_the_stages_own_record_and_its_amount_of_work() {
    let sandbox = Sandbox::new(TINY);
    let run = sandbox.run_json(&[]).json();
    let took = stage(&run, "cnn[4]")["seconds"].as_f64().unwrap();
    let planned = plan(&sandbox, &["-S", "epochs=20"]);
    let cnn = stage(&planned, "cnn[4]");
    assert_eq!(cnn["estimate"]["basis"], "record");
    // Ten times the epochs take ten times as long, and two of the twenty are done: the training continues from its last
    // checkpoint. The run's report rounds seconds to three decimals.
    assert_eq!(cnn["resumes_after"]["epoch"], 2);
    assert!((seconds(cnn) - 9.0 * took).abs() < 0.01, "{cnn}: {took}");
    assert_eq!(stage(&planned, "xrays")["estimate"], Value::Null);
    let totals = &planned["totals"];
    assert_eq!(
        (&totals["known"], &totals["stages"]),
        (&json!(2), &json!(2))
    );

    let one = plan(&sandbox, &["-S", "epochs=20", "-j", "1"]);
    let both = seconds(cnn) + seconds(stage(&planned, "cnn[6]"));
    let total = one["totals"]["seconds"].as_f64().unwrap();
    assert!(
        (total - both).abs() < 1e-6,
        "with one job, the times must add up: {one}"
    );
}

#[test]
fn a_stage_that_never_ran_is_estimated_from_its_operations_or_not_at_all() {
    let sandbox = Sandbox::new(TINY);
    let first = plan(&sandbox, &[]);
    assert_eq!(stage(&first, "cnn[4]")["estimate"]["seconds"], Value::Null);
    assert_eq!(first["totals"]["seconds"], Value::Null);
    sandbox.run_json(&[]);
    let more = plan(&sandbox, &["-S", "widths=[4, 6, 8]"]);
    let new = stage(&more, "cnn[8]");
    assert_eq!(new["estimate"]["basis"], "rate");
    let (new, operations) = (seconds(new), &new["estimate"]["operations"]);
    // A hundred times the epochs at the same rate.
    let far = plan(&sandbox, &["-S", "widths=[4, 8]", "-S", "epochs=200"]);
    let far = stage(&far, "cnn[8]");
    let grown = far["estimate"]["operations"].as_f64().unwrap() / operations.as_f64().unwrap();
    assert!((grown - 100.0).abs() < 1e-9);
    assert!((seconds(far) / new - 100.0).abs() < 1e-6);

    // The record of a stage with the same parameters is the basis for a new stage.
    let twin = TINY.replace("  cnn:\n", "  twin: { kind: dataset, seed: 9, params: { source: { phantom: { images: 40, test_images: 20 } }, image_size: 16, validation: 0.2 } }\n  cnn:\n");
    fs::write(sandbox.path("pipeline.yaml"), twin).unwrap();
    let twin = plan(&sandbox, &[]);
    assert_eq!(stage(&twin, "twin")["estimate"]["basis"], "like-record");
}

#[test]
fn the_estimated_memory_of_a_training_is_close_to_what_it_uses() {
    let wide = TINY.replace(
        "{ dense: { units: 1 } }]",
        "{ dense: { units: 3000 } }, { dense: { units: 1 } }]",
    );
    let sandbox = Sandbox::new(&wide.replace("units: \"${matrix.width}\"", "units: 3000"));
    let planned = plan(&sandbox, &["-S", "widths=[4]"]);
    let expected = stage(&planned, "cnn[4]")["estimate"].clone();
    let run = sandbox.run_json(&["-S", "widths=[4]"]).json();
    let peak = stage(&run, "cnn[4]")["peak_memory_mib"].as_f64().unwrap() * 1024.0 * 1024.0;
    let bytes = |what: &str| expected[what].as_f64().unwrap();
    // With nine million weights, the memory of the process itself hardly counts.
    assert!(bytes("parameters") > 9e6, "{expected}");
    assert!(bytes("least_memory_bytes") <= peak, "{expected}: {peak}");
    assert!(bytes("memory_bytes") < 2.0 * peak, "{expected}: {peak}");
    assert!(bytes("memory_bytes") > peak / 2.0, "{expected}: {peak}");
}

#[test]
fn a_run_that_needs_too_much_memory_or_disk_is_refused_before_it_starts() {
    let sandbox = Sandbox::new(TINY);
    let limit = "stages.cnn.resources.memory=\"100KiB\"";
    // On the CPU: the limit does not cover the memory of a GPU.
    let refused = sandbox.runner(&["run", "pipeline.yaml", "--device", "cpu", "-S", limit]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.starts_with("error: `cnn[4]` needs at least"),
        "{refused:?}"
    );
    assert!(
        refused.stderr.contains("pipeline.yaml:18:14"),
        "{refused:?}"
    );
    assert!(list(&sandbox.path("artifacts/v1/runs")).is_empty());

    // Six terabytes of pixels.
    let vast = TINY
        .replace("image_size: 16", "image_size: 1024\n      channels: 3")
        .replace(
            "images: 40, test_images: 20",
            "images: 1000000, test_images: 1000000",
        );
    let sandbox = Sandbox::new(&vast);
    let refused = sandbox.runner(&["run", "pipeline.yaml", "--until", "xrays"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused
            .stderr
            .starts_with("error: the outputs need at least 5.7 TiB"),
        "{refused:?}"
    );
    assert!(list(&sandbox.path("artifacts/v1/runs")).is_empty());
}
