use std::collections::BTreeMap;

use contract::{Convolutions, ImageShape, METRICS_FILE, Metrics, Segment, Signature, Stage};
use serde_json::{Value, json};

use super::evaluation::CLASS_REPORT_FILE;
use super::report::Report;
use super::{Evaluate, Threshold, read_evaluation};
use crate::metrics::{Bootstrap, Decision, Predictions, measure};

fn parsed(params: Value) -> Result<Evaluate, String> {
    serde_json::from_value(params).map_err(|e| e.to_string())
}

fn inputs(model: usize, images: usize, augmented: bool) -> BTreeMap<String, Vec<Signature>> {
    let shape = |side| ImageShape {
        height: side,
        width: side,
        channels: 1,
    };
    [
        (
            "model".to_owned(),
            vec![Signature::Model {
                image: shape(model),
                convolutions: Convolutions::new(4, &[1, 3]),
            }],
        ),
        (
            "images".to_owned(),
            vec![Signature::Dataset {
                image: shape(images),
                augmented,
                classes: None,
            }],
        ),
    ]
    .into()
}

#[test]
fn the_origin_of_the_threshold_is_told() {
    let of = |threshold, stored, rule| {
        let stage = Evaluate {
            threshold,
            ..Evaluate::default()
        };
        stage.origin(stored, rule)
    };
    let (model, rule) = (Threshold::Model, Some("highest F1 on 52 validation images"));
    // A training without `threshold` stores 0.5.
    assert_eq!(of(model, Some(0.5), None), "the default");
    assert_eq!(of(model, None, None), "the default");
    for (stored, rule) in [(0.4, None), (0.5, rule), (0.4, rule)] {
        let origin = of(model, Some(stored), rule);
        assert_eq!(origin, "the threshold stored with the model");
    }
    let fixed = of(Threshold::At(0.5), Some(0.5), None);
    assert_eq!(fixed, "the `threshold` in the pipeline");
}

#[test]
fn defaults_are_filled_in() {
    let canonical = json!({
        "positive": null,
        "threshold": "model",
        "bootstrap": 1000,
        "batch_size": 128,
        "leakage": "warn",
        "heat_maps": null,
        "file": null,
        "prevalence": null,
        "subgroups": {},
    });
    assert_eq!(parsed(json!({})).unwrap().canonical(), canonical);
    assert_eq!(parsed(canonical.clone()).unwrap().canonical(), canonical);
    let given = parsed(json!({ "threshold": 0.25, "positive": "NORMAL" })).unwrap();
    assert_eq!(given.threshold, Threshold::At(0.25));
    assert_eq!(parsed(given.canonical()).unwrap(), given);
}

#[test]
fn wrong_parameters_are_rejected() {
    let message = parsed(json!({ "threshold": "best" })).unwrap_err();
    assert_eq!(
        message,
        "invalid value: string \"best\", expected `model` or a number between 0 and 1"
    );
    assert!(
        parsed(json!({ "treshold": 0.5 }))
            .unwrap_err()
            .contains("unknown field `treshold`")
    );

    let refused = |params: Value| {
        parsed(params)
            .unwrap()
            .check(&inputs(32, 32, false))
            .unwrap_err()
    };
    for (params, name, message) in [
        (
            json!({ "threshold": 1 }),
            "threshold",
            "`threshold` is 1; it must be above 0 and below 1",
        ),
        (
            json!({ "threshold": -0.5 }),
            "threshold",
            "`threshold` is -0.5; it must be above 0 and below 1",
        ),
        (
            json!({ "prevalence": 1 }),
            "prevalence",
            "`prevalence` is 1; it must be above 0 and below 1",
        ),
        (
            json!({ "bootstrap": 100_001 }),
            "bootstrap",
            "`bootstrap` is 100001; it must be between 0 and 100000",
        ),
        (
            json!({ "batch_size": 0 }),
            "batch_size",
            "`batch_size` is 0; it must be between 1 and 65536",
        ),
    ] {
        let invalid = refused(params);
        assert_eq!(invalid.path, [Segment::Key(name.to_owned())]);
        assert_eq!(invalid.message, message);
    }
}

