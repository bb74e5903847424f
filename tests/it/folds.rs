//! `folds: n`: cross-validation. Each dataset is divided, and everything that depends on it is repeated for each fold.

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

/// Returns the rows of `runner predictions` as maps from column to value.
fn predictions(sandbox: &Sandbox, args: &[&str]) -> Vec<BTreeMap<String, String>> {
    let printed = sandbox.runner(&[&["predictions", "pipeline.yaml"], args].concat());
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
/// positive and a negative image with the higher score for the positive one (Mann and Whitney, 1947).
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
        .flat_map(|p| negative.iter().map(move |n| (score(p), score(n))));
    let won = pairs.map(|(p, n)| match p.total_cmp(&n) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    });
    let auc = won.sum::<f64>() / (positive.len() * negative.len()) as f64;
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
fn a_table_shows_the_metrics_of_the_out_of_fold_predictions() {
    let (sandbox, _) = ran(PIPELINE, &[]);
    let rows = predictions(&sandbox, &["evaluate"]);
    let tables = tables(&sandbox, &[]);
    for (place, width) in ["4", "6"].into_iter().enumerate() {
        let name = format!("evaluate[{width}]");
        let own: Vec<_> = rows.iter().filter(|row| row["instance"] == name).collect();
        // Every image is predicted once, and the images are in the order of their names.
        let names: Vec<&String> = own.iter().map(|row| &row["name"]).collect();
        assert_eq!(names.len(), 60);
        assert!(names.is_sorted() && names.iter().collect::<BTreeSet<_>>().len() == 60);
        assert!(names.iter().all(|name| name.starts_with("train/")));
        let folds: Vec<Vec<_>> = ["1", "2", "3"]
            .map(|fold| {
                own.iter()
                    .copied()
                    .filter(|row| row["fold"] == fold)
                    .collect()
            })
            .to_vec();
        // 24 healthy and 36 ill chests in each of three parts.
        for fold in &folds {
            let ill = fold.iter().filter(|row| row["label"] == "PNEUMONIA");
            assert_eq!((fold.len(), ill.count()), (20, 12));
        }
        let cells = &tables[0]["rows"][place]["cells"];
        let pooled = measures(&own);
        for (metric, pooled) in pooled.into_iter().enumerate() {
            let cell = &cells[metric];
            if !pooled.is_nan() {
                assert!(
                    (number(&cell["value"]) - pooled).abs() < 1e-9,
                    "{cell}, not {pooled}"
                );
            }
            if metric == 0 {
                continue;
            }
            let each: Vec<f64> = folds.iter().map(|fold| measures(fold)[metric]).collect();
            let mean = each.iter().sum::<f64>() / 3.0;
            let squares: f64 = each.iter().map(|value| (value - mean).powi(2)).sum();
            let found = &cell["folds"];
            assert_eq!(found["count"], 3);
            assert!((number(&found["mean"]) - mean).abs() < 1e-9, "{cell}");
            assert!(
                (number(&found["sd"]) - (squares / 2.0).sqrt()).abs() < 1e-9,
                "{cell}"
            );
            let [low, high] = [0, 1].map(|end| number(&cell["interval"][end]));
            assert!(low <= pooled && pooled <= high, "{cell}");
            assert_eq!(cell["interval_over"], "images");
        }
        // Neither has predictions of different images to pool.
        for column in [3, 4] {
            let mean = &cells[column]["mean"];
            assert_eq!(
                (&mean["count"], &mean["over"][0]),
                (&3.into(), &"fold".into())
            );
            assert!(
                cells[column].get("interval").is_none() && cells[column].get("folds").is_none()
            );
        }
    }
    let parts = tables[1]["rows"].as_array().unwrap();
    assert_eq!(parts.len(), 6);
    assert_eq!(parts[3]["row"], "2,6");
    let text = sandbox
        .runner(&["table", "pipeline.yaml", "--table", "cv"])
        .stdout;
    for expected in [
        "] (folds ",
        "values are of the predictions of 3 folds together, each image predicted by a model trained without it; \
         (folds …): mean ± standard deviation over folds, which are not independent\n",
        "epochs: ± standard deviation over 3 folds\n",
    ] {
        assert!(text.contains(expected), "`{expected}`: {text}");
    }
    let csv = sandbox
        .runner(&["table", "pipeline.yaml", "--table", "cv", "--format", "csv"])
        .stdout;
    assert!(
        csv.contains(",auc folds,auc fold mean,auc fold sd,"),
        "{csv}"
    );
    let latex = sandbox.runner(&[
        "table",
        "pipeline.yaml",
        "--table",
        "cv",
        "--format",
        "latex",
    ]);
    assert!(latex.stdout.contains("(folds 0."), "{latex:?}");
    // Lists of metrics show the mean over folds.
    let metrics = sandbox.runner(&["metrics", "pipeline.yaml", "--filter", "evaluate*.accuracy"]);
    assert!(metrics.stdout.contains(" (3 folds)"), "{metrics:?}");
}

