//! Exports networks of all kinds of layers. `RUNNER_TEST_PYTHON` compares what they compute in other programs; see
//! tests/python/README.md.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use contract::{Artifact, random};
use dfdx::tensor::Cpu;
use prost::Message;
use rand::RngExt;
use serde_json::{Value, json};

use super::proto::Model;
use super::{Options, convert};
use crate::nets::{
    Architecture, Calibration, ClassifierCard, Feature, Format, Head, INPUT, Initializer, Layer,
    MODEL_FILE, Mode, Network, Preprocessing, WEIGHTS_FILE, networks,
};

const IMAGES: usize = 9;

/// Networks whose layers meet in ways that [`networks`] does not have.
fn combinations() -> Vec<(&'static str, Value)> {
    let linear = |units: u64| json!({ "dense": { "units": units } });
    vec![
        (
            "folded",
            json!([
                { "conv": { "filters": 4, "activation": "linear" } }, "batch_norm", { "activation": "relu" },
                { "conv_transpose": { "filters": 3, "activation": "linear" } }, { "batch_norm": { "epsilon": 0.1 } },
                "flatten", linear(5), "batch_norm", { "activation": "elu" }, linear(3)
            ]),
        ),
        (
            "windows",
            json!([
                { "conv": { "filters": 4, "kernel": 4, "stride": 2, "padding": 3 } },
                { "conv": { "filters": 5, "kernel": 2, "padding": "valid" } },
                { "conv_transpose": { "filters": 2, "kernel": 3, "stride": 3, "padding": 1 } },
                { "max_pool": { "kernel": 3, "stride": 2 } }, "flatten", linear(1)
            ]),
        ),
        (
            "activations",
            json!([
                { "conv": { "filters": 4, "activation": "silu" } }, { "max_pool": 2 },
                { "conv": { "filters": 4, "activation": "relu6" } }, { "activation": "hard_sigmoid" },
                { "conv_transpose": { "filters": 3, "activation": "hard_swish" } }, "flatten",
                { "dense": { "units": 6, "activation": "gelu" } }, linear(2)
            ]),
        ),
        (
            "sigmoid_layer",
            json!(["flatten", { "dense": { "units": 1, "activation": "sigmoid" } }]),
        ),
        (
            "image_again",
            json!([
                "global_avg_pool", "batch_norm", { "conv_transpose": { "filters": 2 } }, { "upsample": 3 },
                "flatten", { "reshape": { "channels": 8, "height": 3, "width": 3 } }, { "avg_pool": 3 },
                "flatten", linear(2), { "activation": "sigmoid" }
            ]),
        ),
    ]
}

/// Returns an exported model and the network in it, whose weights are random.
fn model(
    folder: &Path,
    layers: Value,
    calibration: Option<Calibration>,
) -> (Artifact, Network<Cpu>, Head) {
    let layers: Vec<Layer> = serde_json::from_value(layers).unwrap();
    let architecture = Architecture::new(INPUT, layers).unwrap();
    let head = Head::of(architecture.output()).unwrap();
    let device = Cpu::default();
    let mut network = Network::new(architecture, Initializer::HeNormal, 3, device).unwrap();
    let mut rng = random::stream(1, "weights", [0, 0]);
    let names: Vec<String> = network.state().into_iter().map(|(name, _)| name).collect();
    let mut state = network.snapshot();
    for (name, values) in names.iter().zip(&mut state) {
        // Everything but the drawn weights is constant in a new network.
        if !name.ends_with(".weight") {
            values.fill_with(|| rng.random_range(0.2..1.2f32));
        }
    }
    network.set_state(state);
    let classes = (0..head.classes()).map(|class| format!("class {class}"));
    let Feature {
        channels,
        height,
        width,
    } = INPUT;
    let shape = contract::ImageShape {
        height,
        width,
        channels,
    };
    let card = ClassifierCard {
        format: Format,
        preprocessing: Preprocessing::of(shape, images::all_bits()),
        architecture: network.architecture().clone(),
        classes: classes.collect(),
        threshold: Some(0.25).filter(|_| head.classes() == 2),
        calibration,
        threshold_rule: None,
        validation_images: None,
        training_images: None,
        epoch: 1,
    };
    card.write(&network, folder).unwrap();
    let files = [MODEL_FILE, WEIGHTS_FILE].map(|name| (name.to_owned(), folder.join(name)));
    let artifact = Artifact {
        label: "test".to_owned(),
        files: files.into(),
        ..Artifact::default()
    };
    (artifact, network, head)
}

fn exported(artifact: &Artifact, fold_batch_norm: bool) -> Model {
    let bytes = convert(artifact, Options { fold_batch_norm }).unwrap();
    Model::decode(bytes.as_slice()).unwrap()
}

fn operators(model: &Model) -> Vec<&str> {
    let nodes = model.graph.as_ref().unwrap().node.iter();
    nodes.map(|node| node.op_type.as_str()).collect()
}

