//! Metrics: their classes, declarations, undefined values, and the positive class.

use std::fs;

use serde_json::Value;

use crate::sandbox::{Finished, Sandbox};

/// A model that is evaluated on 20 test images. `TOP` and `PARAMS` are replaced.
const EVALUATED: &str = r#"
version: 1
name: p
seed: 7
TOP
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 40, test_images: 20 } }, image_size: 16, validation: 0.2 }
  cnn:
    kind: train-cnn
    inputs: { train: xrays.train, validation: xrays.validation }
    params: { model: [flatten, { dense: { units: 1 } }], epochs: 2 }
  score:
    kind: evaluate
    inputs: { model: cnn, images: xrays.test }
    params: { PARAMS }
"#;

fn evaluated(top: &str, params: &str) -> String {
    EVALUATED.replace("TOP", top).replace("PARAMS", params)
}

fn metrics(sandbox: &Sandbox, stage: &str) -> Value {
    let file = format!("artifacts/latest/p/{stage}/metrics/metrics.json");
    serde_json::from_slice(&fs::read(sandbox.path(&file)).unwrap()).unwrap()
}

fn run(sandbox: &Sandbox, args: &[&str]) -> Finished {
    let run = sandbox.run_json(args);
    assert_eq!(run.code, Some(0), "{run:?}");
    run
}

#[test]
fn an_evaluation_has_metrics_and_a_report_of_each_class() {
    let expect =
        "expect: { score.recall: { at_least: 0 }, \"score.recall[NORMAL]\": { at_most: 1 } }";
    let sandbox = Sandbox::new(&evaluated(expect, ""));
    run(&sandbox, &[]);
    let metrics = metrics(&sandbox, "score");
    assert_eq!(metrics["f1"]["of"], "PNEUMONIA");
    assert_eq!(metrics["f1"]["over"], "images");
    assert_eq!(metrics["f1"]["value"], metrics["f1[PNEUMONIA]"]["value"]);
    assert_eq!(
        metrics["recall[NORMAL]"]["value"],
        metrics["specificity"]["value"]
    );
    assert_eq!(metrics["recall[NORMAL]"]["of"], "NORMAL");
    assert_eq!(metrics["support[NORMAL]"].get("direction"), None);
    assert_eq!(metrics["accuracy"].get("of"), None);

    let shown = sandbox
        .runner(&["artifacts", "show", "score.metrics"])
        .stdout;
    let rows: Vec<&str> = shown
        .lines()
        .skip_while(|line| !line.starts_with("class "))
        .collect();
    assert!(rows[1].starts_with("NORMAL "), "{shown}");
    assert!(rows[2].starts_with("PNEUMONIA (positive)"), "{shown}");
    assert!(rows[3].starts_with("macro average"), "{shown}");
    assert!(
        rows[5].starts_with("accuracy ") && rows[5].ends_with(" on 20 images"),
        "{shown}"
    );
    let json = sandbox
        .runner(&["artifacts", "show", "score.metrics", "--json"])
        .json();
    let report = &json["class_report"];
    assert_eq!(report["classes"][1]["is_positive"], true);
    assert_eq!(report["classes"][1]["recall"], metrics["recall"]["value"]);
    assert_eq!(report["images"], 20);
    let history = sandbox.runner(&["artifacts", "show", "cnn.history"]).stdout;
    assert!(!history.contains("macro average"), "{history}");

    let table = sandbox
        .runner(&["table", "pipeline.yaml", "--format", "md"])
        .stdout;
    assert!(
        table.contains("| score.recall | ") && table.contains("(class PNEUMONIA) ✓"),
        "{table}"
    );
    assert!(
        table.contains("| score.recall[NORMAL] | ") && table.contains("(class NORMAL) ✓"),
        "{table}"
    );
}

#[test]
fn a_metric_that_the_images_do_not_define_is_undefined() {
    // At this threshold, nothing is classified as positive.
    let pipeline = evaluated(
        "expect: { score.precision: { at_least: 0 } }",
        "threshold: 0.999999",
    );
    let sandbox = Sandbox::new(&pipeline);
    run(&sandbox, &[]);
    let metrics = metrics(&sandbox, "score");
    assert_eq!(metrics["precision"]["value"], Value::Null);
    assert_eq!(metrics["precision"]["direction"], "maximize");
    assert_eq!(metrics["macro_precision"]["value"], Value::Null);
    assert_eq!(
        [&metrics["recall"]["value"], &metrics["f1"]["value"]],
        [0.0, 0.0]
    );
    let table = sandbox
        .runner(&["table", "pipeline.yaml", "--format", "md"])
        .stdout;
    assert!(
        table.contains("| score.precision | undefined ? | at least 0 |"),
        "{table}"
    );
    let file = sandbox.path("artifacts/latest/p/score/metrics/class_report.csv");
    let report = fs::read_to_string(file).unwrap();
    assert!(report.contains("\nPNEUMONIA,,0,0,1,"), "{report}");
    assert!(report.contains("\nmacro average,,"), "{report}");

    run(&sandbox, &["-S", "stages.score.params.threshold=0.000001"]);
    let compared = sandbox.runner(&["compare", "latest~1", "latest"]).stdout;
    let line = |start: &str| compared.lines().find(|line| line.contains(start)).unwrap();
    assert!(
        line(" precision of PNEUMONIA").contains("undefined"),
        "{compared}"
    );
    assert!(line("recall of PNEUMONIA").contains("better"), "{compared}");
    assert!(
        line("support of PNEUMONIA").trim_end().ends_with('0'),
        "{compared}"
    );
    assert!(!compared.contains("recall[NORMAL]"), "{compared}");
}

