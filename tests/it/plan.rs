//! `runner plan`, `explain` and `lineage`: what they show, and whether runs match what `plan` predicts.

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::sandbox::{Finished, Sandbox, TINY, list};

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

#[test]
fn a_saved_plan_runs_as_it_was_saved() {
    let sandbox = Sandbox::new(TINY);
    let args = ["-S", "epochs=1", "--until", "cnn[6]", "-o", "p.plan"];
    plan(&sandbox, &args);
    let run = sandbox.runner(&["run", "--plan", "p.plan", "--json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let names: Vec<String> = run.outcomes().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["xrays", "cnn[6]"]);
    assert_eq!(run.json()["sets"], json!(["epochs=1"]));
}

#[test]
fn a_saved_plan_that_is_out_of_date_is_refused() {
    let refused = |sandbox: &Sandbox| -> Finished {
        let refused = sandbox.runner(&["run", "--plan", "p.plan"]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(
            refused
                .stderr
                .starts_with("error: the plan `p.plan` is out of date:\n"),
            "{refused:?}"
        );
        refused
    };
    let sandbox = Sandbox::new(TINY);
    plan(&sandbox, &["-o", "p.plan"]);
    fs::write(
        sandbox.path("pipeline.yaml"),
        TINY.replace("images: 40", "images: 44"),
    )
    .unwrap();
    let changed = refused(&sandbox).stderr;
    let cause =
        "  `xrays`: params.source.phantom.images 40 → 44\n  2 stages downstream changed as well\n";
    assert!(changed.contains(cause), "{changed}");
    assert!(list(&sandbox.path("artifacts/v1/runs")).is_empty());

    fs::write(sandbox.path("pipeline.yaml"), TINY).unwrap();
    sandbox.run_json(&["--until", "xrays"]);
    let cached = refused(&sandbox).stderr;
    assert!(cached.contains("  `xrays` is now cached\n"), "{cached}");
    assert!(
        cached.contains("  `cnn[4]` will now run: first run\n"),
        "{cached}"
    );

    let mut bytes = fs::read(sandbox.path("p.plan")).unwrap();
    let last = bytes.len() - 9;
    bytes[last] ^= 1;
    fs::write(sandbox.path("p.plan"), bytes).unwrap();
    let torn = sandbox.runner(&["run", "--plan", "p.plan"]);
    assert_eq!(torn.code, Some(2), "{torn:?}");
    assert!(
        torn.stderr.contains("`p.plan` is not a plan as"),
        "{torn:?}"
    );
    for more in [
        &["pipeline.yaml"][..],
        &["-S", "epochs=3"],
        &["--device", "cpu"],
        &["--until", "xrays"],
    ] {
        let both = sandbox.runner(&[&["run", "--plan", "p.plan"], more].concat());
        assert_eq!(both.code, Some(2), "{both:?}");
    }
}

#[test]
fn explain_traces_a_stage_to_the_change() {
    let sandbox = Sandbox::new(TINY);
    sandbox.run_json(&[]);
    let explain = |args: &[&str]| {
        let done = sandbox.runner(&[&["explain", "pipeline.yaml"], args].concat());
        assert_eq!(done.code, Some(0), "{done:?}");
        done
    };
    assert_eq!(explain(&[]).stdout, "no stage would run\n");
    let hit = explain(&["cnn[4]"]).stdout;
    let run = sandbox.last_run()["run"].as_str().unwrap().to_owned();
    assert!(hit.starts_with("cnn[4] is cached\n  made 2"), "{hit}");
    assert!(hit.contains(&format!(" by run {run} in ")), "{hit}");
    assert!(hit.contains("found by its action key "), "{hit}");
    assert!(
        hit.contains("xrays.train, xrays.validation, seed 7, train-cnn version"),
        "{hit}"
    );

    let set = ["-S", "images=44"];
    let all = explain(&set).stdout;
    let cause = "xrays.params.source.phantom.images 40 → 44, 2 stages follow, about under 1 s";
    assert_eq!(all.trim_end(), cause.replace("about under", "under"));
    let one = explain(&[&["cnn[4]"], &set[..]].concat()).stdout;
    assert!(
        one.starts_with("cnn[4] runs if the result of xrays changes\n  xrays.params.source"),
        "{one}"
    );
    assert!(one.ends_with("\n    xrays → cnn[4]\n"), "{one}");
    let object = explain(&[&["cnn[4]", "--json"], &set[..]].concat()).json();
    let cause = &object["stages"][0]["causes"][0];
    assert_eq!(cause["stage"], "xrays");
    assert_eq!(cause["cause"], "params.source.phantom.images 40 → 44");
    assert_eq!(cause["followers"], json!(["cnn[4]", "cnn[6]"]));
    let wrong = sandbox.runner(&["explain", "pipeline.yaml", "cn"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}

#[test]
fn explain_compares_two_records() {
    let sandbox = Sandbox::new(TINY);
    let first = sandbox.run_json(&[]).json();
    let sets = ["-S", "images=44", "-S", "epochs=1", "-S", "seed=8"];
    let second = sandbox.run_json(&sets).json();
    let key = |run: &Value| stage(run, "cnn[4]")["key"].as_str().unwrap().to_owned();
    let (a, b) = (key(&first), key(&second));
    let done = sandbox.runner(&["explain", &a[..10], &b]);
    assert_eq!(done.code, Some(0), "{done:?}");
    for expected in [
        "\n  params.epochs 2 → 1\n",
        "\n  seed 7 → 8\n",
        "\n  params.source.phantom.images 40 → 44\n    in dataset ",
        "\noutput `model`: different\n",
    ] {
        assert!(done.stdout.contains(expected), "`{expected}`: {done:?}");
    }
    let same = sandbox.runner(&["explain", &a, &a, "--json"]).json();
    assert_eq!(same["changes"], json!([]));
    let none = sandbox.runner(&["explain", "00000000", &b]);
    assert_eq!(none.code, Some(2), "{none:?}");
    assert!(
        none.stderr
            .contains("no record under a key that starts with"),
        "{none:?}"
    );
}

#[test]
fn lineage_shows_the_origin_and_the_consumers_of_an_artifact() {
    let sandbox = Sandbox::new(TINY);
    sandbox.run_json(&[]);
    let back = sandbox.runner(&[
        "lineage",
        "artifacts/latest/tiny/cnn[4]/model/weights.safetensors",
    ]);
    assert_eq!(back.code, Some(0), "{back:?}");
    let lines: Vec<&str> = back.stdout.lines().collect();
    assert!(lines[0].starts_with("cnn[4].model  train-cnn "), "{back:?}");
    assert!(lines[0].contains(", epochs 2, model ["), "{back:?}");
    assert!(
        lines[1].starts_with("  train: xrays.train  dataset "),
        "{back:?}"
    );
    assert!(lines[1].contains(", image_size 16, "), "{back:?}");
    assert!(
        lines[2].starts_with("  validation: xrays.validation"),
        "{back:?}"
    );
    assert_eq!(lines.len(), 3);

    let by_name = sandbox.runner(&["lineage", "pipeline.yaml", "cnn[4].model"]);
    assert_eq!(by_name.stdout, back.stdout);
    let object = sandbox
        .runner(&["lineage", "pipeline.yaml", "cnn[4].model", "--json"])
        .json();
    let tree = object["actions"][0]["outputs"]["model"].as_str().unwrap();
    let by_digest = sandbox.runner(&["lineage", &tree[..12]]);
    assert_eq!(by_digest.stdout, back.stdout);

    let args = [
        "lineage",
        "pipeline.yaml",
        "xrays.validation",
        "--downstream",
    ];
    let on = sandbox.runner(&args).stdout;
    for consumer in ["cnn[4]", "cnn[6]"] {
        let line = format!("  validation → validation: {consumer}  train-cnn ");
        assert!(on.contains(&line), "{on}");
    }
    let args = ["lineage", "pipeline.yaml", "xrays.test", "--downstream"];
    assert_eq!(sandbox.runner(&args).stdout.lines().count(), 1);
    for (wrong, why) in [
        (
            &["pipeline.yaml", "cnn[4].modle"][..],
            "did you mean `model`?",
        ),
        (&["pipeline.yaml", "cnn"], "matches several stages"),
        (&["pipeline.yaml"], "name a stage as well"),
        (&["nowhere"], "is not a file, and not a digest"),
    ] {
        let refused = sandbox.runner(&[&["lineage"], wrong].concat());
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(why), "{refused:?}");
    }
}

/// A random pipeline of quick stages: datasets, and augmentations of their splits.
#[derive(Clone, Debug)]
struct Drawn {
    /// Extra training images, extra test images and seed of each dataset.
    datasets: Vec<(u8, u8, u8)>,
    /// Dataset, split (true for `train`) and shear of each augmentation.
    augments: Vec<(prop::sample::Index, bool, u8)>,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let dataset = (0..2_u8, 0..2_u8, 0..2_u8);
    let augment = (any::<prop::sample::Index>(), any::<bool>(), 0..2_u8);
    (
        prop::collection::vec(dataset, 1..4),
        prop::collection::vec(augment, 0..4),
    )
        .prop_map(|(datasets, augments)| Drawn { datasets, augments })
}

impl Drawn {
    fn pipeline(&self) -> String {
        let mut text = "version: 1\nname: drawn\nstages:\n".to_owned();
        for (index, (images, test, seed)) in self.datasets.iter().enumerate() {
            let (images, test) = (20 + images, 10 + test);
            text.push_str(&format!(
                "  d{index}: {{ kind: dataset, seed: {seed}, params: {{ image_size: 8, validation: 0.2, source: {{ phantom: {{ images: {images}, test_images: {test} }} }} }} }}\n"
            ));
        }
        for (index, (dataset, train, shear)) in self.augments.iter().enumerate() {
            let dataset = dataset.index(self.datasets.len());
            let port = if *train { "train" } else { "test" };
            text.push_str(&format!(
                "  a{index}: {{ kind: augment, inputs: {{ images: d{dataset}.{port} }}, params: {{ shear: 0.{shear} }} }}\n"
            ));
        }
        text
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Uses real processes and a real store. A dataset can change one of its outputs and leave the others the
    /// same.
    #[test]
    fn a_run_does_what_its_plan_says(rounds in prop::collection::vec(drawn(), 1..4)) {
        let sandbox = Sandbox::new("");
        for drawn in rounds {
            fs::write(sandbox.path("pipeline.yaml"), drawn.pipeline()).unwrap();
            let planned = plan(&sandbox, &[]);
            let run = sandbox.run_json(&[]);
            prop_assert_eq!(run.code, Some(0), "{:?}", run);
            let outcomes: BTreeMap<String, String> = run.outcomes().into_iter().collect();
            let mut made = Vec::new();
            for stage in planned["stages"].as_array().unwrap() {
                let name = stage["name"].as_str().unwrap();
                let is_first = !made.contains(&&stage["key"]);
                made.push(&stage["key"]);
                let outcome = outcomes[name].as_str();
                match stage["state"].as_str().unwrap() {
                    "cached" => prop_assert_eq!(outcome, "cached", "{}", name),
                    "runs" => {
                        let expected = if is_first { "succeeded" } else { "cached" };
                        prop_assert_eq!(outcome, expected, "{}", name);
                    }
                    _ => {
                        let upstream = stage["waits_on"].as_str().unwrap();
                        prop_assert!(outcomes.contains_key(upstream));
                        prop_assert!(["succeeded", "cached"].contains(&outcome), "{}", name);
                    }
                }
            }
            let again = plan(&sandbox, &[]);
            let stages = again["stages"].as_array().unwrap();
            prop_assert!(stages.iter().all(|stage| stage["state"] == "cached"), "{}", again);
        }
    }
}

#[test]
fn early_cutoff_is_explained() {
    // Changing the number of test images does not change the training images.
    let pipeline = |test: u32| {
        format!(
            "version: 1\nname: cutoff\nstages:\n  d: {{ kind: dataset, params: {{ image_size: 8, source: {{ phantom: {{ images: 20, test_images: {test} }} }} }} }}\n  a: {{ kind: augment, inputs: {{ images: d.train }} }}\n"
        )
    };
    let sandbox = Sandbox::new(&pipeline(10));
    sandbox.run_json(&[]);
    fs::write(sandbox.path("pipeline.yaml"), pipeline(12)).unwrap();
    let planned = plan(&sandbox, &[]);
    assert_eq!(stage(&planned, "a")["waits_on"], "d");
    let run = sandbox.run_json(&[]);
    assert_eq!(stage(&run.json(), "a")["outcome"], "cached");
    let hit = sandbox.runner(&["explain", "pipeline.yaml", "a"]).stdout;
    assert!(hit.contains("found by its content key"), "{hit}");
    assert!(
        hit.contains("the inputs have the same content as for action"),
        "{hit}"
    );
}
