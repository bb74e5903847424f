//! Predictions of another program, as a file of the user or as the output of a `command` stage.

use std::fs;

use serde_json::Value;

use super::{failed, metrics, output, ran, tables};
use crate::sandbox::{Sandbox, TINY};

const FILE: &str = "
version: 1
name: other
positive: ill
stages:
  score:
    kind: evaluate
    matrix: { program: [good, bad] }
    params: { file: \"${matrix.program}.csv\", bootstrap: 100 }
tables:
  programs: { rows: program, columns: [{ title: AUC, metric: score.roc_auc }] }
";

fn with_files(pipeline: &str) -> Sandbox {
    let sandbox = Sandbox::new(pipeline);
    let [good, bad] = tables();
    fs::write(sandbox.path("good.csv"), good).unwrap();
    fs::write(sandbox.path("bad.csv"), bad).unwrap();
    sandbox
}

#[test]
fn tables_of_predictions_are_compared_like_models() {
    let sandbox = with_files(FILE);
    ran(&sandbox);
    let table = sandbox.runner(&["table", "pipeline.yaml", "--compare", "good"]);
    assert_eq!(table.code, Some(0), "{table:?}");
    assert!(table.stdout.contains("DeLong's p"), "{}", table.stdout);
    assert!(
        table
            .stdout
            .contains("AUC: difference from good on the same 24 images"),
        "{}",
        table.stdout
    );
    let json = sandbox
        .runner(&[
            "table",
            "pipeline.yaml",
            "--compare",
            "good",
            "--format",
            "json",
        ])
        .json();
    let test = &json["tables"][0]["comparisons"][0]["rows"][0]["delong"];
    assert!(test["z"].as_f64().unwrap() < 0.0, "{test}");
    assert_eq!(test["p"], test["p_holm"]);
    let csv = sandbox.runner(&[
        "table",
        "pipeline.yaml",
        "--compare",
        "good",
        "--format",
        "csv",
    ]);
    assert!(
        csv.stdout.contains("AUC delong p,AUC delong p holm"),
        "{csv:?}"
    );

    // The content of the file is in the key; its time is not.
    let again = sandbox.run_json(&[]);
    assert!(
        again
            .outcomes()
            .iter()
            .all(|(_, outcome)| outcome == "cached")
    );
    let [_, bad] = tables();
    let shorter: Vec<&str> = bad.lines().take(20).collect();
    fs::write(sandbox.path("bad.csv"), shorter.join("\n")).unwrap();
    let changed = sandbox.run_json(&[]).outcomes();
    let ran: Vec<&str> = changed
        .iter()
        .filter(|(_, outcome)| outcome != "cached")
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(ran, ["score[bad]"]);
}

/// What `evaluate` writes about a model can be evaluated again, with the same results.
#[test]
fn predictions_of_a_model_give_the_results_of_the_model() {
    let start = &TINY[..TINY.find("tables:").unwrap()];
    let model = "
  score: { kind: evaluate, matrix: { width: [4] }, inputs: { model: cnn, images: xrays.test }, params: { threshold: 0.5 } }
";
    let sandbox = Sandbox::new(&format!("{start}{model}"));
    ran(&sandbox);
    let predicted = output(&sandbox, "tiny/score[4]/metrics/predictions.csv");
    // Another order, and one column instead of two.
    let mut lines: Vec<&str> = predicted.lines().collect();
    assert_eq!(lines[0], "name,label,predicted,p_NORMAL,p_PNEUMONIA");
    lines[1..].reverse();
    let one_column = lines.iter().map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        format!("{};{}\r\n", fields[0], fields[4])
    });
    fs::write(sandbox.path("p.csv"), one_column.collect::<String>()).unwrap();
    let external = "
  again: { kind: evaluate, inputs: { images: xrays.test, train: xrays.train }, params: { file: p.csv, threshold: 0.5 } }
";
    fs::write(
        sandbox.path("pipeline.yaml"),
        format!("{start}{model}{external}"),
    )
    .unwrap();
    ran(&sandbox);
    let (ours, theirs) = (
        metrics(&sandbox, "tiny/score[4]"),
        metrics(&sandbox, "tiny/again"),
    );
    for name in ["f1", "roc_auc", "recall[NORMAL]", "npv", "lr_negative"] {
        assert_eq!(ours[name], theirs[name], "{name}");
    }
    let again = output(&sandbox, "tiny/again/metrics/predictions.csv");
    let names = |table: &str| -> Vec<String> {
        let names = table.lines().filter_map(|line| line.split(',').next());
        names.map(str::to_owned).collect()
    };
    assert_eq!(names(&again), names(&predicted));
    // Copies of training images are looked for as usual.
    assert!(
        sandbox
            .path("artifacts/latest/tiny/again/metrics/leakage.json")
            .exists()
    );
}