#[test]
fn the_positive_class_of_the_pipeline_reaches_evaluations_only() {
    let sandbox = Sandbox::new(&evaluated("positive: PNEUMONIA", ""));
    run(&sandbox, &[]);
    let outcomes = run(&sandbox, &["-S", "positive=NORMAL"]).outcomes();
    let outcomes: Vec<(&str, &str)> = outcomes
        .iter()
        .map(|(name, outcome)| (name.as_str(), outcome.as_str()))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("xrays", "cached"),
            ("cnn", "cached"),
            ("score", "succeeded")
        ]
    );
    assert_eq!(metrics(&sandbox, "score")["f1"]["of"], "NORMAL");
    // A stage's own class comes first.
    let own = Sandbox::new(&evaluated("positive: PNEUMONIA", "positive: NORMAL"));
    run(&own, &[]);
    assert_eq!(metrics(&own, "score")["f1"]["of"], "NORMAL");
}

/// Returns the warnings of `validate` about a pipeline that evaluates on images of these classes.
fn warnings(classes: &[&str], top: &str) -> Vec<String> {
    let pipeline = evaluated(top, "").replace(
        "phantom: { images: 40, test_images: 20 }",
        "folder: { path: images }",
    );
    let sandbox = Sandbox::new(&pipeline);
    for split in ["train", "test"] {
        for class in classes {
            let folder = sandbox.path("images").join(split).join(class);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("a.png"), "").unwrap();
        }
    }
    let run = sandbox.runner(&["validate", "pipeline.yaml", "--json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let warnings = run.json()["files"][0]["warnings"].clone();
    let warnings = warnings.as_array().unwrap().iter();
    warnings
        .map(|warning| format!("{}; {}", warning["message"], warning["hint"]).replace('"', ""))
        .collect()
}

#[test]
fn a_positive_class_that_was_not_chosen_causes_a_warning() {
    let found = warnings(&["CAT", "DOG"], "");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(
        "`score` measures `f1`, `recall` and similar metrics of `DOG`, because it is the last class; \
         set `positive: DOG` (or another class)"
    ));
    let found = warnings(&["MALIGNANT", "NORMAL"], "");
    assert!(
        found[0].contains("of `NORMAL`, because it is the last class, although `MALIGNANT` is")
    );
    assert_eq!(warnings(&["A", "B", "C"], "").len(), 1);
    for (classes, top) in [
        (&["NORMAL", "PNEUMONIA"][..], ""),
        (&["CAT", "DOG"], "positive: CAT"),
        (&["A", "B", "C"], "positive: A"),
    ] {
        assert_eq!(warnings(classes, top), [""; 0], "{classes:?}");
    }
}

/// A program that writes this JSON, with these declared `names`.
fn program(json: &str, names: &str) -> Finished {
    let text = format!(
        "version: 1\nname: p\nstages:\n  it:\n    kind: command\n    params:\n      shell: true\n      argv: |\n        \
         echo '{json}' > m.json\n      metrics: {{ file: m.json, names: {names} }}\n"
    );
    Sandbox::new(&text).runner(&["run", "pipeline.yaml"])
}