#[test]
fn layers_of_training_are_left_out_and_batch_norm_is_folded() {
    let folder = tempfile::tempdir().unwrap();
    let layers = json!([
        { "conv": { "filters": 4, "activation": "linear" } }, "batch_norm", { "activation": "relu" },
        "batch_norm", { "dropout": 0.5 }, "flatten", { "dense": { "units": 1, "activation": "sigmoid" } }
    ]);
    let (artifact, ..) = model(folder.path(), layers, None);
    let head = ["Flatten", "Gemm", "Identity", "Neg", "Concat", "Sigmoid"];
    let norm = "BatchNormalization";
    let expected = [&["Conv", norm, "Relu", norm], head.as_slice()].concat();
    assert_eq!(operators(&exported(&artifact, false)), expected);
    let folded = [&["Conv", "Relu", norm], head.as_slice()].concat();
    assert_eq!(operators(&exported(&artifact, true)), folded);
    let entries = exported(&artifact, false).metadata_props;
    let entry = |key: &str| {
        entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|e| e.value.as_str())
    };
    assert_eq!(entry("classes"), Some(r#"["class 0","class 1"]"#));
    assert_eq!(entry("threshold"), Some("0.25"));
    assert_eq!(entry("threshold_class"), Some(r#""class 1""#));
}

#[test]
fn files_that_are_no_model_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (artifact, ..) = model(
        folder.path(),
        json!(["flatten", { "dense": { "units": 1 } }]),
        None,
    );
    let refusal = |artifact: &Artifact| {
        convert(artifact, Options::default())
            .unwrap_err()
            .to_string()
    };
    let mut other = artifact.clone();
    other.files.remove(MODEL_FILE);
    assert!(refusal(&other).contains("`test` is neither a model nor a generator"));
    let weights = folder.path().join(WEIGHTS_FILE);
    let mut bytes = fs::read(&weights).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&weights, &bytes).unwrap();
    let expected = "value 107 of tensor `1.dense.weight` is NaN";
    assert!(
        refusal(&artifact).contains(expected),
        "{}",
        refusal(&artifact)
    );
    fs::write(&weights, &bytes[..end - 4]).unwrap();
    assert!(
        refusal(&artifact).contains(WEIGHTS_FILE),
        "{}",
        refusal(&artifact)
    );
}

#[test]
#[expect(clippy::print_stdout, reason = "shows what was measured or left out")]
fn other_programs_compute_the_same() {
    let Some(python) = std::env::var_os("RUNNER_TEST_PYTHON") else {
        println!("skipped: `RUNNER_TEST_PYTHON` is not set; see tests/python/README.md");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    let uncalibrated = networks().into_iter().chain(combinations());
    let uncalibrated = uncalibrated.map(|(name, layers)| (name, layers, None));
    for (name, layers, calibration) in uncalibrated.chain(calibrated()) {
        let folder = folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        let (artifact, network, head) = model(&folder, layers, calibration);
        let [input, output] = compute(&folder, network, head, calibration);
        for fold_batch_norm in [false, true] {
            let bytes = convert(&artifact, Options { fold_batch_norm }).unwrap();
            let file = folder.join(format!("{name}-{fold_batch_norm}.onnx"));
            fs::write(&file, bytes).unwrap();
            files.extend([file, input.clone(), output.clone()]);
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python/onnx_agrees.py");
    let output = Command::new(python)
        .arg(script)
        .args(files)
        .output()
        .unwrap();
    let [text, errors] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    println!("{text}");
    assert!(output.status.success(), "{errors}");
}

/// Networks with all kinds of outputs and of calibrations.
fn calibrated() -> Vec<(&'static str, Value, Option<Calibration>)> {
    let ending = |units: u64| json!(["flatten", { "dense": { "units": units } }]);
    let temperature = Some(Calibration::Temperature(2.5));
    let platt = Some(Calibration::Platt {
        slope: 0.4,
        intercept: -0.7,
    });
    vec![
        ("temperature-sigmoid", ending(1), temperature),
        ("temperature-softmax", ending(3), temperature),
        ("platt-sigmoid", ending(1), platt),
        ("platt-softmax", ending(2), platt),
    ]
}

/// Predicts random images, and writes them and the probabilities to files.
fn compute(
    folder: &Path,
    mut network: Network<Cpu>,
    head: Head,
    calibration: Option<Calibration>,
) -> [PathBuf; 2] {
    let mut rng = random::stream(2, "images", [0, 0]);
    let pixels: Vec<f32> = (0..IMAGES * INPUT.len()).map(|_| rng.random()).collect();
    let shape = (IMAGES, INPUT.channels, INPUT.height, INPUT.width);
    let images = ops::from_host(network.device(), pixels.clone(), shape);
    let logits = ops::to_host(&network.forward(images, Mode::Predict));
    let mut probabilities = head.probabilities(&logits);
    if let Some(calibration) = calibration {
        probabilities = calibration.apply(&probabilities, head.classes());
    }
    let files = [("input", pixels), ("output", probabilities)];
    files.map(|(name, values)| {
        let file = folder.join(name);
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        fs::write(&file, bytes).unwrap();
        file
    })
}
