//! Parameters and metrics of runs and trials in `runs list`.

use serde_json::{Value, json};

use super::{SCORES, run, runner};
use crate::sandbox::Sandbox;
use crate::sweeping::GRID;

fn listed(sandbox: &Sandbox, args: &[&str]) -> Vec<Value> {
    let object = runner(sandbox, &[&["runs", "list", "--json"], args].concat()).json();
    object["runs"].as_array().unwrap().clone()
}

#[test]
fn runs_are_sorted_by_parameters_and_metrics() {
    let sandbox = Sandbox::new(SCORES);
    for x in ["0.7", "0.2", "0.9"] {
        run(&sandbox, &["-S", &format!("x={x}")]);
    }
    let failed = sandbox.runner(&["run", "pipeline.yaml", "-S", "x=nonsense"]);
    assert_eq!(failed.code, Some(100), "{failed:?}");
    let column = |args: &[&str], name: &str| -> Vec<Value> {
        let runs = listed(&sandbox, args);
        runs.iter()
            .map(|run| run["columns"][name].clone())
            .collect()
    };
    // By default, newest first, with what was set and the metrics.
    assert_eq!(
        column(&[], "x"),
        [json!("nonsense"), json!(0.9), json!(0.2), json!(0.7)]
    );
    assert_eq!(
        column(&[], "score.f1"),
        [json!(null), json!(0.9), json!(0.2), json!(0.7)]
    );
    let sorted = ["--columns", "score[a].f1,state", "--sort", "score.f1"];
    assert_eq!(
        column(&sorted, "score[a].f1"),
        [json!(0.2), json!(0.7), json!(0.9), json!(null)]
    );
    let best = [
        "--columns",
        "score.f1",
        "--sort",
        "-score.f1",
        "--limit",
        "1",
    ];
    assert_eq!(column(&best, "score.f1"), [json!(0.9)]);
    let text = runner(&sandbox, &["runs", "list", "--columns", "score.f1,took"]);
    assert!(text.stdout.starts_with("run  "), "{text:?}");
    let csv = runner(
        &sandbox,
        &["runs", "list", "--csv", "--columns", "x,score.f1"],
    )
    .stdout;
    assert!(csv.starts_with("run,x,score.f1\n"), "{csv}");
    assert!(
        csv.contains(",0.9,0.9\n") && csv.contains(",nonsense,\n"),
        "{csv}"
    );
    let unknown = sandbox.runner(&["runs", "list", "--sort", "score.f2"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(
        unknown
            .stderr
            .contains("no run has a parameter or metric `score.f2`; did you mean `score.f1`?"),
        "{unknown:?}"
    );
}

#[test]
fn columns_show_undefined_values_and_ranges() {
    let names = r#"
version: 1
name: names
vars: { x: 0.5 }
stages:
  it:
    kind: command
    matrix: { name: [a, b] }
    params:
      argv: [sh, -c, 'case $1 in a) f=$0;; *) f=0.75;; esac; echo "{\"f1\": $f, \"nothing\": null}" > m.json', "${x}", "${matrix.name}"]
      metrics: m.json
"#;
    let sandbox = Sandbox::new(names);
    run(&sandbox, &[]);
    let shown = listed(&sandbox, &["--columns", "it.nothing"]);
    let expected = json!({ "it.nothing": null });
    assert_eq!(shown[0]["columns"], expected);
    let text = runner(&sandbox, &["runs", "list", "--columns", "it.nothing"]);
    assert!(text.stdout.contains("undefined"), "{text:?}");
    let short = sandbox.runner(&["runs", "list", "--columns", "f1"]);
    assert!(short.stderr.contains("did you mean `it.f1`?"), "{short:?}");
    let unknown = sandbox.runner(&["runs", "list", "--columns", "qqqqqqqqqqqq"]);
    assert!(unknown.stderr.contains("known columns: "), "{unknown:?}");
    assert!(!unknown.stderr.contains("it.metrics`"), "{unknown:?}");

    let columns = ["runs", "list", "--csv", "--columns", "took,it.f1"];
    let csv = runner(&sandbox, &columns).stdout;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "run,took,it.f1.low,it.f1.high");
    let cells: Vec<&str> = lines[1].split(',').collect();
    assert!(cells[1].parse::<f64>().is_ok(), "{csv}");
    assert_eq!(cells[2..], ["0.5", "0.75"]);
    let none = runner(&sandbox, &["runs", "list", "--trials"]);
    assert!(none.stderr.contains("found no trials"), "{none:?}");
}

#[test]
fn a_promoted_trial_is_found_by_the_name_of_its_profile() {
    let few = GRID.replace(
        "cnn.params.learning_rate: [0.001, 0.003, 0.01]\n    width: { int_uniform: [2, 8, 2] }",
        "cnn.params.learning_rate: [0.001, 0.01]",
    );
    let sandbox = Sandbox::new(&few);
    let swept = run(&sandbox, &[]);
    assert!(
        swept.stdout.contains("(the best): evaluate.accuracy "),
        "{swept:?}"
    );
    // Each trial is an entry with its values and metrics.
    let trials = listed(&sandbox, &["--trials", "--sort", "-evaluate.roc_auc"]);
    assert_eq!(trials.len(), 4);
    let auc = |trial: &Value| trial["columns"]["evaluate.roc_auc"].as_f64().unwrap();
    assert!(trials.is_sorted_by(|a, b| auc(a) >= auc(b)), "{trials:?}");
    assert!(
        trials[0]["columns"]["learning_rate"].is_number(),
        "{trials:?}"
    );
    assert_eq!(trials[0]["columns"]["state"], "finished");
    // The time is that of the trial, and the runs that are no sweeps have no trials.
    let shown = runner(
        &sandbox,
        &["sweep", "show", "pipeline.yaml", "--format", "json"],
    )
    .json();
    let report = shown["trials"].as_array().unwrap();
    for trial in &trials {
        let number = &trial["trial"]["number"];
        let same = report.iter().find(|one| one["number"] == *number);
        assert_eq!(trial["columns"]["took"], same.unwrap()["seconds"]);
        assert!(trial["columns"].get("stages").is_none(), "{trial}");
    }
    let objective = shown["objective"]["metric"].as_str().unwrap();
    assert!(trials[0]["columns"][objective].is_number(), "{trials:?}");
    let whole = listed(&sandbox, &[]);
    assert_eq!(auc(&whole[0]), auc(&trials[0]));

    let promoted = runner(&sandbox, &["sweep", "promote", "pipeline.yaml"]);
    assert!(
        promoted
            .stderr
            .contains("to the profile `best` of `pipeline.yaml`: evaluate.accuracy "),
        "{promoted:?}"
    );
    let profile = [
        "metrics",
        "pipeline.yaml",
        "--profile",
        "best",
        "-f",
        "roc_auc",
        "--json",
    ];
    let found = runner(&sandbox, &profile).json();
    assert_eq!(
        found["metrics"][0]["value"].as_f64().unwrap(),
        auc(&trials[0])
    );
    // The metrics of the positive class are listed once.
    let all = runner(&sandbox, &["metrics", "pipeline.yaml", "--profile", "best"]).stdout;
    let names = all
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1));
    let f1: Vec<&str> = names.filter(|name| name.starts_with("f1")).collect();
    assert_eq!(f1.len(), 2, "{all}");
    // The profile is the trial alone, and everything is cached.
    let alone = sandbox.run_json(&["--profile", "best"]);
    assert!(
        alone
            .outcomes()
            .iter()
            .all(|(_, outcome)| outcome == "cached"),
        "{alone:?}"
    );
    let newest = &listed(&sandbox, &["--limit", "1"])[0];
    assert_eq!(newest["profile"], "best");
    assert_eq!(listed(&sandbox, &["--trials"]).len(), 4);
    // The number of epochs that were asked for, and that of those that were trained.
    let epochs = listed(&sandbox, &["--limit", "1", "--columns", "cnn.epochs"]);
    let epochs = epochs[0]["columns"].as_object().unwrap();
    assert_eq!(
        epochs.keys().collect::<Vec<_>>(),
        ["cnn.params.epochs", "cnn.metrics.epochs"]
    );
    let refused = sandbox.runner(&["runs", "list", "--sort", "cnn.epochs"]);
    assert!(
        refused
            .stderr
            .contains("sort by `cnn.params.epochs` or `cnn.metrics.epochs`"),
        "{refused:?}"
    );
    assert_eq!(auc(newest), auc(&trials[0]));
}

#[test]
fn a_sweep_with_seeds_is_promoted_with_them() {
    let few = GRID
        .replace(
            "cnn.params.learning_rate: [0.001, 0.003, 0.01]\n    width: { int_uniform: [2, 8, 2] }\n    batch: [8, 16]",
            "batch: [8, 16]",
        )
        .replace("sweep:\n", "sweep:\n  seeds: 2\n");
    let sandbox = Sandbox::new(&few);
    run(&sandbox, &[]);
    runner(
        &sandbox,
        &["sweep", "promote", "pipeline.yaml", "2", "--as", "second"],
    );
    let alone = sandbox.run_json(&["--profile", "second"]);
    assert!(
        alone
            .outcomes()
            .iter()
            .all(|(_, outcome)| outcome == "cached"),
        "{alone:?}"
    );
    let text = runner(
        &sandbox,
        &[
            "metrics",
            "pipeline.yaml",
            "--profile",
            "second",
            "-f",
            "f1",
        ],
    );
    assert!(text.stdout.contains("(2 seeds)"), "{text:?}");
}
