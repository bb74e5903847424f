//! Tests a whole evaluation, from artifacts on disk to artifacts on disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use contract::{
    Artifact, Context, Device, Failure, ImageShape, METRICS_FILE, Metrics, Request, StageEvent,
};
use serde_json::{Value, json};

use crate::data::DatasetWriter;
use crate::metrics::Criterion;
use crate::nets::{
    Architecture, Calibration, ClassifierCard, Feature, Format, Initializer, Layer, Network,
    Preprocessing,
};

const SHAPE: ImageShape = ImageShape {
    height: 4,
    width: 4,
    channels: 1,
};

fn names(classes: [&str; 2]) -> Vec<String> {
    classes.map(str::to_owned).to_vec()
}

/// Returns the files in `folder` as an artifact.
fn artifact(label: &str, folder: &Path) -> Artifact {
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .collect();
    Artifact {
        label: label.to_owned(),
        files,
        ..Artifact::default()
    }
}

/// Evaluates an untrained network on 40 images of different brightness, and returns the run's notes.
fn evaluate(folder: &Path, classes: [&str; 2]) -> Result<Vec<String>, Failure> {
    let params = json!({ "bootstrap": 50, "batch_size": 7 });
    let case = Case {
        classes,
        params,
        trained: false,
        patients: None,
        calibration: None,
    };
    Ok(evaluate_with(folder, case)?.0)
}

/// The differences between evaluations.
struct Case<'a> {
    classes: [&'a str; 2],
    params: Value,
    /// `true` if the images are also the training images.
    trained: bool,
    /// Number of images of each patient; `None` if patients are unknown.
    patients: Option<u8>,
    calibration: Option<Calibration>,
}

/// Returns notes and warnings of an evaluation.
fn evaluate_with(folder: &Path, case: Case<'_>) -> Result<(Vec<String>, Vec<String>), Failure> {
    let Case {
        classes,
        params,
        trained,
        patients,
        calibration,
    } = case;
    let [model, images] = ["model", "images"].map(|name| folder.join(name));
    std::fs::create_dir_all(&model).unwrap();
    std::fs::create_dir_all(&images).unwrap();

    let layers: Vec<Layer> =
        serde_json::from_value(json!(["flatten", { "dense": { "units": 1 } }])).unwrap();
    let input = Feature::new(SHAPE.channels, SHAPE.height, SHAPE.width);
    let architecture = Architecture::new(input, layers).unwrap();
    let device = crate::device::Cpu::default();
    let network = Network::new(architecture.clone(), Initializer::default(), 5, device).unwrap();
    let card = ClassifierCard {
        format: Format,
        preprocessing: Preprocessing::of(SHAPE, images::all_bits()),
        architecture,
        classes: names(["NORMAL", "PNEUMONIA"]),
        calibration,
        threshold: Some(0.5),
        threshold_rule: Some(Criterion::Sensitivity(0.95)),
        validation_images: Some(52),
        epoch: 1,
        training_images: None,
    };
    card.write(&network, &model)?;

    let mut writer = DatasetWriter::create(&images, SHAPE, &names(classes))?;
    for i in 0..40u8 {
        let pixels: Vec<u8> = (0..16)
            .map(|p| i.wrapping_mul(6).wrapping_add(i.wrapping_mul(p)))
            .collect();
        let patient = patients.map(|images| format!("person{}", i / images));
        let name = format!("image, {i}.png");
        writer.push_grouped(&name, patient.as_deref(), u32::from(i % 3 == 0), &pixels)?;
    }
    writer.finish()?;

    let request = Request {
        kind: "evaluate".to_owned(),
        params,
        seed: 1,
        cpus: 1,
        device: Device::Cpu,
        gpus: Vec::new(),
        inputs: BTreeMap::from([
            ("model".to_owned(), vec![artifact("cnn[model1]", &model)]),
            ("images".to_owned(), vec![artifact("xrays.test", &images)]),
            (
                "train".to_owned(),
                trained
                    .then(|| artifact("xrays.train", &images))
                    .into_iter()
                    .collect(),
            ),
        ]),
        staging: folder.join("staging"),
        resume: None,
    };
    let [notes, warnings] = [(); 2].map(|()| Mutex::new(Vec::new()));
    let events = |event| match event {
        StageEvent::Note { message } => notes.lock().unwrap().push(message),
        StageEvent::Warning { message, .. } => warnings.lock().unwrap().push(message),
        _ => {}
    };
    let stage = crate::parse(&request.kind, request.params.clone()).unwrap();
    stage.run(&Context::new(&request, &events, &AtomicBool::new(false)))?;
    Ok((notes.into_inner().unwrap(), warnings.into_inner().unwrap()))
}