#[test]
fn rows_are_compared_by_their_out_of_fold_predictions() {
    let (sandbox, _) = ran(PIPELINE, &[]);
    let tables = tables(&sandbox, &["--compare", "4"]);
    let comparisons = tables[0]["comparisons"].as_array().unwrap();
    let auc = &comparisons[2]["rows"][0];
    assert_eq!(auc["images"], 60);
    let value = |row: usize| number(&tables[0]["rows"][row]["cells"][2]["value"]);
    assert!((number(&auc["difference"]) - (value(1) - value(0))).abs() < 1e-9);
    let text = sandbox.runner(&["table", "pipeline.yaml", "--compare", "4", "--table", "cv"]);
    for expected in [
        "auc: difference from 4 on the same 60 images of all folds; paired bootstrap",
        "intervals and p cover the choice of test images only, not of seeds or folds",
        // The model of every fold is tested on the same external images.
        "external: difference from 4 not computed: the image `test/NORMAL/000000` was tested in two folds",
    ] {
        assert!(text.stdout.contains(expected), "`{expected}`: {text:?}");
    }
    // The best fold is the best by chance.
    assert_eq!(tables[1].get("comparisons"), None);
}

#[test]
fn expectations_are_compared_with_the_value_that_the_table_shows() {
    let expect =
        "expect: { \"evaluate[4].accuracy\": { at_least: 0 }, cnn.best_epoch: { at_most: 2 } }\n";
    let (sandbox, _) = ran(&format!("{PIPELINE}{expect}"), &[]);
    let args = ["table", "pipeline.yaml", "--format", "json", "--strict"];
    let found = sandbox.runner(&args).json();
    let cell = &found["tables"][0]["rows"][0]["cells"][1];
    assert_eq!(cell["expectations"][0]["verdict"], "pass");
    // A bound between the metric of all predictions and the mean over the folds tells them apart.
    let [value, mean] = [number(&cell["value"]), number(&cell["folds"]["mean"])];
    assert!(
        (value - mean).abs() < 1e-9,
        "parts of equal size have the same accuracy together"
    );
    let auc = &found["tables"][0]["rows"][0]["cells"][2];
    let [value, mean] = [number(&auc["value"]), number(&auc["folds"]["mean"])];
    assert!(value != mean, "{auc}");
    let exact = format!(
        "expect.evaluate[4].roc_auc={{ at_least: {}, at_most: {} }}",
        value - 1e-9,
        value + 1e-9
    );
    let pipeline = fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap();
    let exact = exact.replace("expect.evaluate[4].roc_auc=", "\"evaluate[4].roc_auc\": ");
    let pipeline = pipeline.replace("expect: {", &format!("expect: {{ {exact},"));
    fs::write(sandbox.path("pipeline.yaml"), pipeline).unwrap();
    let strict = sandbox.runner(&["table", "pipeline.yaml", "--strict"]);
    assert_eq!(strict.code, Some(0), "{strict:?}");
}

#[test]
fn seeds_repeat_the_whole_cross_validation() {
    let text = PIPELINE.replace("folds: 3", "folds: 2\nseeds: 2");
    let args = [
        "-S",
        "stages.cnn.matrix.width=[4]",
        "-S",
        "stages.evaluate.matrix.width=[4]",
    ];
    let args = [&args[..], &["-S", "stages.outside.matrix.width=[4]"]].concat();
    let (sandbox, run) = ran(&text, &args);
    let names = executed(&run);
    for name in [
        "xrays[seed=1,fold=1]",
        "xrays[seed=2,fold=2]",
        "evaluate[4,seed=2,fold=1]",
    ] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
    assert!(names.contains(&"external[seed=2]".to_owned()), "{names:?}");
    assert!(names.contains(&"note[seed=2]".to_owned()), "{names:?}");
    let rows = predictions(&sandbox, &[&["evaluate"][..], &args].concat());
    assert_eq!(rows.len(), 120);
    let each = ["1", "2"].map(|seed| {
        let own: Vec<_> = rows.iter().filter(|row| row["seed"] == seed).collect();
        measures(&own)[1]
    });
    let found = tables(&sandbox, &args);
    let cell = &found[0]["rows"][0]["cells"][1];
    let mean = (each[0] + each[1]) / 2.0;
    assert!((number(&cell["value"]) - mean).abs() < 1e-9, "{cell}");
    assert_eq!(
        (&cell["seeds"]["count"], &cell["folds"]["count"]),
        (&2.into(), &2.into())
    );
    assert_eq!(cell["interval_over"], "seeds-and-images");
    let epochs = &found[0]["rows"][0]["cells"][3]["mean"];
    assert_eq!(epochs["over"], serde_json::json!(["fold", "seed"]));
    let text = sandbox.runner(&[&["table", "pipeline.yaml", "--table", "cv"][..], &args].concat());
    assert!(
        text.stdout.contains(
            "± standard deviation over 2 seeds; 95 % intervals over seeds and test images"
        ),
        "{text:?}"
    );
}

