//! Tables with a single row, with seeds or several axes as rows, and with means over an axis; tables of pipelines that
//! declare none.

use serde_json::Value;

use crate::sandbox::{Finished, Sandbox, TINY};

/// Scores of models on folds: `0.5 + fold / 10`, plus `0.01` for the model `b`. Fold 3 fails if `broken` is set. With
/// several seeds, each has its own score.
fn pipeline(tables: &str) -> String {
    format!(
        r#"
version: 1
name: folds
seed: 42
vars: {{ broken: 0, folds: [1, 2, 3] }}
stages:
  score:
    kind: command
    matrix: {{ model: [a, b], fold: "${{folds}}" }}
    params:
      argv: [sh, -c, 'test "$0" != "3" || test "$2" = 0 || exit 1; test "$1" = a && x=0 || x=1; echo "{{\"f1\": 0.$((500 + $0 * 100 + x * 10))}}" > m.json', "${{matrix.fold}}", "${{matrix.model}}", "${{broken}}"]
      metrics: m.json
  seeded:
    kind: command
    params:
      argv: [sh, -c, 'echo "{{\"f1\": 0.$RUNNER_SEED}}" > m.json']
      metrics: m.json
{tables}"#
    )
}

fn table(sandbox: &Sandbox, args: &[&str]) -> Finished {
    let done = sandbox.runner(&[&["table", "pipeline.yaml"], args].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    done
}

/// Runs a pipeline with these tables, and returns the tables as JSON.
fn tables(sandbox: &Sandbox, args: &[&str]) -> Value {
    let run = sandbox.run_json(args);
    assert!(matches!(run.code, Some(0 | 100)), "{run:?}");
    let args = [args, &["--format", "json"]].concat();
    let args: Vec<&str> = args.into_iter().filter(|arg| *arg != "-k").collect();
    table(sandbox, &args).json()["tables"].clone()
}

#[test]
fn a_table_without_rows_has_one_row() {
    let sandbox = Sandbox::new(&pipeline(
        "tables:\n  one: { columns: [{ title: F1, metric: seeded.f1, paper: 0.4, within: 0.05 }] }\n",
    ));
    let tables = tables(&sandbox, &[]);
    assert_eq!(tables[0]["axes"], serde_json::json!([]));
    let rows = tables[0]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["cells"][0]["value"], 0.42);
    assert_eq!(rows[0]["cells"][0]["reference"]["value"], 0.4);
    assert_eq!(rows[0]["cells"][0]["expectations"][0]["verdict"], "pass");
    let text = table(&sandbox, &[]).stdout;
    assert!(text.contains("│ 0.420 (paper 0.40) ✓ │"), "{text}");
    let csv = table(&sandbox, &["--format", "csv"]).stdout;
    assert!(csv.contains("\n0.42,,,,0.4,pass,"), "{csv}");
    let latex = table(&sandbox, &["--format", "latex"]).stdout;
    assert!(latex.contains("\\begin{tabular}{lr}"), "{latex}");
    let markdown = table(&sandbox, &["--format", "md"]).stdout;
    assert!(markdown.starts_with("| F1 |\n"), "{markdown}");
}

#[test]
fn seeds_are_rows_or_are_averaged() {
    let both = "seeds: 3\ntables:\n  all: { columns: [{ metric: seeded.f1 }] }\n  \
                each: { rows: seed, columns: [{ metric: seeded.f1, paper: { 43: 0.5 } }] }\n";
    let sandbox = Sandbox::new(&pipeline(both));
    let tables = tables(&sandbox, &[]);
    let all = &tables[0]["rows"][0]["cells"][0];
    assert!(
        (all["value"].as_f64().unwrap() - 0.43).abs() < 1e-9,
        "{all}"
    );
    assert_eq!(all["seeds"]["count"], 3);
    let rows = tables[1]["rows"].as_array().unwrap();
    let rows: Vec<(&str, f64)> = rows
        .iter()
        .map(|row| {
            let value = row["cells"][0]["value"].as_f64().unwrap();
            (row["values"]["seed"].as_str().unwrap(), value)
        })
        .collect();
    assert_eq!(rows, [("42", 0.42), ("43", 0.43), ("44", 0.44)]);
    assert_eq!(tables[1]["rows"][1]["cells"][0]["reference"]["value"], 0.5);
    // Without `seeds`, there is a row for the only seed.
    let one = table(
        &sandbox,
        &["-S", "seeds=1", "--format", "csv", "--table", "each"],
    )
    .stdout;
    assert!(one.contains("\n42,0.42,"), "{one}");
}