#[test]
fn inputs_must_fit_together() {
    let evaluate = Evaluate::default();
    let outputs = evaluate.check(&inputs(32, 32, false)).unwrap();
    assert_eq!(outputs["metrics"], Signature::Metrics);
    assert_eq!(outputs["figure"], Signature::Figure);

    let augmented = evaluate.check(&inputs(32, 32, true)).unwrap_err();
    assert_eq!(augmented.message, "input `images` is augmented");
    assert!(augmented.hint.is_some());
    let other_size = evaluate.check(&inputs(32, 64, false)).unwrap_err();
    assert_eq!(
        other_size.message,
        "input `model` takes images of 32×32×1, but input `images` has images of 64×64×1"
    );
}

/// Predictions come from one place. Without images, labels are in the table.
#[test]
fn there_is_one_source_of_predictions() {
    let checked = |params: Value, roles: &[&str]| {
        let all = inputs(32, 32, false);
        let roles = roles.iter().map(|&role| {
            let known = all.get(role).cloned();
            (
                role.to_owned(),
                known.unwrap_or_else(|| vec![Signature::Files]),
            )
        });
        let error = parsed(params).unwrap().check(&roles.collect()).err()?;
        let place = error.path.first().map(|segment| format!("{segment:?}"));
        Some((place.unwrap_or_default(), error.message))
    };
    let file = || json!({ "file": "p.csv" });
    for (params, roles) in [
        (json!({}), &["model", "images"][..]),
        (json!({}), &["predictions"]),
        (json!({}), &["predictions", "images"]),
        (file(), &[]),
        (file(), &["images"]),
    ] {
        assert_eq!(checked(params, roles), None);
    }
    let error = |params: Value, roles: &[&str]| checked(params, roles).unwrap();
    let nothing = (
        String::new(),
        "the stage has nothing to evaluate".to_owned(),
    );
    assert_eq!(error(json!({}), &["images"]), nothing);
    let (place, message) = error(file(), &["model", "images"]);
    assert_eq!(place, "Key(\"file\")");
    assert_eq!(
        message,
        "the stage has several sources of predictions: input `model`, parameter `file`"
    );
    assert!(
        error(json!({}), &["model", "predictions", "images"])
            .1
            .contains("input `predictions`")
    );
    assert_eq!(
        error(json!({}), &["model"]).1,
        "the input `model` needs the input `images`"
    );
    assert_eq!(
        error(file(), &["train"]).1,
        "the input `train` needs the input `images`"
    );
    let strict = json!({ "file": "p.csv", "leakage": "fail" });
    assert_eq!(error(strict, &[]).0, "Key(\"leakage\")");
}

#[test]
fn the_decision_follows_the_threshold() {
    let classes = ["NORMAL", "PNEUMONIA"].map(str::to_owned);
    let evaluate = Evaluate::default();
    assert_eq!(evaluate.positive_class(&classes), Ok(1));
    // The model's threshold is on the last class, whichever class is positive here.
    let stored = Decision::Threshold {
        class: 1,
        threshold: 0.625,
    };
    assert_eq!(evaluate.decision(2, 0, Some(0.625)), Ok(stored));
    assert_eq!(
        evaluate.decision(2, 1, None),
        Ok(Decision::Threshold {
            class: 1,
            threshold: 0.5
        })
    );
    assert_eq!(evaluate.decision(3, 2, None), Ok(Decision::MostProbable));

    let normal = Evaluate {
        positive: Some("NORMAL".to_owned()),
        threshold: Threshold::At(0.25),
        ..Evaluate::default()
    };
    assert_eq!(normal.positive_class(&classes), Ok(0));
    assert_eq!(
        normal.decision(2, 0, Some(0.625)),
        Ok(Decision::Threshold {
            class: 0,
            threshold: 0.25
        })
    );
    assert!(normal.decision(3, 0, None).is_err());

    let unknown = Evaluate {
        positive: Some("COVID".to_owned()),
        ..Evaluate::default()
    };
    assert_eq!(
        unknown.positive_class(&classes).unwrap_err().to_string(),
        "`positive` is `COVID`, which is not a class: the classes are `NORMAL`, `PNEUMONIA`"
    );
}

