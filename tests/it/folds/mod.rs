//! `folds: n`: cross-validation. Each dataset is divided, and everything that depends on it is repeated for each fold.

mod refusals;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::sandbox::{Finished, Sandbox};

/// Two networks in three folds of 60 phantoms, an external test set, and a program that depends on no image.
const PIPELINE: &str = r#"
version: 1
name: folds
seed: 1
folds: 3
vars: { images: 60, epochs: 2 }
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: "${images}", test_images: 20 } }, image_size: 16, validation: 0.2 }
  external:
    kind: dataset
    params: { source: { phantom: { images: 4, test_images: 20 } }, image_size: 16, fold: null }
  note: { kind: command, params: { argv: [sh, -c, 'echo "{\"n\": 1}" > m.json'], metrics: m.json } }
  cnn:
    kind: train-cnn
    matrix: { width: [4, 6] }
    inputs: { train: xrays.train, validation: xrays.validation }
    params:
      model: [{ conv: { filters: "${matrix.width}" } }, { max_pool: 4 }, flatten, { dense: { units: 1 } }]
      epochs: "${epochs}"
      learning_rate: 0.01
  evaluate:
    kind: evaluate
    matrix: { width: [4, 6] }
    inputs: { model: cnn, images: xrays.test, train: [xrays.train] }
    params: { bootstrap: 50, threshold: 0.6 }
  outside:
    kind: evaluate
    matrix: { width: [4, 6] }
    inputs: { model: cnn, images: external.test }
    params: { bootstrap: 50 }
tables:
  cv:
    rows: width
    columns:
      - { title: f1, metric: evaluate.f1 }
      - { title: accuracy, metric: evaluate.accuracy }
      - { title: auc, metric: evaluate.roc_auc }
      - { title: epochs, metric: cnn.best_epoch }
      - { title: external, metric: outside.roc_auc }
  parts: { rows: [fold, width], columns: [{ metric: evaluate.roc_auc }] }
"#;

fn ran(pipeline: &str, args: &[&str]) -> (Sandbox, Finished) {
    let sandbox = Sandbox::new(pipeline);
    let run = sandbox.run_json(args);
    assert_eq!(run.code, Some(0), "{run:?}");
    (sandbox, run)
}

/// Returns the names of the stages that were executed, sorted.
fn executed(run: &Finished) -> Vec<String> {
    let outcomes = run.outcomes().into_iter();
    let executed = outcomes.filter(|(_, outcome)| outcome == "succeeded");
    let mut names: Vec<String> = executed.map(|(name, _)| name).collect();
    names.sort();
    names
}

fn tables(sandbox: &Sandbox, args: &[&str]) -> Value {
    let args = [&["table", "pipeline.yaml", "--format", "json"], args].concat();
    let table = sandbox.runner(&args);
    assert_eq!(table.code, Some(0), "{table:?}");
    table.json()["tables"].clone()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

/// Returns the rows of `runner images` as maps from column to value.
fn predictions(sandbox: &Sandbox, args: &[&str]) -> Vec<BTreeMap<String, String>> {
    let printed = sandbox.runner(&[&["images", "pipeline.yaml"], args].concat());
    assert_eq!(printed.code, Some(0), "{printed:?}");
    let mut lines = printed.stdout.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        let fields = header.iter().zip(line.split(','));
        fields
            .map(|(name, value)| ((*name).to_owned(), value.to_owned()))
            .collect()
    };
    lines.map(row).collect()
}