const MEAN: &str = "tables:
  cv: { rows: model, mean: fold, columns: [{ title: F1, metric: score.f1, paper: { b: 0.9 }, within: 0.1 }] }
";

#[test]
fn a_mean_over_an_axis_has_a_deviation_but_no_interval() {
    let sandbox = Sandbox::new(&pipeline(MEAN));
    let tables = tables(&sandbox, &[]);
    let cell = &tables[0]["rows"][1]["cells"][0];
    assert!(
        (cell["value"].as_f64().unwrap() - 0.71).abs() < 1e-9,
        "{cell}"
    );
    assert_eq!(cell["mean"]["count"], 3);
    assert_eq!(cell["mean"]["over"], serde_json::json!(["fold"]));
    assert!(
        (cell["mean"]["sd"].as_f64().unwrap() - 0.1).abs() < 1e-9,
        "{cell}"
    );
    assert!(cell.get("interval").is_none(), "{cell}");
    assert_eq!(cell["expectations"][0]["verdict"], "fail");
    let text = table(&sandbox, &[]).stdout;
    assert!(text.contains("│ a     ┆ 0.700 ± 0.100 "), "{text}");
    assert!(
        text.contains("\n± standard deviation over 3 values of fold\n"),
        "{text}"
    );
    let strict = sandbox.runner(&["table", "pipeline.yaml", "--strict"]);
    assert_eq!(strict.code, Some(101), "{strict:?}");
    // A single fold has no deviation.
    let one = table(&sandbox, &["-S", "folds=[2]"]).stdout;
    assert!(one.contains("│ a     ┆ 0.700 "), "{one}");
    assert!(!one.contains("standard deviation"), "{one}");
}

#[test]
fn values_that_are_missing_do_not_hide_the_others() {
    let sandbox = Sandbox::new(&pipeline(MEAN));
    let tables = tables(&sandbox, &["-S", "broken=1", "-k"]);
    let cell = &tables[0]["rows"][0]["cells"][0];
    assert!(
        (cell["value"].as_f64().unwrap() - 0.65).abs() < 1e-9,
        "{cell}"
    );
    assert_eq!(
        cell["partial"],
        serde_json::json!({ "count": 2, "of": 3, "missing": "not run" })
    );
    let text = table(&sandbox, &["-S", "broken=1"]).stdout;
    assert!(text.contains("(2 of 3 values of fold)"), "{text}");
    // An expectation about a mean is not judged by a part of it.
    let judged = &tables[0]["rows"][1]["cells"][0]["expectations"][0];
    assert_eq!(judged["verdict"], "not-known");
}

#[test]
fn rows_may_be_combinations_of_axes() {
    let sandbox = Sandbox::new(&pipeline(
        "tables:\n  both: { rows: [fold, model], columns: [{ metric: score.f1, paper: { '1,b': 0.6 } }] }\n",
    ));
    let tables = tables(&sandbox, &[]);
    let rows = tables[0]["rows"].as_array().unwrap();
    let labels: Vec<&str> = rows
        .iter()
        .map(|row| row["row"].as_str().unwrap())
        .collect();
    assert_eq!(labels, ["1,a", "1,b", "2,a", "2,b", "3,a", "3,b"]);
    assert_eq!(rows[1]["cells"][0]["value"], 0.61);
    assert_eq!(rows[1]["cells"][0]["reference"]["value"], 0.6);
    let csv = table(&sandbox, &["--format", "csv"]).stdout;
    assert!(csv.starts_with("fold,model,score.f1,"), "{csv}");
    assert!(csv.contains("\n2,a,0.7,"), "{csv}");
}

