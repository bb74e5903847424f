//! `runner compare`: what differs between two runs, and how that changed their results.

use std::fs;

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

/// A stage `score` that reports the metrics in `scores`. Its input is one of two other stages.
const SCORES: &str = r#"
version: 1
name: scores
vars: { scores: "{}", from: left, copies: [1, 2, 3, 4] }
stages:
  left:
    kind: command
    params: { argv: [sh, -c, "echo left > made"], outputs: { made: made } }
  right:
    kind: command
    params: { argv: [sh, -c, "echo right > made"], outputs: { made: made } }
  score:
    kind: command
    matrix: { copy: "${copies}" }
    inputs: { data: "${from}.made" }
    params:
      argv: [sh, score.sh, "${scores}", "${matrix.copy}"]
      code: [score.sh]
      metrics: metrics.json
"#;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(SCORES);
    fs::write(
        sandbox.path("score.sh"),
        "printf %s \"$1\" > metrics.json\n",
    )
    .unwrap();
    sandbox
}

/// Runs the pipeline with these metrics: `(name, value, interval, direction)`.
fn run(sandbox: &Sandbox, metrics: &[(&str, f64, [f64; 2], &str)], more: &[&str]) {
    let metrics = metrics.iter().map(|(name, value, interval, direction)| {
        let metric = json!({ "value": value, "interval": interval, "direction": direction });
        ((*name).to_owned(), metric)
    });
    let metrics: serde_json::Map<String, Value> = metrics.collect();
    let scores = format!("scores='{}'", json!(metrics));
    let done = sandbox.run_json(&[&["-S", &scores], more].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
}

fn compared(sandbox: &Sandbox, more: &[&str]) -> String {
    let done = sandbox.runner(&[&["compare", "latest~1", "latest"], more].concat());
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    done.stdout
}

#[test]
fn metrics_are_judged_by_their_direction_and_the_overlap_of_intervals() {
    let sandbox = sandbox();
    let one = &["-S", "copies=[1]"];
    let before = [
        ("f1", 0.5, [0.4, 0.6], "maximize"),
        ("loss", 0.5, [0.45, 0.55], "minimize"),
        ("size", 10.0, [10.0, 10.0], "minimize"),
    ];
    let after = [
        ("f1", 0.58, [0.45, 0.65], "maximize"),
        ("loss", 0.7, [0.6, 0.8], "minimize"),
        ("size", 10.0, [10.0, 10.0], "minimize"),
    ];
    run(&sandbox, &before, one);
    run(&sandbox, &after, one);
    let object: Value = serde_json::from_str(&compared(&sandbox, &["--json"])).unwrap();
    let stages = object["stages"].as_array().unwrap();
    let score = stages
        .iter()
        .find(|stage| stage["name"] == "score[1]")
        .unwrap();
    let found: Vec<Value> = score["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| json!([m["metric"], m["verdict"], m["apart"], m["b_interval"]]))
        .collect();
    let expected = [
        json!(["f1", "better", false, [0.45, 0.65]]),
        json!(["loss", "worse", true, [0.6, 0.8]]),
        json!(["size", "equal", false, [10.0, 10.0]]),
    ];
    assert_eq!(found, expected);

    let text = compared(&sandbox, &[]);
    for line in [
        "score[1]  f1      0.5000 [0.40, 0.60]  0.5800 [0.45, 0.65]     +0.0800   better",
        "score[1]  loss    0.5000 [0.45, 0.55]  0.7000 [0.60, 0.80]     +0.2000  worse *",
        "[…] 95 % intervals, as each stage reports them; those of `evaluate` cover the choice of test images only, \
         not of seeds",
        "* the 95 % intervals do not overlap",
    ] {
        assert!(text.contains(line), "`{line}`:\n{text}");
    }
    // Causes are printed before their effects.
    let at = |part: &str| {
        text.find(part)
            .unwrap_or_else(|| panic!("`{part}`:\n{text}"))
    };
    assert!(at("what differs") < at("why it differs"), "{text}");
    assert!(at("why it differs") < at("difference"), "{text}");
    // Equal metrics are not printed.
    run(&sandbox, &after, one);
    assert!(!compared(&sandbox, &[]).contains("difference"));
}

#[test]
fn a_cause_is_listed_once_with_all_its_stages_and_its_effects_are_not() {
    let sandbox = sandbox();
    let metrics = [("f1", 0.5, [0.4, 0.6], "maximize")];
    run(&sandbox, &metrics, &[]);
    fs::write(
        sandbox.path("score.sh"),
        "printf '%s ' \"$1\" > metrics.json\n",
    )
    .unwrap();
    let text = SCORES.replace("echo left", "echo  left");
    fs::write(sandbox.path("pipeline.yaml"), text).unwrap();
    run(&sandbox, &metrics, &[]);
    let changes = |args: &[&str]| -> Vec<Value> {
        let object: Value = serde_json::from_str(&compared(&sandbox, args)).unwrap();
        object["changes"].as_array().unwrap().clone()
    };
    let found = changes(&["--json"]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0]["param"], "params.argv[2]");
    assert_eq!(found[0]["a"], "echo left > made");
    assert_eq!(found[0]["b"], "echo  left > made");
    assert_eq!(found[0]["stages"], json!(["left"]));
    // The second change is the script. The changed input of `score` follows from the first change and is not
    // listed.
    assert!(
        found[1]["what"].as_str().unwrap().starts_with("source"),
        "{found:?}"
    );
    assert_eq!(found[1]["stages"].as_array().unwrap().len(), 4);
    let text = compared(&sandbox, &[]);
    assert!(text.contains("4 of score\n"), "{text}");

    // If an input is taken from a different stage, that is a cause.
    run(&sandbox, &metrics, &["-S", "from=right"]);
    let found = changes(&["--json"]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["what"], "input `data`: left.made → right.made");
    // Only options that differ are printed.
    let text = compared(&sandbox, &[]);
    assert!(text.contains("options  none → -S from=right\n"), "{text}");
}

#[test]
fn markdown_has_a_table_for_each_part() {
    let sandbox = sandbox();
    run(
        &sandbox,
        &[("f1", 0.5, [0.4, 0.5], "maximize")],
        &["-S", "copies=[1]"],
    );
    run(
        &sandbox,
        &[("f1", 0.7, [0.6, 0.8], "maximize")],
        &["-S", "copies=[1]"],
    );
    let text = compared(&sandbox, &["--md"]);
    for part in [
        "|  | run | started | state | time |\n| --- | --- | --- | --- | --- |\n| A | ",
        "| what differs | in |\n| --- | --- |\n| params.argv[2] ",
        "| stage | why it differs | time A | time B |\n",
        "| score[1] | f1 | 0.5000 [0.40, 0.50] | 0.7000 [0.60, 0.80] | +0.2000 | better * |\n",
        "\n\\* the 95 % intervals do not overlap\n",
    ] {
        assert!(text.contains(part), "`{part}`:\n{text}");
    }
    let refused = sandbox.runner(&["compare", "latest~1", "latest", "--md", "--json"]);
    assert_eq!(refused.code, Some(2));
    // `runs diff` is the older name of `compare`.
    let other = sandbox.runner(&["runs", "diff", "latest~1", "latest", "--md"]);
    assert_eq!(other.stdout, text);
}

/// Removes the results that only older runs used. The folders of the runs stay.
fn remove_results_of_older_runs(sandbox: &Sandbox) {
    let removed = sandbox.runner(&["cache", "gc", "--max-size", "1B", "--apply"]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
    assert!(removed.stdout.contains("results"), "{removed:?}");
}

#[test]
fn metrics_of_removed_results_come_from_the_records_of_the_runs() {
    let sandbox = sandbox();
    let one = &["-S", "copies=[1]"];
    for (value, interval) in [(0.5, [0.4, 0.5]), (0.7, [0.6, 0.8]), (0.9, [0.9, 0.9])] {
        run(&sandbox, &[("f1", value, interval, "maximize")], one);
    }
    let compared = || sandbox.runner(&["compare", "latest~2", "latest~1", "--md"]);
    let row =
        "| score[1] | f1 | 0.5000 [0.40, 0.50] | 0.7000 [0.60, 0.80] | +0.2000 | better * |\n";
    let before = compared();
    assert!(before.stdout.contains(row), "{before:?}");
    remove_results_of_older_runs(&sandbox);
    let after = compared();
    assert!(
        after.stdout.contains("the store has no result of either"),
        "{after:?}"
    );
    assert!(after.stdout.contains(row), "{after:?}");
    // One side from the store, and the other from the record.
    let mixed = self::compared(&sandbox, &["--md"]);
    assert!(
        mixed.contains("| score[1] | f1 | 0.7000 [0.60, 0.80] | 0.9000 "),
        "{mixed}"
    );
}

#[test]
fn runs_without_a_common_metric_say_so() {
    const NOTE: &str = "no metric was measured in both runs\n";
    let sandbox = sandbox();
    let one = &["-S", "copies=[1]"];
    run(&sandbox, &[("f1", 0.5, [0.4, 0.5], "maximize")], one);
    run(&sandbox, &[("loss", 0.5, [0.4, 0.5], "minimize")], one);
    let text = compared(&sandbox, &[]);
    assert!(text.contains(NOTE), "{text}");
    let text = compared(&sandbox, &["--md"]);
    assert!(text.contains(NOTE), "{text}");
    // An equal metric was measured in both.
    run(&sandbox, &[("loss", 0.5, [0.4, 0.5], "minimize")], one);
    let text = compared(&sandbox, &[]);
    assert!(!text.contains(NOTE), "{text}");
}
