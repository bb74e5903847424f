//! Expectations about results, and where they are reported: signs in tables, exit codes. `junit` tests the reports for
//! test runners.

use std::fs;

use crate::sandbox::{Finished, Sandbox, TINY, list};

/// A pipeline whose stage `score` reports the `f1` that it is given (0.88 and 0.5), with a table of the results.
/// The stage `late` runs the program `${fails}`; `false` makes it fail.
pub(crate) const SCORES: &str = r#"
version: 1
name: scores
vars: { scores: [0.88, 0.5], paper: { 0.88: 0.93 }, within: 0.05, least: 0.1, fails: "false" }
stages:
  score:
    kind: command
    matrix: { f1: "${scores}" }
    params:
      shell: true
      argv: 'echo "{\"f1\": ${matrix.f1}, \"loss\": {\"last\": 2}}" > m.json'
      metrics: m.json
  late:
    kind: command
    inputs: { score: score }
    params: { shell: true, argv: 'echo "<&\"]]>" >&2; ${fails}; echo "{\"n\": 1}" > m.json', metrics: m.json }
tables:
  scores:
    rows: f1
    columns: [{ title: f1, metric: score.f1, paper: "${paper}", within: "${within}" }]
"#;

/// Returns a sandbox with these expectations, in which the stage `late` succeeds as well.
pub(crate) fn expecting(expect: &str) -> Sandbox {
    Sandbox::new(&(SCORES.replace("\"false\"", "\"true\"") + "expect:\n" + expect))
}

pub(crate) fn run(sandbox: &Sandbox, args: &[&str]) -> Finished {
    sandbox.runner(&[&["run", "pipeline.yaml"], args].concat())
}

pub(crate) fn table(sandbox: &Sandbox, args: &[&str]) -> Finished {
    sandbox.runner(&[&["table", "pipeline.yaml"], args].concat())
}

/// Returns the error at the end of standard error.
fn error(finished: &Finished) -> &str {
    let start = finished.stderr.rfind("error: ");
    &finished.stderr[start.unwrap_or_else(|| panic!("there is no error: {finished:?}"))..]
}

