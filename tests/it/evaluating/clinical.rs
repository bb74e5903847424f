//! The operating point, decision curves and subgroups: files, terminal and report.

use std::fs;

use serde_json::Value;

use super::{failed, output, ran, tables};
use crate::sandbox::Sandbox;

const PIPELINE: &str = "
version: 1
name: study
positive: ill
stages:
  score:
    kind: evaluate
    params:
      file: p.csv
      threshold: 0.4
      bootstrap: 100
      prevalence: 0.05
      subgroups:
        view: { pattern: '_(AP|PA)_' }
        sex: { table: patients.csv, key: image, column: sex }
";

fn study() -> Sandbox {
    let sandbox = Sandbox::new(PIPELINE);
    let [table, _] = tables();
    let patients = table.lines().skip(1).enumerate().map(|(i, line)| {
        let name = line.split(',').next().unwrap();
        let sex = ["<b>f</b>", "m", ""][i % 3];
        format!("{name},{sex}\n")
    });
    fs::write(
        sandbox.path("patients.csv"),
        "image,sex\n".to_owned() + &patients.collect::<String>(),
    )
    .unwrap();
    fs::write(sandbox.path("p.csv"), table).unwrap();
    sandbox
}

#[test]
fn tables_are_files_and_are_shown_in_the_terminal_and_in_reports() {
    let sandbox = study();
    let run = ran(&sandbox);
    let warnings = run.json()["stages"][0]["warnings"].to_string();
    assert!(
        warnings.contains("subgroups `view`: fewer than 10 images of a class"),
        "{warnings}"
    );
    assert!(
        warnings.contains("subgroups `sex`: 8 images have no value"),
        "{warnings}"
    );

    let operating = output(&sandbox, "study/score/metrics/operating_point.csv");
    assert!(
        operating.contains("\nPPV at a prevalence of 0.05,"),
        "{operating}"
    );
    let curve = output(&sandbox, "study/score/metrics/decision_curve.csv");
    assert_eq!(curve.lines().count(), 100);
    let subgroups = output(&sandbox, "study/score/metrics/subgroups.csv");
    let starts: Vec<String> = subgroups
        .lines()
        .map(|line| line.split(',').take(3).collect::<Vec<_>>().join(","))
        .collect();
    assert_eq!(
        starts,
        [
            "subgroups,value,images",
            "sex,<b>f</b>,8",
            "sex,m,8",
            "view,AP,12",
            "view,PA,12"
        ]
    );
    assert!(
        sandbox
            .path("artifacts/latest/study/score/figure/decision_curve.png")
            .exists()
    );

    let shown = sandbox
        .runner(&["artifacts", "show", "score.metrics"])
        .stdout;
    for part in [
        "operating point: ill, from a probability of 0.4, the `threshold` in the pipeline; 8 of 24 images are ill\n",
        "\nmeasure                      value    images  95 % (bootstrap)   95 % (Wilson)\n",
        "\nsensitivity ",
        "\nLR− ",
        // MLstatkit 0.1.91: 0.890625, 0.7579 to 1.
        "\nROC AUC 0.891; 95 % interval by DeLong's method [0.758, 1.000]\n",
        "intervals are over test images; PPV and NPV are those at the share of ill among the images, 0.333\n",
        "\nview  images  positive ",
        "difference of roc_auc between values of `view`: ",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let json = sandbox
        .runner(&["artifacts", "show", "score.metrics", "--json"])
        .json();
    assert_eq!(json["clinical"]["positives"], 8);
    assert_eq!(json["clinical"]["subgroups"][1]["parts"][0]["value"], "AP");

    let report = sandbox.runner(&["report", "pipeline.yaml", "-o", "report.html"]);
    assert_eq!(report.code, Some(0), "{report:?}");
    let page = fs::read_to_string(sandbox.path("report.html")).unwrap();
    for part in [
        "<h4>Operating point</h4>",
        "Subgroups: view",
        "figure-decision-curve",
        "&lt;b&gt;f&lt;/b&gt;",
    ] {
        assert!(
            page.replace("&#60;", "&lt;")
                .replace("&#62;", "&gt;")
                .contains(part),
            "{part}"
        );
    }
    assert!(!page.contains("<b>f</b>"));
}

#[test]
fn a_table_of_subgroups_is_a_source() {
    let sandbox = study();
    ran(&sandbox);
    let outcome = |sandbox: &Sandbox| sandbox.run_json(&[]).outcomes()[0].1.clone();
    assert_eq!(outcome(&sandbox), "cached");
    let patients = fs::read_to_string(sandbox.path("patients.csv")).unwrap();
    fs::write(
        sandbox.path("patients.csv"),
        patients.replace("m\n", "male\n"),
    )
    .unwrap();
    assert_eq!(outcome(&sandbox), "succeeded");
    let subgroups = output(&sandbox, "study/score/metrics/subgroups.csv");
    assert!(subgroups.contains("\nsex,male,8,"), "{subgroups}");
    fs::write(sandbox.path("patients.csv"), "name,sex\n").unwrap();
    let error = failed(&sandbox);
    for part in [
        "error: `patients.csv` has no column `image`; its columns are `name`, `sex`",
        "--> pipeline.yaml:15:23",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn wrong_subgroups_are_errors_with_their_place() {
    for (wrong, message) in [
        (
            "view: { pattern: 'AP|PA' }",
            "`pattern` has no parentheses around the subgroup",
        ),
        ("view: {}", "a division needs a `pattern` or a `table`"),
        ("view: { patern: '(AP)' }", "unknown parameter `patern`"),
    ] {
        let sandbox = Sandbox::new(&PIPELINE.replace("view: { pattern: '_(AP|PA)_' }", wrong));
        let validated = sandbox.runner(&["validate", "pipeline.yaml"]);
        assert_eq!(validated.code, Some(2), "{validated:?}");
        for part in [message, "--> pipeline.yaml:14:"] {
            assert!(
                validated.stderr.contains(part),
                "{part}: {}",
                validated.stderr
            );
        }
    }
}

/// Every table is computed from the same predictions.
#[test]
fn the_operating_point_agrees_with_the_metrics() {
    let sandbox = study();
    ran(&sandbox);
    let metrics = super::metrics(&sandbox, "study/score");
    let clinical: Value =
        serde_json::from_str(&output(&sandbox, "study/score/metrics/clinical.json")).unwrap();
    let rows = clinical["operating_point"].as_array().unwrap();
    for (measure, metric) in [
        ("sensitivity", "recall"),
        ("specificity", "specificity"),
        ("PPV", "precision"),
        ("NPV", "npv"),
        ("LR+", "lr_positive"),
        ("LR−", "lr_negative"),
        ("accuracy", "accuracy"),
        ("balanced accuracy", "macro_recall"),
    ] {
        let row = rows.iter().find(|row| row["measure"] == measure).unwrap();
        let metric = &metrics[metric];
        let [ours, theirs] = [&row["value"], &metric["value"]].map(|v| v.as_f64().unwrap());
        assert!((ours - theirs).abs() < 1e-12, "{measure}");
        let ends = |value: &Value| [0, 1].map(|end| value[end].as_f64().unwrap());
        let [ours, theirs] = [ends(&row["bootstrap"]), ends(&metric["interval"])];
        assert!(
            ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-12),
            "{measure}: {ours:?}, {theirs:?}"
        );
    }
    assert_eq!(clinical["roc_auc"]["value"], metrics["roc_auc"]["value"]);
}
