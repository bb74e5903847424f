//! Metrics at the end of a run, `runner metrics`, and metrics in `runs list`.

mod columns;
mod named;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use serde_json::json;

use crate::sandbox::{Finished, Sandbox};

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
