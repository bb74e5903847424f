//! The stages that a run executes, and those that are cached.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::sandbox::{Sandbox, TINY, list};

fn named(outcomes: &[(&str, &str)]) -> Vec<(String, String)> {
    outcomes
        .iter()
        .map(|&(name, outcome)| (name.to_owned(), outcome.to_owned()))
        .collect()
}

const ALL_CACHED: [(&str, &str); 3] = [
    ("xrays", "cached"),
    ("cnn[4]", "cached"),
    ("cnn[6]", "cached"),
];

#[test]
fn a_second_run_executes_nothing() {
    let sandbox = Sandbox::new(TINY);
    let first = sandbox.run_json(&[]);
    assert_eq!(first.code, Some(0), "{first:?}");
    let ran = named(&[
        ("xrays", "succeeded"),
        ("cnn[4]", "succeeded"),
        ("cnn[6]", "succeeded"),
    ]);
    assert_eq!(first.outcomes(), ran);
    assert_eq!(sandbox.run_json(&[]).outcomes(), named(&ALL_CACHED));
}

#[test]
fn the_json_output_describes_the_run_and_every_stage() {
    let sandbox = Sandbox::new(TINY);
    let object = sandbox.run_json(&["-S", "widths=[4]"]).json();
    assert_eq!(object["pipeline"], "tiny");
    assert_eq!(object["state"], "succeeded");
    assert_eq!(object["sets"][0], "widths=[4]");
    let counts = serde_json::json!({ "cached": 0, "succeeded": 2, "failed": 0, "skipped": 0, "cancelled": 0 });
    assert_eq!(object["counts"], counts);
    assert_eq!(object, sandbox.last_run());
    let run = object["run"].as_str().unwrap();
    assert!(
        sandbox
            .path("artifacts/v1/runs")
            .join(run)
            .join("events.jsonl")
            .is_file()
    );

    let stage = &object["stages"][1];
    assert_eq!(stage["name"], "cnn[4]");
    assert_eq!(stage["key"].as_str().unwrap().len(), 64);
    assert!(stage["seconds"].as_f64().unwrap() > 0.0);
    let peak = stage["peak_memory_mib"].as_f64().unwrap();
    assert!((1.0..4000.0).contains(&peak), "the peak is {peak} MiB");
}

#[test]
fn a_dry_run_runs_nothing() {
    let sandbox = Sandbox::new(TINY);
    let dry = sandbox.runner(&["run", "pipeline.yaml", "-n"]);
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert!(
        dry.stdout
            .contains("xrays   ?  will run: first run\ncnn[4]  ?  waits on xrays\n"),
        "{dry:?}"
    );
    assert!(list(&sandbox.path("artifacts/v1/runs")).is_empty());
    assert!(list(&sandbox.path("artifacts/v1/actions")).is_empty());
}

#[test]
fn until_runs_a_stage_and_what_it_needs() {
    let sandbox = Sandbox::new(TINY);
    let ran = named(&[("xrays", "succeeded"), ("cnn[6]", "succeeded")]);
    assert_eq!(sandbox.run_json(&["--until", "cnn[6]"]).outcomes(), ran);
    let status = sandbox.runner(&["status", "pipeline.yaml"]).stdout;
    assert_eq!(
        status,
        "xrays   cached\ncnn[4]  will run: first run\ncnn[6]  cached\n3 stages: 2 cached, 1 will run, 0 waiting\n"
    );
}

#[test]
fn force_runs_cached_stages() {
    let sandbox = Sandbox::new(TINY);
    sandbox.run_json(&[]);
    let one = named(&[
        ("xrays", "cached"),
        ("cnn[4]", "succeeded"),
        ("cnn[6]", "cached"),
    ]);
    assert_eq!(sandbox.run_json(&["-f", "cnn[4]"]).outcomes(), one);
    let all = named(&[
        ("xrays", "succeeded"),
        ("cnn[4]", "succeeded"),
        ("cnn[6]", "succeeded"),
    ]);
    assert_eq!(sandbox.run_json(&["--force"]).outcomes(), all);
}

#[test]
fn a_change_reruns_what_depends_on_it() {
    let sandbox = Sandbox::new(TINY);
    sandbox.run_json(&[]);
    let outcomes = sandbox.run_json(&["-S", "widths=[4,8]"]).outcomes();
    assert_eq!(
        outcomes,
        named(&[
            ("xrays", "cached"),
            ("cnn[4]", "cached"),
            ("cnn[8]", "succeeded")
        ])
    );
    let stderr = sandbox
        .runner(&["run", "pipeline.yaml", "-S", "epochs=1"])
        .stderr;
    assert!(
        stderr.contains("cnn[4]: starts (params.epochs 2 → 1)"),
        "{stderr}"
    );
    // The earlier results are still cached.
    assert_eq!(sandbox.run_json(&[]).outcomes(), named(&ALL_CACHED));
}