#[test]
fn metrics_agree_with_the_predictions() {
    let folder = tempfile::tempdir().unwrap();
    let notes = evaluate(folder.path(), ["NORMAL", "PNEUMONIA"]).unwrap();
    assert!(notes[0].starts_with("f1 of PNEUMONIA 0."), "{notes:?}");

    let output = folder.path().join("staging/metrics");
    let csv = std::fs::read_to_string(output.join("predictions.csv")).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "name,label,predicted,p_NORMAL,p_PNEUMONIA");
    assert_eq!(lines.len(), 41);
    let mut right = 0;
    for (i, line) in lines[1..].iter().enumerate() {
        let rest = line.strip_prefix(&format!("\"image, {i}.png\",")).unwrap();
        let fields: Vec<&str> = rest.split(',').collect();
        let [normal, pneumonia] = [fields[2], fields[3]].map(|p| p.parse::<f32>().unwrap());
        assert!((normal + pneumonia - 1.0).abs() < 1e-6);
        let expected = if pneumonia >= 0.5 {
            "PNEUMONIA"
        } else {
            "NORMAL"
        };
        assert_eq!(fields[1], expected);
        right += u32::from(fields[0] == fields[1]);
    }
    let text = std::fs::read(output.join(METRICS_FILE)).unwrap();
    let metrics: Metrics = serde_json::from_slice(&text).unwrap();
    assert_eq!(metrics["accuracy"].value, f64::from(right) / 40.0);
    assert!(metrics["roc_auc"].interval.is_some());
    for figure in ["roc.png", "confusion.png"] {
        assert!(folder.path().join("staging/figure").join(figure).exists());
    }
}

#[test]
fn images_of_other_classes_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let failure = evaluate(folder.path(), ["CAT", "DOG"]).unwrap_err();
    assert_eq!(
        failure,
        Failure::Data(
            "model `cnn[model1]` has the classes `NORMAL`, `PNEUMONIA`, but the images of \
             `xrays.test` have the classes `CAT`, `DOG`"
                .to_owned()
        )
    );
}

#[test]
fn images_that_the_model_was_trained_on_are_a_warning_or_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let with = |leakage: &str| {
        let params = json!({ "bootstrap": 0, "leakage": leakage });
        let case = Case {
            classes: ["NORMAL", "PNEUMONIA"],
            params,
            trained: true,
            patients: None,
            calibration: None,
        };
        evaluate_with(folder.path(), case)
    };
    let (_, warnings) = with("warn").unwrap();
    assert!(
        warnings[0].starts_with(
            "leakage: 40 of 40 images of `xrays.test` are copies of images of `xrays.train`: \
             `image, 0.png` has the same pixels as `image, 0.png`"
        ),
        "{warnings:?}"
    );
    let staging = folder.path().join("staging");
    let text = std::fs::read(staging.join("metrics/leakage.json")).unwrap();
    let record: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(record["between"][0]["copies"].as_array().unwrap().len(), 40);
    assert!(staging.join("figure/leakage.png").exists());
    let failure = with("fail").unwrap_err().to_string();
    assert!(
        failure.contains("`image, 0.png` has the same pixels as"),
        "{failure}"
    );
    assert_eq!(with("off").unwrap().1, [""; 0]);
}

/// The bootstrap draws patients. A single patient says nothing about others.
#[test]
fn intervals_are_over_patients_if_these_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let run = |patients: Option<u8>| {
        let case = Case {
            classes: ["NORMAL", "PNEUMONIA"],
            params: json!({ "bootstrap": 50 }),
            trained: false,
            patients,
            calibration: None,
        };
        let (notes, _) = evaluate_with(folder.path(), case).unwrap();
        let read = |name: &str| {
            let path = folder.path().join("staging/metrics").join(name);
            std::fs::read_to_string(path).unwrap()
        };
        let metrics: Metrics = serde_json::from_str(&read(METRICS_FILE)).unwrap();
        let header = read("predictions.csv").lines().next().unwrap().to_owned();
        let auc = &metrics["roc_auc"];
        (notes.join("\n"), header, auc.interval.is_some())
    };
    let (note, header, has_interval) = run(None);
    assert!(has_interval);
    assert!(note.ends_with("95 % intervals over test images"), "{note}");
    assert_eq!(header, "name,label,predicted,p_NORMAL,p_PNEUMONIA");
    let (note, header, has_interval) = run(Some(2));
    assert!(has_interval);
    assert!(
        note.ends_with("95 % intervals over groups of test images"),
        "{note}"
    );
    assert_eq!(header, "name,group,label,predicted,p_NORMAL,p_PNEUMONIA");
    let (_, _, has_interval) = run(Some(40));
    assert!(!has_interval);
}

