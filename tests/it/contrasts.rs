//! Contrasts: statistical comparisons of the rows of a table.

use std::fs;

use serde_json::Value;

use crate::sandbox::{Sandbox, TINY, files};

/// Returns a pipeline that evaluates three networks, with a table of their metrics.
fn pipeline() -> String {
    let tables = TINY.find("tables:").unwrap();
    TINY[..tables].replace("widths: [4, 6]", "widths: [4, 6, 8]")
        + r#"
  evaluate:
    kind: evaluate
    matrix: { width: "${widths}" }
    inputs: { model: cnn, images: xrays.test }
    params: { bootstrap: 100 }
tables:
  measures:
    rows: width
    columns:
      - { title: right, metric: evaluate.accuracy }
      - { metric: evaluate.brier }
      - { title: epochs, metric: cnn.best_epoch }
"#
}

fn ran() -> Sandbox {
    let sandbox = Sandbox::new(&pipeline());
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(!run.stdout.contains("difference from"), "{run:?}");
    sandbox
}

fn table(sandbox: &Sandbox, args: &[&str]) -> Value {
    let args = [&["table", "pipeline.yaml", "--format", "json"], args].concat();
    sandbox.runner(&args).json()["tables"][0].clone()
}

/// Returns the value of a cell.
fn value(table: &Value, row: &str, column: usize) -> f64 {
    let rows = table["rows"].as_array().unwrap();
    let row = rows.iter().find(|found| found["row"] == row).unwrap();
    row["cells"][column]["value"].as_f64().unwrap()
}

/// The best seed is the best by chance. A matrix axis with this name counts as seeds, too.
#[test]
fn rows_named_seed_have_no_best_one() {
    let sandbox = Sandbox::new(&pipeline().replace("width", "seed"));
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let compared = |args: &[&str]| {
        let comparisons = table(&sandbox, args)["comparisons"].clone();
        comparisons.as_array().map_or(0, Vec::len)
    };
    assert_eq!(compared(&[]), 0);
    assert_eq!(compared(&["--compare", "4"]), 2);
}

#[test]
fn every_row_is_compared_with_the_best_of_its_column() {
    let sandbox = ran();
    let table = table(&sandbox, &[]);
    let comparisons = table["comparisons"].as_array().unwrap();
    let columns: Vec<&str> = comparisons
        .iter()
        .map(|comparison| comparison["metric"].as_str().unwrap())
        .collect();
    // The column `epochs` is not compared, because its metric is not measured on images.
    assert_eq!(columns, ["evaluate.accuracy", "evaluate.brier"]);
    for (column, comparison) in comparisons.iter().enumerate() {
        let best = value(&table, comparison["against"].as_str().unwrap(), column);
        let rows = comparison["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 2);
        for row in rows {
            let name = row["row"].as_str().unwrap();
            let difference = row["difference"].as_f64().unwrap();
            assert!((value(&table, name, column) - best - difference).abs() < 1e-12);
            let is_worse = if column == 0 {
                difference <= 0.0
            } else {
                difference >= 0.0
            };
            assert!(is_worse, "{comparison}");
            assert_eq!(row["images"], 20);
            assert!(row["p"].as_f64() <= row["p_holm"].as_f64());
            assert_eq!(row.get("mcnemar").is_some(), column == 0);
        }
    }
}

#[test]
fn the_reference_row_can_be_any_row_or_none() {
    let sandbox = ran();
    let found = table(&sandbox, &["--compare", "6"]);
    for comparison in found["comparisons"].as_array().unwrap() {
        assert_eq!(comparison["against"], "6");
        let rows = comparison["rows"].as_array().unwrap().iter();
        assert_eq!(rows.map(|row| &row["row"]).collect::<Vec<_>>(), ["4", "8"]);
    }
    assert_eq!(table(&sandbox, &["--compare", "[6]"]), found);
    let none = table(&sandbox, &["--compare", "none"]);
    assert_eq!(none.get("comparisons"), None);

    let terminal = sandbox
        .runner(&["table", "pipeline.yaml", "--compare", "6"])
        .stdout;
    let heading =
        "\nright: difference from 6 on the same 20 images; paired bootstrap, 10000 resamples\n";
    assert!(terminal.contains(heading), "{terminal}");
    let csv = ["table", "pipeline.yaml", "--format", "csv", "--compare"];
    let lines = |against| sandbox.runner(&[&csv[..], &[against]].concat()).stdout;
    let (with, without) = (lines("6"), lines("none"));
    for (with, without) in with.lines().zip(without.lines()) {
        assert!(with.starts_with(&format!("{without},")), "{with}");
    }
}

#[test]
fn an_unknown_row_is_refused() {
    let sandbox = Sandbox::new(&pipeline());
    let refused = sandbox.runner(&["table", "pipeline.yaml", "--compare", "16"]);
    assert_eq!(refused.code, Some(2));
    assert_eq!(
        refused.stderr,
        "error: no table has a row `16`; known rows: `4`, `6`, `8`\n"
    );
}

#[test]
fn rows_that_have_not_run_are_not_compared() {
    let sandbox = Sandbox::new(&pipeline());
    let args = ["run", "pipeline.yaml", "--until", "evaluate[4]"];
    assert_eq!(sandbox.runner(&args).code, Some(0));
    let table = sandbox.runner(&["table", "pipeline.yaml", "--compare", "4"]);
    assert_eq!(table.code, Some(0));
    assert!(!table.stdout.contains("difference from"), "{table:?}");
    assert!(
        table.stdout.ends_with(
            "┘\nright: 95 % intervals over test images; PNEUMONIA from a probability of 0.5\n\
             evaluate.brier: 95 % intervals over test images\n"
        ),
        "{table:?}"
    );
    let (first, warning) = table.stderr.split_once('\n').unwrap();
    assert_eq!(
        first,
        "no row is compared with `4`: no column has a metric of `evaluate` for `4` and for another row"
    );
    // Results from so few images and epochs cause warnings.
    assert!(
        warning
            .lines()
            .all(|line| line.starts_with("evaluate[4]: warning: ")),
        "{table:?}"
    );
    let plain = sandbox.runner(&["table", "pipeline.yaml"]);
    assert_eq!(plain.stderr, warning);
}

#[test]
fn damaged_predictions_are_reported_and_the_other_rows_are_compared() {
    let sandbox = ran();
    let predictions = sandbox.path("artifacts/latest/tiny/evaluate[4]/metrics/predictions.csv");
    let content = fs::read(&predictions).unwrap();
    let blobs = files(&sandbox.path("artifacts/v1/cas"));
    let (blob, _) = blobs.iter().find(|(_, bytes)| *bytes == content).unwrap();
    let blob = sandbox.path("artifacts/v1/cas").join(blob);
    let mut other = content.clone();
    other[100] ^= 1;
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, other).unwrap();

    let table = sandbox.runner(&["table", "pipeline.yaml", "--compare", "6"]);
    assert_eq!(table.code, Some(0), "{table:?}");
    assert!(
        table.stdout.contains("\n4: damaged, run again\n"),
        "{table:?}"
    );
    assert!(table.stdout.contains("\n8  "), "{table:?}");
}