/// Computes F1, accuracy and ROC AUC of `PNEUMONIA` from rows of predictions: the AUC as the share of pairs of a
/// positive and a negative image of the same fold with the higher score for the positive one (Mann and Whitney, 1947).
fn measures(rows: &[&BTreeMap<String, String>]) -> [f64; 3] {
    let is = |row: &BTreeMap<String, String>, column: &str| row[column] == "PNEUMONIA";
    let score = |row: &BTreeMap<String, String>| row["p_PNEUMONIA"].parse::<f64>().unwrap();
    let count = |label: bool, predicted: bool| {
        let rows = rows.iter();
        let found =
            rows.filter(|row| is(row, "label") == label && is(row, "predicted") == predicted);
        found.count() as f64
    };
    let [tp, fp, fnn, tn] = [
        count(true, true),
        count(false, true),
        count(true, false),
        count(false, false),
    ];
    let (positive, negative): (Vec<_>, Vec<_>) =
        rows.iter().copied().partition(|row| is(row, "label"));
    let pairs = positive
        .iter()
        .flat_map(|p| negative.iter().map(move |n| (p, n)))
        .filter(|(p, n)| p["fold"] == n["fold"]);
    let pairs: Vec<(f64, f64)> = pairs.map(|(p, n)| (score(p), score(n))).collect();
    let won = pairs.iter().map(|(p, n)| match p.total_cmp(n) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    });
    let auc = won.sum::<f64>() / pairs.len() as f64;
    [
        2.0 * tp / (2.0 * tp + fp + fnn),
        (tp + tn) / rows.len() as f64,
        auc,
    ]
}
#[test]
fn only_what_depends_on_the_images_is_repeated_for_each_fold() {
    let (sandbox, run) = ran(PIPELINE, &[]);
    let mut expected = vec!["external".to_owned(), "note".to_owned()];
    for fold in 1..=3 {
        expected.push(format!("xrays[fold={fold}]"));
        for stage in ["cnn", "evaluate", "outside"] {
            expected.extend([4, 6].map(|width| format!("{stage}[{width},fold={fold}]")));
        }
    }
    expected.sort();
    assert_eq!(executed(&run), expected);
    // Other commands use the same names.
    let status = sandbox.runner(&["status", "pipeline.yaml"]);
    assert!(
        status.stdout.contains("\nevaluate[4,fold=3]  cached"),
        "{status:?}"
    );
    let explained = sandbox.runner(&["explain", "pipeline.yaml", "evaluate[4,fold=2]"]);
    assert_eq!(explained.code, Some(0), "{explained:?}");
    let graph = sandbox.runner(&["graph", "pipeline.yaml", "--expand", "--json"]);
    assert!(graph.stdout.contains("evaluate[6,fold=1]"), "{graph:?}");
    let report = sandbox.runner(&["report", "pipeline.yaml"]);
    assert_eq!(report.code, Some(0), "{report:?}");
    let page = fs::read_to_string(sandbox.path("report.html")).unwrap();
    assert!(
        page.contains("evaluate[4,fold=2]") && page.contains("predictions of 3 folds together")
    );
    // With the same number of folds, everything is cached. Another number divides all images again.
    assert_eq!(executed(&sandbox.run_json(&[])), Vec::<String>::new());
    let more = executed(&sandbox.run_json(&["-S", "folds=4"]));
    assert_eq!(more.len(), 4 * 7, "{more:?}");
    // Without folds, the external images are still the same.
    let without = ["-S", "folds=null", "-S", "tables.parts.rows=width"];
    let without = executed(&sandbox.run_json(&without));
    assert!(without.contains(&"evaluate[4]".to_owned()), "{without:?}");
    assert!(!without.contains(&"external".to_owned()), "{without:?}");
}

#[test]
fn profiles_and_included_stages_have_folds() {
    let sandbox = Sandbox::new(
        "version: 1\nname: outer\nprofiles: { cv: { folds: 2 } }\ninclude: { base: base.yaml }\nstages:\n  again:\n    \
         kind: evaluate\n    inputs: { model: base.cnn, images: base.xrays.test }\n",
    );
    let base = PIPELINE.split("tables:").next().unwrap();
    let base = base
        .replace("    matrix: { width: [4, 6] }\n", "")
        .replace("\"${matrix.width}\"", "4");
    let without = base.replace("folds: 3\n", "");
    fs::write(sandbox.path("base.yaml"), without).unwrap();
    let run = sandbox.run_json(&["--profile", "cv", "--until", "again"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let names = executed(&run);
    assert!(names.contains(&"again[fold=2]".to_owned()), "{names:?}");
    assert!(
        names.contains(&"base.xrays[fold=1]".to_owned()),
        "{names:?}"
    );
    let plain = sandbox.runner(&["plan", "pipeline.yaml"]);
    assert!(!plain.stdout.contains("fold="), "{plain:?}");

    fs::write(sandbox.path("base.yaml"), base).unwrap();
    let refused = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    for expected in [
        "error: `folds` is set in an included file, where it has no effect",
        "--> base.yaml:5:8",
        "set `folds` at the top of the pipeline that includes the file",
    ] {
        assert!(
            refused.stderr.contains(expected),
            "`{expected}`: {refused:?}"
        );
    }
}

#[test]
fn the_example_pipeline_runs() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/cross-validation.yaml");
    let sandbox = Sandbox::new(&fs::read_to_string(file).unwrap());
    let small = [
        "-S",
        "source.phantom.images=60",
        "-S",
        "epochs=1",
        "-S",
        "folds=2",
    ];
    let run = sandbox.runner(&[&["run", "pipeline.yaml"][..], &small].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.stdout.contains("predictions of 2 folds together"),
        "{run:?}"
    );
}