#[test]
fn a_program_writes_the_predictions() {
    let sandbox = with_files(
        "
version: 1
name: other
positive: ill
stages:
  sklearn:
    kind: command
    params: { argv: 'cp in.csv out.csv', shell: sh, files: { in.csv: good.csv }, outputs: { out: out.csv } }
  score: { kind: evaluate, inputs: { predictions: sklearn }, params: { prevalence: 0.05 } }
",
    );
    ran(&sandbox);
    let auc = metrics(&sandbox, "other/score")["roc_auc"]["value"]
        .as_f64()
        .unwrap();
    assert!(auc > 0.8, "{auc}");
    let report = sandbox.runner(&["report", "pipeline.yaml", "-o", "report.html"]);
    assert_eq!(report.code, Some(0), "{report:?}");
    let page = fs::read_to_string(sandbox.path("report.html")).unwrap();
    assert!(page.contains("Predictions: <a"), "{page}");
    assert!(page.contains("PPV at a prevalence of 0.05"));
    // A table that does not fit is a failure of the stage, with the name of the output.
    fs::write(sandbox.path("good.csv"), "name,label,p_ill\na,ill,2\n").unwrap();
    let error = failed(&sandbox);
    assert!(
        error.contains(
            "`out.csv` of `sklearn.out`, line 2: `p_ill` is 2, which is not a probability"
        ),
        "{error}"
    );
}

/// The file is read before the run, so errors have a place in the pipeline.
#[test]
fn a_wrong_file_is_an_error_with_its_place_before_the_run() {
    let sandbox = with_files(FILE);
    fs::write(sandbox.path("bad.csv"), "name,label,p_ill\nx,ill,\n").unwrap();
    let error = failed(&sandbox);
    for part in [
        "error: `bad.csv`, line 2: `p_ill` is empty",
        "--> pipeline.yaml:9:21",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(
        sandbox.runs().is_empty() || !sandbox.path("artifacts/latest/other/score[good]").exists()
    );
    fs::remove_file(sandbox.path("bad.csv")).unwrap();
    let missing = failed(&sandbox);
    assert!(missing.contains("bad.csv"), "{missing}");
    assert!(missing.contains("--> pipeline.yaml:9:"), "{missing}");
}

#[test]
fn there_must_be_exactly_one_source_of_predictions() {
    let start = TINY[..TINY.find("tables:").unwrap()].replace("widths: [4, 6]", "widths: [4]");
    for (stage, expected) in [
        (
            "{ kind: evaluate, inputs: { images: xrays.test } }",
            "error: the stage has nothing to evaluate\n  --> pipeline.yaml:20:3",
        ),
        (
            "{ kind: evaluate, matrix: { width: [4] }, inputs: { model: cnn } }",
            "error: the input `model` needs the input `images`\n  --> pipeline.yaml:20:3",
        ),
        (
            "{ kind: evaluate, matrix: { width: [4] }, inputs: { model: cnn, images: xrays.test }, params: { file: p.csv } }",
            "error: the stage has several sources of predictions: input `model`, parameter `file`\n  --> pipeline.yaml:20:",
        ),
    ] {
        let sandbox = Sandbox::new(&format!("{start}  score: {stage}\n"));
        let validated = sandbox.runner(&["validate", "pipeline.yaml"]);
        assert_eq!(validated.code, Some(2), "{validated:?}");
        assert!(
            validated.stderr.contains(expected),
            "{expected}: {}",
            validated.stderr
        );
        assert_eq!(
            validated.stderr.matches("error:").count(),
            1,
            "{validated:?}"
        );
    }
}

#[test]
fn names_that_do_not_fit_the_images_are_one_error() {
    let start = &TINY[..TINY.find("tables:").unwrap()];
    let sandbox = Sandbox::new(&format!(
        "{start}  score: {{ kind: evaluate, inputs: {{ images: xrays.test }}, params: {{ file: p.csv }} }}\n"
    ));
    fs::write(sandbox.path("p.csv"), "name,p_PNEUMONIA\nx.png,0.5\n").unwrap();
    let run = sandbox.run_json(&[]);
    let failure = run.json().to_string() + &run.stderr;
    assert!(
        failure.contains(
            "`p.csv` does not fit the images of `xrays.test`: 20 images have no line (such as"
        ),
        "{failure}"
    );
    let stages: Value = run.json();
    assert!(stages["stages"].to_string().contains("failed"));
}

/// A file has no class folders, so the order of its columns decides which class is the last.
#[test]
fn a_positive_class_that_the_columns_do_not_imply_is_a_warning() {
    let sandbox = Sandbox::new(
        "version: 1\nname: other\nstages:\n  score: { kind: evaluate, params: { file: p.csv } }\n",
    );
    let warnings = |header: &str| {
        let text = format!("{header}\na,NORMAL,0.8,0.2\nb,PNEUMONIA,0.3,0.7\n");
        fs::write(sandbox.path("p.csv"), text).unwrap();
        sandbox
            .runner(&["validate", "pipeline.yaml", "--json"])
            .stdout
    };
    let expected = "`score` measures `f1`, `recall` and similar metrics of `NORMAL`, because it is the last class, \
                    although `PNEUMONIA` is probably meant";
    for header in [
        "name,label,p_PNEUMONIA,p_NORMAL",
        "name,label,p_NORMAL,other",
    ] {
        assert!(
            warnings(header).contains(expected),
            "{header}: {}",
            warnings(header)
        );
    }
    let implied = warnings("name,label,p_NORMAL,p_PNEUMONIA");
    assert!(!implied.contains("last class"), "{implied}");
}
