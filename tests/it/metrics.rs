//! Metrics at the end of a run, `runner metrics`, and metrics in `runs list`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::sandbox::{Finished, Sandbox};
use crate::sweeping::GRID;

/// A program that reports `x` and a neutral number, for each of two instances.
const SCORES: &str = r#"
version: 1
name: scores
vars: { x: 0.5, names: [a, b] }
profiles: { high: { x: 0.9 } }
stages:
  score:
    kind: command
    matrix: { name: "${names}" }
    params:
      argv: [sh, -c, 'echo "{\"f1\": $0, \"size\": 3}" > m.json', "${x}", "${matrix.name}"]
      metrics: m.json
"#;

fn run(sandbox: &Sandbox, args: &[&str]) -> Finished {
    let done = sandbox.runner(&[&["run", "pipeline.yaml"], args].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    done
}

fn runner(sandbox: &Sandbox, args: &[&str]) -> Finished {
    let done = sandbox.runner(args);
    assert_eq!(done.code, Some(0), "{done:?}");
    done
}

fn id(done: &Finished) -> String {
    let (_, id) = done
        .stderr
        .split_once("this run: artifacts/v1/runs/")
        .unwrap();
    id.lines().next().unwrap().to_owned()
}

fn record(sandbox: &Sandbox, id: &str) -> PathBuf {
    sandbox
        .path("artifacts/v1/runs")
        .join(id)
        .join("metrics.json")
}

#[test]
fn a_run_without_tables_ends_with_its_metrics_and_what_changed() {
    let sandbox = Sandbox::new(SCORES);
    let first = run(&sandbox, &[]);
    assert!(
        first.stdout.contains("│ stage    ┆ f1    ┆ size │"),
        "{first:?}"
    );
    assert!(
        first.stdout.contains("│ score[a] ┆ 0.500 ┆ 3    │"),
        "{first:?}"
    );
    assert!(!first.stdout.contains("change"), "{first:?}");

    let again = run(&sandbox, &[]);
    assert_eq!(again.stdout, first.stdout);
    // The same results are recorded once.
    let inode = |done: &Finished| fs::metadata(record(&sandbox, &id(done))).unwrap().ino();
    assert_eq!(inode(&first), inode(&again));

    let changed = run(&sandbox, &["-S", "x=0.513"]);
    assert!(
        changed
            .stdout
            .contains("│ score[a] ┆ 0.513 (+0.013) ┆ 3    │"),
        "{changed:?}"
    );
    let note = format!("(+/-): change since run {}\n", id(&first));
    assert!(changed.stdout.contains(&note), "{changed:?}");

    // A profile has its own history.
    let profile = run(&sandbox, &["--profile", "high"]);
    assert!(profile.stdout.contains("┆ 0.900 ┆"), "{profile:?}");
    // `--quiet` prints results, and `--json` nothing else.
    let quiet = run(&sandbox, &["-q"]);
    assert!(quiet.stdout.contains("0.500 (-0.013)"), "{quiet:?}");
    assert!(sandbox.run_json(&[]).json()["run"].is_string());
}

#[test]
fn a_metric_is_compared_with_the_newest_run_that_has_it() {
    let other = "  other:\n    kind: command\n    params: { argv: [sh, -c, 'echo \"{\\\"n\\\": $0}\" > m.json', \"${x}\"], metrics: m.json }\n";
    let sandbox = Sandbox::new(&format!("{SCORES}{other}"));
    let first = run(&sandbox, &[]);
    // This run has no `score`.
    let part = run(&sandbox, &["-S", "x=0.4", "--until", "other"]);
    assert!(part.stdout.contains("0.400 (-0.100)"), "{part:?}");
    let whole = run(&sandbox, &["-S", "x=0.7"]);
    assert!(
        whole.stdout.contains("score[a] ┆ 0.700 (+0.200)"),
        "{whole:?}"
    );
    assert!(whole.stdout.contains("other ┆ 0.700 (+0.300)"), "{whole:?}");
    let note = format!(
        "(+/-): change since the last run with the metric ({}, {})\n",
        id(&part),
        id(&first)
    );
    assert!(whole.stdout.contains(&note), "{whole:?}");
    // Without the record of a run, an older one is compared with.
    fs::remove_file(record(&sandbox, &id(&whole))).unwrap();
    let next = run(&sandbox, &["-S", "x=0.8"]);
    assert!(
        next.stdout.contains("score[a] ┆ 0.800 (+0.300)"),
        "{next:?}"
    );
}

#[test]
fn a_run_with_tables_says_what_changed_outside_of_them() {
    let table = "tables:\n  t: { rows: name, columns: [{ metric: score.f1 }] }\n";
    let sandbox = Sandbox::new(SCORES);
    let text = fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap();
    fs::write(sandbox.path("pipeline.yaml"), text + table).unwrap();
    let first = run(&sandbox, &[]);
    let same = run(&sandbox, &[]);
    assert!(!same.stderr.contains("since run"), "{same:?}");
    let changed = run(&sandbox, &["-S", "x=0.4"]);
    let line = format!(
        "since run {0}: score[a].f1 -0.100, score[b].f1 -0.100; `runner compare {0} latest` shows all\n",
        id(&first)
    );
    assert!(changed.stderr.contains(&line), "{changed:?}");
    assert_eq!(changed.stdout.lines().count(), 6, "{changed:?}");
}

#[test]
fn all_metrics_are_listed_and_filtered() {
    let sandbox = Sandbox::new(SCORES);
    run(&sandbox, &[]);
    run(&sandbox, &["-S", "x=0.7"]);
    let all = runner(&sandbox, &["metrics", "pipeline.yaml"]).stdout;
    let expected = "\
stage     metric  value
score[a]  f1      0.500
score[a]  size    3
score[b]  f1      0.500
score[b]  size    3
";
    assert_eq!(all, expected);
    let newest = runner(&sandbox, &["metrics"]);
    assert!(
        newest.stderr.starts_with("metrics of run ") && newest.stderr.ends_with(" of `scores`:\n"),
        "{newest:?}"
    );
    let latest = runner(&sandbox, &["metrics", "-f", "score[b].f1"]).stdout;
    assert_eq!(latest, "stage     metric  value\nscore[b]  f1      0.700\n");
    let before = [
        "metrics", "--run", "latest~1", "-f", "*[a]*", "-f", "nothing*", "--csv",
    ];
    let refused = sandbox.runner(&before);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("no metric matches `nothing*`"),
        "{refused:?}"
    );
    let csv = runner(
        &sandbox,
        &["metrics", "--run", "latest~1", "-f", "*[a]*", "--csv"],
    )
    .stdout;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 3, "{csv}");
    assert!(
        lines[1].starts_with("score[a],score,metrics,f1,0.5,,1,"),
        "{csv}"
    );
    let object = runner(
        &sandbox,
        &["metrics", "pipeline.yaml", "--profile", "high", "--json"],
    )
    .json();
    assert_eq!(object["metrics"], json!([]));
    let misspelt = sandbox.runner(&["metrics", "pipeline.yaml", "-f", "scor"]);
    assert!(
        misspelt.stderr.contains("did you mean `score`?"),
        "{misspelt:?}"
    );
}

#[test]
fn recorded_metrics_outlive_the_results() {
    let sandbox = Sandbox::new(SCORES);
    let first = run(&sandbox, &[]);
    // A run that was killed, or that is older than these records, has none; the store still has its results.
    let recorded = runner(&sandbox, &["metrics", "--json"]).json()["metrics"].clone();
    let file = record(&sandbox, &id(&first));
    let bytes = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    assert_eq!(
        runner(&sandbox, &["metrics", "--json"]).json()["metrics"],
        recorded
    );
    // A damaged record counts as missing.
    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&file, damaged).unwrap();
    assert_eq!(
        runner(&sandbox, &["metrics", "--json"]).json()["metrics"],
        recorded
    );

    fs::remove_dir_all(sandbox.path("artifacts/v1/actions")).unwrap();
    fs::remove_dir_all(sandbox.path("artifacts/v1/cas")).unwrap();
    assert_eq!(
        runner(&sandbox, &["metrics", "--json"]).json()["metrics"],
        json!([])
    );
    fs::write(&file, bytes).unwrap();
    assert_eq!(
        runner(&sandbox, &["metrics", "--json"]).json()["metrics"],
        recorded
    );
}

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