#[test]
fn an_ambiguous_table_is_refused_with_a_hint() {
    for (table, message, hint) in [
        (
            "{ rows: model, columns: [{ metric: score.f1 }] }",
            "`score` has the axis `fold` as well as `model`, so a cell would hold several values",
            "add `mean: fold` to show the mean over it, or write `rows: [model, fold]`",
        ),
        (
            "{ columns: [{ metric: seeded.f1 }, { metric: score.f1 }] }",
            "`score` has the axis `model`, so a cell would hold several values",
            "write `rows: model`",
        ),
        (
            "{ columns: [{ metric: \"score[a,1].f1\" }] }",
            "`score[a,1]` is an instance; a column shows a metric of a whole stage",
            "write `score.f1`, and `rows: [model, fold]` for a row for each instance",
        ),
        (
            "{ rows: [fold, model], columns: [{ metric: \"score[lr=0.1,1].f1\" }] }",
            "`score[lr=0.1,1]` is an instance",
            "write `score.f1`: each row shows its own instance",
        ),
        (
            "{ columns: [{ metric: \"scor[0.1].f1\" }] }",
            "there is no stage `scor`",
            "did you mean `score`?",
        ),
        (
            "{ rows: model, mean: flod, columns: [{ metric: score.f1 }] }",
            "no stage of this table has the axis `flod`",
            "did you mean `fold`?",
        ),
        (
            "{ rows: [model, model], mean: fold, columns: [{ metric: score.f1 }] }",
            "the axis `model` is listed twice",
            "",
        ),
        (
            "{ rows: 3, columns: [{ metric: seeded.f1 }] }",
            "expected the name of an axis, or a list of names, found the number `3`",
            "",
        ),
        (
            "{ columns: [{ metric: seeded.f1, paper: { x: 0.5 } }] }",
            "the table has a single row",
            "write the value itself, as in `paper: 0.95`",
        ),
        (
            "{ columns: [{ metric: seeded.f1, paper: high }] }",
            "expected a number, or a map from rows to numbers, found the text `high`",
            "",
        ),
    ] {
        let sandbox = Sandbox::new(&pipeline(&format!("tables:\n  t: {table}\n")));
        let refused = sandbox.runner(&["validate", "pipeline.yaml"]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(message), "{table}: {refused:?}");
        assert!(refused.stderr.contains(hint), "{table}: {refused:?}");
        assert!(
            refused.stderr.contains("  --> pipeline.yaml:"),
            "{refused:?}"
        );
    }
}