#[test]
fn the_objective_of_a_sweep_is_the_mean_over_the_folds() {
    let sweep = "sweep:\n  axes: { cnn.params.learning_rate: [0.001, 0.01] }\n  objective: { metric: \
                 \"evaluate[4].roc_auc\", direction: maximize }\n";
    let (sandbox, run) = ran(&format!("{PIPELINE}{sweep}"), &[]);
    let names = executed(&run);
    let count = |start: &str| names.iter().filter(|name| name.starts_with(start)).count();
    assert_eq!(
        (count("xrays"), count("cnn"), count("external")),
        (3, 12, 1),
        "{names:?}"
    );
    let shown = sandbox
        .runner(&["sweep", "show", "pipeline.yaml", "--json"])
        .json();
    let best = &shown["trials"][0];
    assert_eq!(
        (&best["folds"], &best["seeds"]),
        (&3.into(), &serde_json::json!([]))
    );
    assert!(best.get("interval").is_none() && number(&best["deviation"]) >= 0.0);
    // The tables of a sweep are those of its best trial.
    let tables = tables(&sandbox, &[]);
    let folds = &tables[0]["rows"][0]["cells"][2]["folds"];
    assert!((number(&best["objective"]) - number(&folds["mean"])).abs() < 1e-9);
    assert!((number(&best["deviation"]) - number(&folds["sd"])).abs() < 1e-9);
    let text = sandbox.runner(&["sweep", "show", "pipeline.yaml"]);
    assert!(
        text.stdout
            .contains("means ± standard deviation over folds"),
        "{text:?}"
    );
    let plan = sandbox.runner(&["sweep", "plan", "pipeline.yaml"]);
    assert!(
        plan.stdout.contains("2 trials with 3 folds each"),
        "{plan:?}"
    );
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

/// Returns the error about the pipeline in which `old` is replaced by `new`.
fn refusal(old: &str, new: &str) -> String {
    assert!(PIPELINE.contains(old), "{old}");
    let sandbox = Sandbox::new(&PIPELINE.replace(old, new));
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(!sandbox.path("artifacts").exists(), "a stage ran");
    run.stderr
}

#[test]
fn numbers_of_folds_that_make_no_sense_are_refused() {
    let one = refusal("folds: 3", "folds: 1");
    assert!(
        one.contains("`folds` is 1; it must be between 2 and 20"),
        "{one}"
    );
    assert!(one.contains("--> pipeline.yaml:5:8"), "{one}");
    assert!(one.contains("remove it to train and test once"), "{one}");
    let many = refusal("folds: 3", "folds: 21");
    assert!(
        many.contains("`folds` is 21; it must be between 2 and 20"),
        "{many}"
    );
    let text = refusal("folds: 3", "folds: five");
    assert!(
        text.contains("expected a whole number, found the text `five`"),
        "{text}"
    );
    let own = refusal("fold: null", "fold: { test: 4, of: 3 }");
    assert!(
        own.contains("`test` is 4; it must be between 1 and 3"),
        "{own}"
    );
    let axis = refusal("rows: [fold, width]", "rows: [folds, width]");
    assert!(axis.contains("`evaluate` has no axis `folds`"), "{axis}");
    let without = refusal("folds: 3\n", "");
    assert!(
        without.contains("`evaluate` has no axis `fold`"),
        "{without}"
    );
    assert!(without.contains("the pipeline has no `folds`"), "{without}");
}

#[test]
fn folds_without_a_dataset_to_divide_are_refused() {
    let own = refusal(
        "validation: 0.2 }",
        "validation: 0.2, fold: { test: 1, of: 3 } }",
    );
    assert!(
        own.contains("`folds` has no effect, because no stage divides images into folds"),
        "{own}"
    );
    assert!(own.contains("--> pipeline.yaml:5:8"), "{own}");
    assert!(
        own.contains("remove `fold` from the `params` of `xrays`"),
        "{own}"
    );
    let sandbox = Sandbox::new(
        "version: 1\nname: none\nfolds: 2\nstages:\n  it: { kind: command, params: { argv: [\"true\"] } }\n",
    );
    let none = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(none.code, Some(2), "{none:?}");
    assert!(
        none.stderr
            .contains("only stages of these kinds can: `dataset`"),
        "{none:?}"
    );
}

#[test]
fn more_folds_than_images_of_a_class_fail_the_dataset() {
    let sandbox = Sandbox::new(PIPELINE);
    let run = sandbox.runner(&["run", "pipeline.yaml", "-S", "images=6", "-S", "folds=4"]);
    assert_eq!(run.code, Some(100), "{run:?}");
    let says =
        "class `NORMAL` has 2 images (copies count once), which cannot be divided into 4 folds";
    assert!(run.stderr.contains(says), "{run:?}");
}

#[test]
fn predictions_are_written_whole_and_replace_only_their_like() {
    let sandbox = Sandbox::new(PIPELINE);
    let early = sandbox.runner(&["predictions", "pipeline.yaml", "-o", "p.csv"]);
    assert_eq!(early.code, Some(2), "{early:?}");
    assert_eq!(
        early.stderr,
        "error: there are no predictions; `runner run pipeline.yaml` makes the results\n"
    );
    assert!(!sandbox.path("p.csv").exists());
    let part = sandbox.run_json(&["--until", "evaluate[4,fold=1]"]);
    assert_eq!(part.code, Some(0), "{part:?}");
    let partial = sandbox.runner(&["predictions", "pipeline.yaml", "-o", "p.csv"]);
    assert_eq!(partial.code, Some(2), "{partial:?}");
    assert!(
        partial.stderr.contains("`evaluate[6,fold=1]`: not run"),
        "{partial:?}"
    );
    assert!(!sandbox.path("p.csv").exists());

    let run = sandbox.run_json(&[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let write = |args: &[&str]| {
        let done = sandbox.runner(&[&["predictions", "pipeline.yaml"], args].concat());
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
        done.stdout
    };
    let printed = write(&["evaluate[4]"]);
    assert_eq!(write(&["evaluate[4]", "-o", "p.csv"]), "");
    assert_eq!(fs::read_to_string(sandbox.path("p.csv")).unwrap(), printed);
    let header = "name,fold,label,predicted,p_NORMAL,p_PNEUMONIA\ntrain/NORMAL/";
    assert!(printed.starts_with(header), "{printed}");
    // A file of the same kind is replaced; another one is kept.
    write(&["evaluate[6]", "-o", "p.csv"]);
    let kept = sandbox.runner(&["predictions", "pipeline.yaml", "-o", "pipeline.yaml"]);
    assert_eq!(kept.code, Some(2), "{kept:?}");
    assert!(
        kept.stderr
            .contains("is not a table of predictions, so it is kept"),
        "{kept:?}"
    );
    let json: Value = serde_json::from_str(&write(&["evaluate[4]", "--json"])).unwrap();
    let first = &json["images"][0];
    let line: Vec<&str> = printed.lines().nth(1).unwrap().split(',').collect();
    assert_eq!(
        (&first["name"], &first["fold"]),
        (&line[0].into(), &line[1].into())
    );
    assert_eq!(
        number(&first["probabilities"]["PNEUMONIA"]).to_string(),
        line[5]
    );
    let unknown = sandbox.runner(&["predictions", "pipeline.yaml", "evaluat"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(
        unknown.stderr.contains("did you mean `evaluate`?"),
        "{unknown:?}"
    );
    let training = sandbox.runner(&["predictions", "pipeline.yaml", "cnn"]);
    assert!(
        training
            .stderr
            .contains("`cnn[4,fold=1]` has no predictions"),
        "{training:?}"
    );
}

#[test]
fn a_pipeline_without_tables_shows_the_same_values_in_runner_table() {
    let without = PIPELINE.split("tables:").next().unwrap();
    let (sandbox, _) = ran(without, &["--until", "evaluate"]);
    let summary = sandbox.runner(&["run", "pipeline.yaml", "--until", "evaluate"]);
    assert!(
        summary
            .stdout
            .contains("means ± standard deviation over 3 folds"),
        "{summary:?}"
    );
    let hint =
        "`runner table pipeline.yaml` shows the metrics of the predictions of all folds together\n";
    assert!(summary.stderr.contains(hint), "{summary:?}");
    let tables = tables(&sandbox, &[]);
    let table = tables
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "evaluate");
    let cells = table.unwrap()["rows"][0]["cells"].as_array().unwrap();
    assert!(
        cells.iter().all(|cell| cell["folds"]["count"] == 3),
        "{cells:?}"
    );
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
