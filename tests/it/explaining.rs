//! `runner explain`, `lineage` and `runs show`: why a stage runs, ran or is cached.

use std::fs;

use serde_json::{Value, json};

use crate::sandbox::{Sandbox, TINY};

fn stage<'a>(object: &'a Value, name: &str) -> &'a Value {
    let mut stages = object["stages"].as_array().unwrap().iter();
    stages.find(|stage| stage["name"] == name).unwrap()
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
    let nothing = explain(&[]).stdout;
    assert!(nothing.starts_with("no stage would run; "), "{nothing}");
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
    // The estimated time follows.
    let cause = "xrays.params.source.phantom.images 40 → 44, 2 stages follow, ";
    assert!(all.starts_with(cause), "{all}");
    assert_eq!(all.lines().count(), 1, "{all}");
    let one = explain(&[&["cnn[4]"], &set[..]].concat()).stdout;
    assert!(
        one.starts_with("cnn[4] runs if the result of xrays changes\n  xrays.params.source"),
        "{one}"
    );
    assert!(one.contains("\n    xrays → cnn[4]\n"), "{one}");
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
    let planned = sandbox.runner(&["plan", "pipeline.yaml", "--json"]).json();
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

#[test]
fn a_finished_stage_tells_why_it_ran_last() {
    let sandbox = Sandbox::new(TINY);
    let run = |args: &[&str]| {
        assert_eq!(sandbox.run_json(args).code, Some(0));
        sandbox.last_run()["run"].as_str().unwrap().to_owned()
    };
    let explain = |stage: &str, args: &[&str]| {
        let all = [&["explain", "pipeline.yaml", stage], args].concat();
        let done = sandbox.runner(&all);
        assert_eq!(done.code, Some(0), "{done:?}");
        done
    };
    let ran_last = |stage: &str, args: &[&str]| {
        let text = explain(stage, args).stdout;
        let (_, last) = text.split_once("  ran last in run ").expect(&text);
        last.to_owned()
    };
    let never = explain("cnn[4]", &[]).stdout;
    assert!(!never.contains("ran last"), "{never}");
    let first = run(&[]);
    let last = ran_last("xrays", &[]);
    assert!(last.starts_with(&first), "{last}");
    assert!(
        last.ends_with(", succeeded), because\n    first run\n"),
        "{last}"
    );
    let last = ran_last("cnn[4]", &[]);
    assert!(last.ends_with("\n    after xrays (first run)\n"), "{last}");

    let more = ["-S", "images=44"];
    let second = run(&more);
    let last = ran_last("cnn[4]", &more);
    assert!(last.starts_with(&second), "{last}");
    let because = "because\n    xrays.params.source.phantom.images 40 → 44\n      xrays → cnn[4]\n";
    assert!(last.ends_with(because), "{last}");
    // Cached runs since then change nothing, and neither do runs of other stages.
    let longer = ["-S", "images=44", "-S", "epochs=3"];
    let third = run(&longer);
    run(&longer);
    let last = ran_last("cnn[4]", &longer);
    assert!(last.starts_with(&third), "{last}");
    assert!(
        last.ends_with("because\n    cnn[4].params.epochs 2 → 3\n"),
        "{last}"
    );
    assert!(ran_last("xrays", &longer).starts_with(&second));
    let object = explain("cnn[4]", &[&["--json"], &longer[..]].concat()).json();
    let last = &object["stages"][0]["last_execution"];
    assert_eq!(last["run"], third.as_str(), "{last}");
    assert_eq!(last["causes"][0]["cause"], "params.epochs 2 → 3", "{last}");

    // A forced run has no other cause.
    run(&[&["--force=xrays"], &longer[..]].concat());
    let last = ran_last("xrays", &longer);
    assert!(last.ends_with("because\n    forced\n"), "{last}");
}

#[test]
fn a_run_shows_why_each_stage_ran() {
    let sandbox = Sandbox::new(TINY);
    sandbox.run_json(&[]);
    sandbox.run_json(&["-S", "epochs=3"]);
    let page = sandbox.runner(&["runs", "show"]).stdout;
    let why = |stage: &str| {
        let row = page.lines().find(|line| line.starts_with(stage));
        let row = row.expect(&page).to_owned();
        row.rsplit_once("  ").unwrap().1.to_owned()
    };
    assert_eq!(why("stage "), "why");
    assert_eq!(why("xrays "), "-");
    assert_eq!(why("cnn[4] "), "params.epochs 2 → 3");
    let object = sandbox.runner(&["runs", "show", "--json"]).json();
    assert_eq!(stage(&object, "cnn[6]")["reason"], "params.epochs 2 → 3");
    assert_eq!(stage(&object, "xrays")["reason"], Value::Null);
    let first = sandbox
        .runner(&["runs", "show", "latest~1", "--json"])
        .json();
    assert_eq!(stage(&first, "xrays")["reason"], "first run");
    assert_eq!(stage(&first, "cnn[4]")["reason"], "after xrays");
}