/// Two trained networks and a naive score, without tables.
fn without_tables(expect: &str) -> String {
    let tables = TINY.find("tables:").unwrap();
    format!(
        "{}  evaluate:
    kind: evaluate
    matrix: {{ width: \"${{widths}}\" }}
    inputs: {{ model: cnn, images: xrays.test }}
    params: {{ bootstrap: 50 }}
  again:
    kind: evaluate
    matrix: {{ width: \"${{widths}}\" }}
    inputs: {{ model: cnn, images: xrays.test }}
    params: {{ bootstrap: 60 }}
  naive:
    kind: command
    params: {{ argv: [sh, -c, 'echo \"{{\\\"score\\\": 0.5}}\" > m.json'], metrics: m.json }}
{expect}",
        &TINY[..tables]
    )
}

#[test]
fn a_pipeline_without_tables_shows_its_headline_metrics_and_compares_them() {
    let sandbox = Sandbox::new(&without_tables(""));
    let early = table(&sandbox, &[]);
    assert_eq!(early.stdout, "");
    assert!(
        early
            .stderr
            .contains("pipeline.yaml has no metrics yet; `runner run pipeline.yaml`"),
        "{early:?}"
    );
    assert_eq!(sandbox.run_json(&["--until", "evaluate"]).code, Some(0));
    // A stage that has not run has no metrics, so its table is not known.
    let partial = table(&sandbox, &["--format", "json"]).json();
    assert_eq!(partial["tables"].as_array().unwrap().len(), 1);
    assert_eq!(sandbox.run_json(&[]).code, Some(0));

    let json = table(&sandbox, &["--format", "json", "--compare", "evaluate[4]"]).json();
    let tables = json["tables"].as_array().unwrap();
    assert_eq!(tables.len(), 2);
    let labels = |table: &Value| -> Vec<String> {
        let rows = table["rows"].as_array().unwrap().iter();
        rows.map(|row| row["row"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        labels(&tables[0]),
        ["evaluate[4]", "evaluate[6]", "again[4]", "again[6]"]
    );
    assert_eq!(labels(&tables[1]), ["naive"]);
    let cell = &tables[0]["rows"][2]["cells"][0];
    assert_eq!(cell["metric"], "again.accuracy");
    let compared = &tables[0]["comparisons"][0];
    assert_eq!(compared["against"], "evaluate[4]");
    let names: Vec<&str> = compared["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["row"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["evaluate[6]", "again[4]", "again[6]"]);
    // The same images and the same model: no difference.
    assert_eq!(compared["rows"][1]["difference"], 0.0);

    let text = table(&sandbox, &[]).stdout;
    for expected in [
        "│ evaluate[4] ┆ ",
        "│ stage ",
        " ┆ f1 ",
        "positive class: PNEUMONIA",
        "│ naive ┆ 0.500 │",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let csv = table(&sandbox, &["--format", "csv", "--table", "naive"]).stdout;
    assert!(csv.starts_with("stage,score,"), "{csv}");
    let unknown = sandbox.runner(&["table", "pipeline.yaml", "--compare", "evaluate[5]"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(
        unknown
            .stderr
            .contains("no table has a row `evaluate[5]`; did you mean"),
        "{unknown:?}"
    );
}

#[test]
fn expectations_are_shown_in_the_cells_of_headline_metrics() {
    let expect =
        "expect: { \"naive.score\": { at_least: 0.6 }, cnn.validation_loss: { at_most: 100 } }\n";
    let sandbox = Sandbox::new(&without_tables(expect));
    assert_eq!(sandbox.run_json(&[]).code, Some(0));
    let text = table(&sandbox, &[]).stdout;
    assert!(text.contains("0.500 ✗ at least 0.6"), "{text}");
    assert!(text.contains("│ cnn[4].validation_loss ┆ "), "{text}");
}

#[test]
fn csv_is_one_table() {
    let sandbox = Sandbox::new(&pipeline(
        "tables:\n  one: { columns: [{ title: F1, metric: seeded.f1 }] }\n  \
         two: { rows: [model, fold], columns: [{ metric: score.f1 }] }\n\
         expect: { score.f1: { at_least: 0 }, other.x: { at_least: 0 } }\n  \
         ",
    ).replace("  seeded:", "  other: { kind: command, params: { argv: [sh, -c, 'echo \"{\\\"x\\\": 1}\" > m.json'], metrics: m.json } }\n  seeded:"));
    assert_eq!(sandbox.run_json(&[]).code, Some(0));
    let refused = sandbox.runner(&["table", "pipeline.yaml", "--format", "csv"]);
    assert_eq!(
        (refused.code, refused.stdout.as_str()),
        (Some(2), ""),
        "{refused:?}"
    );
    assert!(
        refused.stderr.contains(
            "CSV has a single table; choose one with `--table NAME`: `one`, `two`, `expectations`"
        ),
        "{refused:?}"
    );
    let lines = |name: &str| {
        let csv = table(&sandbox, &["--format", "csv", "--table", name]).stdout;
        let fields: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
        assert!(fields.iter().all(|count| *count == fields[0]), "{csv}");
        fields.len()
    };
    assert_eq!(
        [lines("one"), lines("two"), lines("expectations")],
        [2, 7, 2]
    );
    // The other formats are one document with everything, or with the chosen table.
    let json = table(&sandbox, &["--format", "json"]).json();
    assert_eq!(json["tables"].as_array().unwrap().len(), 2);
    assert_eq!(json["expectations"].as_array().unwrap().len(), 1);
    let json = table(&sandbox, &["--format", "json", "--table", "two"]).json();
    assert_eq!(json["tables"][0]["name"], "two");
    assert_eq!(json["expectations"], serde_json::json!([]));
    let unknown = sandbox.runner(&["table", "pipeline.yaml", "--table", "tow"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(
        unknown
            .stderr
            .contains("there is no table `tow`; did you mean `two`?"),
        "{unknown:?}"
    );
}

#[test]
fn csv_of_the_only_table_says_that_expectations_are_left_out() {
    let sandbox = Sandbox::new(&pipeline(
        "tables:\n  one: { columns: [{ title: F1, metric: seeded.f1 }] }\nexpect: { score.f1: { at_least: 0 } }\n",
    ));
    assert_eq!(sandbox.run_json(&[]).code, Some(0));
    let csv = table(&sandbox, &["--format", "csv"]);
    assert_eq!(csv.stdout.lines().count(), 2, "{csv:?}");
    assert!(
        csv.stderr
            .contains("`--table expectations` prints the others"),
        "{csv:?}"
    );
}