#[test]
fn the_calibration_of_a_model_is_applied_and_an_impossible_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let of = |calibration: Option<Calibration>| {
        let case = Case {
            classes: ["NORMAL", "PNEUMONIA"],
            params: json!({ "bootstrap": 0 }),
            trained: false,
            patients: None,
            calibration,
        };
        let (notes, _) = evaluate_with(folder.path(), case)?;
        let path = folder.path().join("staging/metrics/predictions.csv");
        let scores = std::fs::read_to_string(path).unwrap();
        let score = |line: &str| line.rsplit(',').next().unwrap().parse::<f64>().unwrap();
        Ok((
            notes,
            scores.lines().skip(1).map(score).collect::<Vec<f64>>(),
        ))
    };
    let (notes, plain) = of(None).unwrap();
    let rule = "threshold 0.500 (sensitivity at least 0.95 on 52 validation images)";
    assert!(notes[0].contains(rule), "{notes:?}");
    assert_eq!(notes.len(), 1);
    let platt = Calibration::Platt {
        slope: 0.5,
        intercept: 0.25,
    };
    let (notes, calibrated) = of(Some(platt)).unwrap();
    assert!(
        notes[1].contains("(platt: intercept 0.250, slope 0.500, fitted on 52 validation images)"),
        "{notes:?}"
    );
    let logit = |p: f64| (p / (1.0 - p)).ln();
    for (plain, calibrated) in plain.into_iter().zip(calibrated) {
        let error = 0.5 * logit(plain) + 0.25 - logit(calibrated);
        assert!(error.abs() < 1e-4, "{plain}, {calibrated}");
    }
    let refused: Result<_, Failure> = of(Some(Calibration::Temperature(0.0)));
    let message = refused.unwrap_err().to_string();
    assert!(
        message
            .starts_with("model `cnn[model1]` cannot be used: its calibration (temperature 0.000)"),
        "{message}"
    );
}

/// Evaluates predictions of a program, and returns the warnings about the positive class.
fn warnings_of_positive(header: &str, params: Value) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let rows = (0..30).map(|i| {
        let p = f64::from(i % 10) / 10.0;
        let label = if i % 3 == 0 { "PNEUMONIA" } else { "NORMAL" };
        format!("{i},{label},{p},{}\n", 1.0 - p)
    });
    let output = folder.path().join("output");
    std::fs::create_dir_all(&output).unwrap();
    let text = format!("{header}\n{}", rows.collect::<String>());
    std::fs::write(output.join("p.csv"), text).unwrap();
    let inputs = [("predictions".to_owned(), vec![artifact("sklearn", &output)])];
    let request = Request {
        kind: "evaluate".to_owned(),
        params,
        seed: 1,
        cpus: 1,
        device: Device::Cpu,
        gpus: Vec::new(),
        inputs: inputs.into(),
        staging: folder.path().join("staging"),
        resume: None,
    };
    let warnings = Mutex::new(Vec::new());
    let events = |event| {
        if let StageEvent::Warning { message, .. } = event {
            warnings.lock().unwrap().push(message);
        }
    };
    let stage = crate::parse(&request.kind, request.params.clone()).unwrap();
    let run = stage.run(&Context::new(&request, &events, &AtomicBool::new(false)));
    run.unwrap();
    let all = warnings.into_inner().unwrap();
    let about = |warning: &String| warning.contains("last class");
    all.into_iter().filter(about).collect()
}

#[test]
fn a_positive_class_that_a_program_did_not_imply_is_a_warning() {
    let reversed = "name,label,p_PNEUMONIA,p_NORMAL";
    let expected = "the stage measures `f1`, `recall` and similar metrics of `NORMAL`, because it is the last class, \
                    although `PNEUMONIA` is probably meant; set `positive: PNEUMONIA` (or another class) at the top \
                    of the pipeline or in the stage's `params`";
    let bare = || json!({ "bootstrap": 0 });
    assert_eq!(warnings_of_positive(reversed, bare()), [expected]);
    // With one column of probabilities, its class is the last one.
    assert_eq!(
        warnings_of_positive("name,label,p_NORMAL,other", bare()),
        [expected]
    );
    let implied = "name,label,p_NORMAL,p_PNEUMONIA";
    assert_eq!(warnings_of_positive(implied, bare()), [""; 0]);
    let chosen = json!({ "bootstrap": 0, "positive": "NORMAL" });
    assert_eq!(warnings_of_positive(reversed, chosen), [""; 0]);
}

#[test]
fn classes_of_a_file_of_predictions_are_known_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let classes = |text: &str| {
        let path = folder.path().join("p.csv");
        std::fs::write(&path, text).unwrap();
        let stage = crate::parse("evaluate", json!({ "file": path })).unwrap();
        stage.class_names()
    };
    let expected = Some(names(["PNEUMONIA", "NORMAL"]));
    let both = "name,label,p_PNEUMONIA,p_NORMAL\na,NORMAL,0.2,0.8\n";
    assert_eq!(classes(both), expected);
    assert_eq!(
        classes("name,label,p_NORMAL\na,NORMAL,0.8\nb,PNEUMONIA,0.3\n"),
        expected
    );
    assert_eq!(classes("name,label\na,NORMAL\n"), None);
}