#[test]
fn fulfilled_expectations_pass_a_strict_run() {
    let sandbox = expecting("  score.f1: { at_least: 0.5, at_most: 0.88 }\n");
    let run = run(&sandbox, &["--strict"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    // 0.93 − 0.88 is within 0.05, although it is slightly more in floating point.
    let expected = "\
┌──────┬──────────────────────┐
│ f1   ┆ f1                   │
╞══════╪══════════════════════╡
│ 0.88 ┆ 0.880 (paper 0.93) ✓ │
│ 0.5  ┆ 0.500 ✓              │
└──────┴──────────────────────┘
";
    assert_eq!(run.stdout, expected);
    let table = table(&sandbox, &["--strict"]);
    assert_eq!((table.code, table.stdout.as_str()), (Some(0), expected));
}

#[test]
fn a_failed_expectation_ends_a_strict_run_with_exit_code_101() {
    let sandbox = expecting(
        "  score.f1: { at_least: 0.6 }\n  score[0.88].loss.last: { value: 1, within: 0.5 }\n",
    );
    let lenient = run(&sandbox, &[]);
    assert_eq!(lenient.code, Some(0), "{lenient:?}");
    let expected = "\
┌──────┬──────────────────────┐
│ f1   ┆ f1                   │
╞══════╪══════════════════════╡
│ 0.88 ┆ 0.880 (paper 0.93) ✓ │
│ 0.5  ┆ 0.500 ✗ at least 0.6 │
└──────┴──────────────────────┘

Expectations
┌───────────────────────┬─────────┬──────────┐
│ metric                ┆ value   ┆ expected │
╞═══════════════════════╪═════════╪══════════╡
│ score[0.88].loss.last ┆ 2.000 ✗ ┆ 1 ± 0.5  │
└───────────────────────┴─────────┴──────────┘
";
    assert_eq!(lenient.stdout, expected);
    let expected_error = "\
error: 2 expectations failed
  score[0.5].f1: 0.500, expected at least 0.6
  score[0.88].loss.last: 2.000, expected 1 ± 0.5
";
    for strict in [run(&sandbox, &["--strict"]), table(&sandbox, &["--strict"])] {
        assert_eq!((strict.code, error(&strict)), (Some(101), expected_error));
        assert_eq!(strict.stdout, lenient.stdout);
    }
    let json = sandbox.run_json(&["--strict"]);
    assert_eq!((json.code, error(&json)), (Some(101), expected_error));
    assert_eq!(json.json()["state"], "succeeded");
}

#[test]
fn an_unknown_metric_does_not_pass() {
    let sandbox = expecting("  score.g1: { at_least: 0 }\n  late.n: { value: 1, within: 0 }\n");
    let before = table(&sandbox, &["--strict", "--format", "md"]);
    assert_eq!(before.code, Some(101), "{before:?}");
    assert!(
        before
            .stdout
            .contains("| 0.88 | not run (paper 0.93) ? |\n| 0.5 | not run |\n")
    );
    assert!(before.stdout.contains("| late.n | not run ? | 1 ± 0 |\n"));
    assert!(
        error(&before).starts_with("error: 4 expectations are not known\n"),
        "{before:?}"
    );

    let part = run(&sandbox, &["--strict", "--until", "score"]);
    assert_eq!(part.code, Some(101), "{part:?}");
    assert_eq!(
        error(&part),
        "\
error: 3 expectations are not known
  score[0.88].g1: no metric `g1`, expected at least 0
  score[0.5].g1: no metric `g1`, expected at least 0
  late.n: not run, expected 1 ± 0
"
    );
    let whole = run(&sandbox, &["--strict"]);
    assert!(
        error(&whole).starts_with("error: 2 expectations are not known\n"),
        "{whole:?}"
    );
}

#[test]
fn expectations_do_not_invalidate_results() {
    let sandbox = expecting("  score.f1: { at_least: 0 }\n");
    assert_eq!(run(&sandbox, &[]).code, Some(0));
    let other = sandbox.run_json(&["-S", "within=0.01", "-S", "paper={0.5: 0.4}"]);
    for (name, outcome) in other.outcomes() {
        assert_eq!(outcome, "cached", "{name}");
    }
}

#[test]
fn shortening_an_axis_on_the_command_line_drops_its_expectations() {
    let sandbox = expecting("  score[0.5].f1: { at_least: 0.4 }\n");
    let cut = run(&sandbox, &["--strict", "-S", "scores=[0.88]"]);
    assert_eq!(cut.code, Some(0), "{cut:?}");
    assert!(!cut.stdout.contains("0.5"), "{cut:?}");
    // In the pipeline file itself, the missing value is an error.
    let text = fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap();
    let text = text.replace("scores: [0.88, 0.5]", "scores: [0.88]");
    fs::write(sandbox.path("pipeline.yaml"), text).unwrap();
    let slip = run(&sandbox, &["--strict"]);
    assert_eq!(slip.code, Some(2), "{slip:?}");
    assert!(
        slip.stderr.contains("the axis `f1` has no value `0.5`"),
        "{slip:?}"
    );
}

#[test]
fn naming_the_first_port_of_a_metric_is_optional() {
    let sandbox = Sandbox::new(
        &(TINY.replace("cnn.best_epoch", "cnn.history.best_epoch")
            + "expect: { cnn.loss: { at_least: 0 }, cnn.history.loss: { at_most: 0 }, cnn.best_epoch: { at_least: 1 } }\n"),
    );
    let run = run(&sandbox, &["--strict"]);
    assert_eq!(run.code, Some(101), "{run:?}");
    let first = error(&run).lines().next();
    assert_eq!(first, Some("error: 2 expectations failed"));
    // The column names the port and the expectation does not, but the metric is the same: the column shows the
    // verdict, and the expectation is not listed separately.
    assert_eq!(run.stdout.matches('✓').count(), 4, "{run:?}");
    assert!(!run.stdout.contains("best_epoch ┆"), "{run:?}");
}

#[test]
fn expectations_need_no_table_and_are_listed_in_every_format() {
    let text = SCORES
        .split("tables:")
        .next()
        .unwrap()
        .replace("\"false\"", "\"true\"");
    let sandbox =
        Sandbox::new(&(text + "expect: { late.n: { at_most: 0.5 }, late.m: { at_most: 1 } }\n"));
    assert_eq!(run(&sandbox, &[]).code, Some(0));
    let shown = |format| {
        let args = ["--format", format, "--table", "expectations"];
        table(&sandbox, &args).stdout
    };
    assert_eq!(
        shown("md"),
        "\
**Expectations**

| metric | value | expected |
| --- | --- | --- |
| late.n | 1.000 ✗ | at most 0.5 |
| late.m | no metric `m` ? | at most 1 |
"
    );
    assert_eq!(
        shown("csv"),
        "\
metric,value,expected,verdict,class
late.n,1,at most 0.5,fail,
late.m,,at most 1,not known,
"
    );
    let json: serde_json::Value = serde_json::from_str(&shown("json")).unwrap();
    assert_eq!(
        json,
        serde_json::json!({ "tables": [], "expectations": [
            { "metric": "late.n", "value": 1.0, "expected": { "at_most": 0.5 }, "verdict": "fail" },
            {
                "metric": "late.m", "missing": "no metric `m`",
                "expected": { "at_most": 1.0 }, "verdict": "not-known",
            },
        ] })
    );
    let latex = shown("latex");
    assert!(
        latex.contains("    late.n & 1.000 $\\times$ & at most 0.5 \\\\\n"),
        "{latex}"
    );
}

#[test]
fn a_damaged_metric_with_an_expectation_is_made_again() {
    let text = SCORES
        .split("tables:")
        .next()
        .unwrap()
        .replace("\"false\"", "\"true\"");
    let sandbox = Sandbox::new(&(text + "expect: { late.n: { value: 1, within: 0 } }\n"));
    assert_eq!(run(&sandbox, &["--strict"]).code, Some(0));
    let cas = list(&sandbox.path("artifacts/v1/cas"));
    let blobs = cas.iter().flat_map(|folder| list(folder));
    let damaged: Vec<_> = blobs
        .filter(|blob| fs::read_to_string(blob).is_ok_and(|text| text.contains("\"n\"")))
        .collect();
    assert!(!damaged.is_empty());
    for blob in damaged {
        let length = fs::read(&blob).unwrap().len();
        fs::remove_file(&blob).unwrap();
        fs::write(&blob, vec![b' '; length]).unwrap();
    }
    let again = run(&sandbox, &["--strict"]);
    assert_eq!(again.code, Some(0), "{again:?}");
}
