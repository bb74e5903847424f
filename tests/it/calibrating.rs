//! Calibration and rules for thresholds, from the pipeline file to the report.

use std::fs;

use serde_json::{Value, json};

use crate::report::document::Report;
use crate::sandbox::Sandbox;

/// A network that has hardly been trained, so its classes are not all right and a temperature exists.
const CALIBRATED: &str = r#"
version: 1
name: p
seed: 7
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 120, test_images: 60 } }, image_size: 16, validation: 0.25 }
  cnn:
    kind: train-cnn
    inputs: { train: xrays.train, validation: xrays.validation }
    params:
      model: [flatten, { dense: { units: 1 } }]
      epochs: 1
      learning_rate: 0.000001
      calibration: temperature
      threshold: { sensitivity: 0.95 }
  score:
    kind: evaluate
    inputs: { model: cnn, images: xrays.test }
    params: { bootstrap: 50 }
"#;

fn read(sandbox: &Sandbox, file: &str) -> Value {
    let path = sandbox.path(&format!("artifacts/latest/p/{file}"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn run(sandbox: &Sandbox, args: &[&str]) {
    let run = sandbox.run_json(args);
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[test]
fn a_temperature_and_a_rule_reach_the_model_the_evaluation_and_the_report() {
    let sandbox = Sandbox::new(CALIBRATED);
    run(&sandbox, &[]);
    let card = read(&sandbox, "cnn/model/model.json");
    let temperature = card["calibration"]["temperature"].as_f64().unwrap();
    assert!((0.05..=20.0).contains(&temperature), "{card}");
    assert_eq!(card["threshold_rule"], json!({ "sensitivity": 0.95 }));
    assert_eq!(card["validation_images"], 30);
    let history = read(&sandbox, "cnn/history/metrics.json");
    assert_eq!(history["temperature"]["value"], temperature);

    let decision = &read(&sandbox, "score/metrics/confusion.json")["decision"];
    let rule = "sensitivity at least 0.95 on 30 validation images";
    assert_eq!(decision["rule"], rule);
    assert_eq!(decision["class"], "PNEUMONIA");
    let found = read(&sandbox, "score/metrics/calibration.json");
    assert_eq!(found["class"], "PNEUMONIA");
    assert_eq!(
        found["calibration"]["parameters"]["temperature"],
        temperature
    );
    assert_eq!(found["calibration"]["images"], 30);
    // Dividing the logits multiplies the slope.
    let slope = |side: &str| found[side]["metrics"]["calibration_slope"]["value"].as_f64();
    if let (Some(before), Some(after)) = (slope("uncalibrated"), slope("predicted")) {
        let error = (before * temperature - after).abs();
        assert!(
            error < 1e-3 * after.abs().max(1.0),
            "{before}, {after}, {temperature}"
        );
    }
    let metrics = read(&sandbox, "score/metrics/metrics.json");
    assert_eq!(found["predicted"]["metrics"]["ece"], metrics["ece"]);
    assert!(
        sandbox
            .path("artifacts/latest/p/score/figure/reliability.png")
            .exists()
    );

    let shown = sandbox
        .runner(&["artifacts", "show", "score.metrics"])
        .stdout;
    for part in [
        "ece of right probabilities",
        "probabilities of PNEUMONIA, calibrated: temperature ",
        ", fitted on 30 validation images; 95 % intervals over test images",
        &format!("({rule}); 95 % intervals"),
        " after calibration (temperature ",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let object = sandbox
        .runner(&["artifacts", "show", "score.metrics", "--json"])
        .json();
    assert_eq!(object["calibration"], found);
    let model = sandbox.runner(&["artifacts", "show", "cnn.model"]).stdout;
    assert!(model.contains("best epoch 1 of 1, temperature "), "{model}");
    assert!(model.contains("(validation loss 0."), "{model}");
    assert!(model.contains(&format!("({rule})")), "{model}");

    let report = sandbox.runner(&["report"]);
    assert_eq!(report.code, Some(0), "{report:?}");
    Report::read(&sandbox.path("report.html"));
    let page = fs::read_to_string(sandbox.path("report.html")).unwrap();
    for part in [
        "-calibration\">Calibration</h4>",
        "Probabilities were calibrated: temperature ",
        "after: ECE ",
        "before: ECE ",
        rule,
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn other_methods_and_rules_are_taken_from_the_command_line_too() {
    let sandbox = Sandbox::new(CALIBRATED);
    run(
        &sandbox,
        &[
            "-S",
            "stages.cnn.params.calibration=platt",
            "-S",
            "stages.cnn.params.threshold={ cost: { false_negative: 5, false_positive: 1 } }",
        ],
    );
    let card = read(&sandbox, "cnn/model/model.json");
    assert!(
        card["calibration"]["platt"]["slope"].as_f64().unwrap() > 0.0,
        "{card}"
    );
    assert_eq!(
        read(&sandbox, "score/metrics/confusion.json")["decision"]["rule"],
        "least cost, false negative 5, false positive 1 on 30 validation images"
    );

    run(
        &sandbox,
        &[
            "-S",
            "stages.cnn.params.calibration=none",
            "-S",
            "stages.score.params.threshold=0.25",
        ],
    );
    let card = read(&sandbox, "cnn/model/model.json");
    assert_eq!(card["calibration"], Value::Null);
    let found = read(&sandbox, "score/metrics/calibration.json");
    assert_eq!(
        (&found["calibration"], &found["uncalibrated"]),
        (&Value::Null, &Value::Null)
    );
    let decision = &read(&sandbox, "score/metrics/confusion.json")["decision"];
    // The threshold of the evaluation was not chosen on validation images.
    assert_eq!(
        decision,
        &json!({ "class": "PNEUMONIA", "threshold": 0.25 })
    );
    let shown = sandbox
        .runner(&["artifacts", "show", "score.metrics"])
        .stdout;
    assert!(
        shown.contains("probabilities of PNEUMONIA, not calibrated"),
        "{shown}"
    );
}