#[test]
fn report_writes_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let classes = ["NORMAL".to_owned(), "a \"rare\", one".to_owned()];
    let names = ["n/1.jpeg", "p/2,3.jpeg", "p/4.jpeg"].map(str::to_owned);
    let predictions = Predictions {
        probabilities: &[0.875, 0.125, 0.25, 0.75, 0.6, 0.4],
        labels: &[0, 1, 1],
        classes: 2,
    };
    let decision = Decision::Threshold {
        class: 1,
        threshold: 0.5,
    };
    let report = Report {
        classes: &classes,
        positive: 1,
        decision,
        rule: Some("highest F1 on 9 validation images".to_owned()),
        predictions,
        groups: &[],
        pixels: Some(String::new()),
    };
    let metrics = measure(
        &predictions,
        &classes,
        decision,
        1,
        &Bootstrap::of_images(predictions.labels.len(), 100, 0),
    );
    report.write(&metrics, &names, folder.path()).unwrap();
    report.draw(&metrics, folder.path()).unwrap();

    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let read_back: Metrics = serde_json::from_str(&read(METRICS_FILE)).unwrap();
    // An undefined value, which is NaN, does not equal itself.
    assert_eq!(json!(read_back), json!(metrics));
    assert!(read_back["lr_positive"].value.is_nan());
    assert_eq!(
        serde_json::from_str::<Value>(&read("confusion.json")).unwrap(),
        json!({
            "classes": classes,
            "positive": classes[1],
            "decision": {
                "class": classes[1],
                "threshold": 0.5,
                "rule": "highest F1 on 9 validation images",
            },
            "pixels": "",
            "actual_by_predicted": [[1, 0], [1, 1]],
        })
    );
    let expected = r#"name,label,predicted,p_NORMAL,"p_a ""rare"", one"
n/1.jpeg,NORMAL,NORMAL,0.875,0.125
"p/2,3.jpeg","a ""rare"", one","a ""rare"", one",0.25,0.75
p/4.jpeg,"a ""rare"", one",NORMAL,0.6,0.4
"#;
    assert_eq!(read("predictions.csv"), expected);
    let expected = r#"class,precision,recall,f1,specificity,roc_auc,average_precision,support
NORMAL,0.5,1,0.6666666666666666,0.5,1,1,1
"a ""rare"", one",1,0.5,0.6666666666666666,1,1,1,2
macro average,0.75,0.75,0.6666666666666666,0.75,1,1,3
weighted average,0.8333333333333334,0.6666666666666666,0.6666666666666666,0.8333333333333334,1,1,3
"#;
    assert_eq!(read(CLASS_REPORT_FILE), expected);
    for figure in ["roc.png", "confusion.png"] {
        assert!(image::open(folder.path().join(figure)).is_ok(), "{figure}");
    }
    let summary = report.summary(&metrics);
    assert!(summary.starts_with("f1 of a \"rare\", one 0.667 ["));
    assert!(
        summary.contains(", threshold 0.500 (highest F1 on 9 validation images); 95 %"),
        "{summary}"
    );
    let read = read_evaluation(
        read("predictions.csv").as_bytes(),
        read("confusion.json").as_bytes(),
    );
    assert_eq!(read.unwrap().threshold_rule, report.rule);
}

#[test]
fn one_class_has_no_roc_curve() {
    let folder = tempfile::tempdir().unwrap();
    let classes = ["NORMAL", "PNEUMONIA"].map(str::to_owned);
    let predictions = Predictions {
        probabilities: &[0.25, 0.75],
        labels: &[1],
        classes: 2,
    };
    let decision = Decision::Threshold {
        class: 1,
        threshold: 0.5,
    };
    let report = Report {
        classes: &classes,
        positive: 1,
        decision,
        rule: None,
        predictions,
        groups: &[],
        pixels: Some(String::new()),
    };
    let metrics = measure(
        &predictions,
        &classes,
        decision,
        1,
        &Bootstrap::of_images(predictions.labels.len(), 100, 0),
    );
    report.draw(&metrics, folder.path()).unwrap();
    assert!(!folder.path().join("roc.png").exists());
    assert!(folder.path().join("confusion.png").exists());
}