#[test]
fn unchanged_outputs_keep_later_stages_cached() {
    let sandbox = Sandbox::new(TINY);
    sandbox.run_json(&[]);
    // More test images do not change the training images.
    let again = sandbox.run_json(&["-S", "test_images=30"]);
    assert_eq!(
        again.outcomes(),
        named(&[
            ("xrays", "succeeded"),
            ("cnn[4]", "cached"),
            ("cnn[6]", "cached")
        ])
    );
    let status = sandbox
        .runner(&["status", "pipeline.yaml", "-S", "test_images=30"])
        .stdout;
    assert!(
        status.ends_with("3 stages: 3 cached, 0 will run, 0 waiting\n"),
        "{status}"
    );
}

#[test]
fn equal_actions_of_two_stages_run_once() {
    let twin = TINY.replace("  cnn:\n", "  twins:\n    kind: dataset\n    params: { source: { phantom: { images: 40, test_images: 20 } }, image_size: 16, validation: 0.2 }\n  cnn:\n");
    let sandbox = Sandbox::new(&twin);
    let outcomes = sandbox
        .run_json(&["-S", "widths=[4]", "-j", "2"])
        .outcomes();
    let count = |wanted: &str| {
        outcomes
            .iter()
            .filter(|(_, outcome)| outcome == wanted)
            .count()
    };
    assert_eq!(
        (count("succeeded"), count("cached")),
        (2, 1),
        "{outcomes:?}"
    );
}

#[test]
fn results_do_not_depend_on_the_number_of_jobs() {
    let weights = |jobs: &str| {
        let sandbox = Sandbox::new(TINY);
        let run = sandbox.run_json(&["-j", jobs]);
        assert_eq!(run.code, Some(0), "{run:?}");
        fs::read(sandbox.path("artifacts/latest/tiny/cnn[6]/model/weights.safetensors")).unwrap()
    };
    assert!(weights("1") == weights("3"));
}

#[test]
fn a_damaged_input_is_made_again() {
    let sandbox = Sandbox::new(TINY);
    sandbox.run_json(&[]);
    let blob = sandbox.path("artifacts/latest/tiny/xrays/train/images.bin");
    fs::set_permissions(&blob, fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = fs::read(&blob).unwrap();
    // The file in `latest` is the blob itself, so writing to it damages the store.
    bytes[0] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let again = sandbox.run_json(&["-S", "epochs=1"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    let all = named(&[
        ("xrays", "succeeded"),
        ("cnn[4]", "succeeded"),
        ("cnn[6]", "succeeded"),
    ]);
    assert_eq!(again.outcomes(), all);
    assert_eq!(sandbox.run_json(&[]).outcomes(), named(&ALL_CACHED));
}

#[test]
fn a_run_prints_its_tables() {
    let sandbox = Sandbox::new(TINY);
    let before = sandbox.runner(&["table", "pipeline.yaml", "--format", "md"]);
    assert!(
        before.stdout.contains("| 4 | not run (paper 2) |"),
        "{before:?}"
    );
    let run = sandbox.runner(&["run", "pipeline.yaml", "-S", "epochs=1"]);
    assert!(run.stderr.contains("3 stages: 3 ran; "), "{run:?}");
    assert!(
        run.stderr.contains("outputs: artifacts/latest/tiny"),
        "{run:?}"
    );
    let table = sandbox.runner(&["table", "pipeline.yaml", "-S", "epochs=1"]);
    assert_eq!(run.stdout, table.stdout);
    assert!(table.stdout.contains("1.000 (paper 2)"), "{table:?}");
}

#[test]
fn a_start_reason_names_a_stage_with_several_outputs_once() {
    let pipeline = "
version: 1
name: dup
stages:
  a: { kind: command, params: { shell: true, argv: 'echo 1 > x; echo 2 > y', outputs: { x: x, y: y } } }
  c: { kind: command, params: { shell: true, argv: 'echo 3 > z', outputs: { z: z } } }
  b:
    kind: command
    inputs: { p: a.x, q: c, r: [a.y, c, a.x] }
    params: { shell: true, argv: 'true' }
";
    let sandbox = Sandbox::new(pipeline);
    let run = sandbox.runner(&["run", "pipeline.yaml", "-v"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("b: starts (after a, c)\n"), "{run:?}");
    let events = list(&sandbox.path("artifacts/v1/runs"))[0].join("events.jsonl");
    let events = fs::read_to_string(events).unwrap();
    assert!(events.contains("\"after a, c\""), "{events}");
    // Only stages that ran again are named.
    fs::write(
        sandbox.path("pipeline.yaml"),
        pipeline.replace("echo 1 > x", "echo 9 > x"),
    )
    .unwrap();
    let again = sandbox.runner(&["run", "pipeline.yaml", "-v"]);
    assert!(again.stderr.contains("b: starts (after a)\n"), "{again:?}");
}