#[test]
fn what_a_program_writes_is_checked_against_its_declarations() {
    let declared = "{ loss: { direction: minimize, range: [0, 1], unit: nats }, n: {} }";
    let good = program(r#"{"loss": 0.5, "n": 3}"#, declared);
    assert_eq!(good.code, Some(0), "{good:?}");
    for (json, error) in [
        (
            r#"{"loss": 0.5}"#,
            "do not contain `n`, which the pipeline declares; they contain `loss`",
        ),
        (
            r#"{"loss": 1.5, "n": 3}"#,
            "contain the value 1.5 of `loss`, which is outside of the declared range from 0 to 1",
        ),
        (
            r#"{"loss": 0.5, "n": 3, "m": 1}"#,
            "contain `m`, which the pipeline does not declare; add it to `metrics.names`",
        ),
        (
            r#"{"loss": {"value": 0.5, "interval": [0.9, 0.1]}, "n": 3}"#,
            "contain the interval [0.9, 0.1] of `loss`, whose lower end is above the upper one; write [0.1, 0.9]",
        ),
        (
            r#"{"loss": {"value": 0.5, "interval": [0.04, 0.06]}, "n": 3}"#,
            "contain the interval [0.04, 0.06] of `loss`, which does not contain its value 0.5",
        ),
        (
            r#"{"loss": {"value": null, "interval": [0, 1]}, "n": 3}"#,
            "contain the interval [0, 1] of `loss`, whose value is undefined; leave out the interval",
        ),
        (
            r#"{"loss": {"valeu": 0.5}, "n": 3}"#,
            "contain `loss` with the key `valeu`; did you mean `value`?",
        ),
        (
            r#"{"loss": 0.5, "n": 3, "loss": 0.6}"#,
            "contain the key `loss` twice at line 1 column ",
        ),
        (
            r#"{"loss": 0.5, "n": 1e999}"#,
            "contain a number beyond ±1.8e308 at line 1 column 24; write `null`",
        ),
    ] {
        let bad = program(json, declared);
        assert_eq!(bad.code, Some(100), "{bad:?}");
        let error = format!("it: failed: the metrics in `m.json` {error}");
        assert!(bad.stderr.contains(&error), "{bad:?}");
    }
}

#[test]
fn units_are_listed_with_the_metrics() {
    let names = "{ loss: { direction: minimize, unit: nats }, n: {} }";
    let text = format!(
        "version: 1\nname: p\nstages:\n  it:\n    kind: command\n    params:\n      shell: true\n      argv: |\n        \
         echo '{{\"loss\": 0.5, \"n\": 3}}' > m.json\n      metrics: {{ file: m.json, names: {names} }}\n"
    );
    let sandbox = Sandbox::new(&text);
    run(&sandbox, &[]);
    for of in [&["metrics"][..], &["metrics", "pipeline.yaml"]] {
        let listed = sandbox.runner(of).stdout;
        let expected = "stage  metric  value  unit\nit     loss    0.500  nats\nit     n       3\n";
        assert_eq!(listed, expected);
    }
    let json = sandbox.runner(&["metrics", "--json"]).json();
    assert_eq!(json["metrics"][0]["unit"], "nats");
    assert_eq!(json["metrics"][1]["unit"], Value::Null);
    let csv = sandbox.runner(&["metrics", "--csv"]).stdout;
    assert!(csv.lines().next().unwrap().ends_with(",unit"), "{csv}");
    // The unit is in no key, but the next run records it.
    let file = sandbox.path("pipeline.yaml");
    fs::write(&file, text.replace("nats", "bits")).unwrap();
    let again = run(&sandbox, &[]).outcomes();
    assert_eq!(again[0].1, "cached");
    assert!(sandbox.runner(&["metrics"]).stdout.contains("0.500  bits"));

    let evaluated = Sandbox::new(&evaluated("", ""));
    run(&evaluated, &[]);
    let listed = evaluated.runner(&["metrics", "-f", "support"]).stdout;
    assert!(listed.contains("images"), "{listed}");
}

/// A sweep over a program's argument. `OBJECTIVE` and `METRICS` are replaced.
const SWEEP: &str = r#"
version: 1
name: p
vars: { x: 1 }
stages:
  it: { kind: command, params: { argv: "echo '{\"loss\": ${x}}' > m.json", shell: true, metrics: METRICS } }
sweep: { axes: { x: [1, 2] }, objective: { OBJECTIVE } }
"#;

fn sweep(metrics: &str, objective: &str) -> Finished {
    let pipeline = SWEEP
        .replace("METRICS", metrics)
        .replace("OBJECTIVE", objective);
    Sandbox::new(&pipeline).runner(&["run", "pipeline.yaml"])
}

#[test]
fn the_direction_of_an_objective_follows_from_the_declaration() {
    let down = "{ file: m.json, names: { loss: { direction: minimize } } }";
    let found = sweep(down, "metric: it.loss");
    assert!(found.stdout.contains("lowest it.loss first"), "{found:?}");
    assert!(!found.stderr.contains("warning"), "{found:?}");
    let against = sweep(down, "metric: it.loss, direction: maximize");
    assert!(
        against
            .stderr
            .contains("lower values of `it.loss` are better, but `direction` prefers"),
        "{against:?}"
    );
    let undeclared = sweep("m.json", "metric: it.loss");
    assert!(
        undeclared
            .stderr
            .contains("the direction of `it.loss` is not declared"),
        "{undeclared:?}"
    );
    let neutral = sweep("{ file: m.json, names: { loss: {} } }", "metric: it.loss");
    assert_eq!(neutral.code, Some(2), "{neutral:?}");
    assert!(
        neutral
            .stderr
            .contains("neither higher nor lower values of `it.loss` are better"),
        "{neutral:?}"
    );
    let misspelt = sweep(down, "metric: it.los");
    assert_eq!(misspelt.code, Some(2), "{misspelt:?}");
    assert!(
        misspelt.stderr.contains("did you mean `loss`?"),
        "{misspelt:?}"
    );
}
