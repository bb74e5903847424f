//! Exported models in other programs: ONNX Runtime, tract, and the NumPy program in docs/models.md.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use contract::Artifact;
use serde_json::Value;
use stages::device::Cpu;
use stages::nets::{Generator, latent};

use super::{python, run, show};
use crate::sandbox::{Sandbox, skip};

const TABLE1: &str = include_str!("../../../pipelines/table1.yaml");
const DOCS: &str = include_str!("../../../docs/models.md");

/// Largest difference between two programs.
const MOST: f32 = 1e-5;

/// Number of latent vectors for the generator.
const VECTORS: usize = 624;

#[test]
fn models_on_small_phantom_images() {
    let settings = [
        "source={phantom: {images: 64, test_images: 100}}",
        "epochs=2",
        "gan_batch_size=8",
    ];
    check(&settings, None);
}

/// All 624 real test images, also from their files by `runner predict`.
#[test]
fn models_on_real_images() {
    if std::env::var_os("RUNNER_SUITE").is_none_or(|suite| suite != "full") {
        return skip("`RUNNER_SUITE` is not `full`");
    }
    let data = std::env::var_os("RUNNER_TEST_DATA").map(PathBuf::from);
    let Some(data) = data
        .map(|data| data.join("chest-xray"))
        .filter(|data| data.exists())
    else {
        return skip("`RUNNER_TEST_DATA` has no folder `chest-xray`");
    };
    let settings = [
        &format!("data={}", data.display()),
        "source={folder: {path: '${data}'}}",
        "image_size=64",
        "generator=generator64",
        "discriminator=discriminator64",
        "epochs=2",
        "gan_batch_size=64",
    ];
    check(&settings, Some(&data));
}

/// Trains the networks of the paper's table 1, changed by `settings`, and compares what other programs compute. `data` is
/// the folder of the images, if they are files.
fn check(settings: &[&str], data: Option<&Path>) {
    let Some(python) = python() else { return };
    let sandbox = Sandbox::new(TABLE1);
    let short = ["gan_epochs=1", "synthetic_images=8", "retrain_epochs=1"];
    let settings = short.iter().chain(settings);
    let settings: Vec<&str> = settings.flat_map(|setting| ["-S", setting]).collect();
    let run = sandbox.runner(&[&["run", "pipeline.yaml", "-q"], settings.as_slice()].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    let images = export(&sandbox, "xrays.test", &[]);
    for model in 1..=6 {
        let model = format!("model{model}");
        check_classifier(&python, &sandbox, &images, &model);
        if let Some(data) = data {
            check_predict(&sandbox, &model, data);
        }
    }
    check_generator(&python, &sandbox);
}

/// Exports an artifact, and returns the folder.
fn export(sandbox: &Sandbox, artifact: &str, options: &[&str]) -> PathBuf {
    let folder = format!("exported/{artifact}{}", options.concat());
    let command = ["artifacts", "export", artifact, &folder];
    let done = sandbox.runner(&[&command, options].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    sandbox.path(&folder)
}

fn check_classifier(python: &Path, sandbox: &Sandbox, images: &Path, model: &str) {
    let artifact = format!("cnn[{model}].model");
    let metrics = format!("artifacts/latest/table1/evaluate[{model}]/metrics/predictions.csv");
    let expected = predictions(&sandbox.path(&metrics));
    let [input, output] = ["input", "output"].map(|name| sandbox.path(&format!("{model}.{name}")));
    write(&output, &expected);
    let pixels = fs::read(images.join("images.bin")).unwrap();
    write(&input, &planes(&pixels, images));
    for options in [
        ["--format", "onnx"].as_slice(),
        &["--format", "onnx", "--fold-batch-norm"],
    ] {
        let file = export(sandbox, &artifact, options).join("model.onnx");
        let found = run(python, "onnx_agrees.py", &[&file, &input, &output]);
        show(found.trim());
    }
    check_numpy(python, sandbox, &artifact, images, &expected);
}

/// Runs the NumPy program in docs/models.md, and compares its probabilities.
fn check_numpy(python: &Path, sandbox: &Sandbox, artifact: &str, images: &Path, expected: &[f32]) {
    let weights = export(sandbox, artifact, &[]);
    let text = run(
        python,
        numpy_program(sandbox),
        &[&weights, &images.to_owned()],
    );
    let found: Vec<f32> = text
        .split([',', '\n'])
        .filter_map(|number| number.parse().ok())
        .collect();
    assert_eq!(found.len(), expected.len());
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let worst = differences.fold(0.0, f32::max);
    assert!(worst <= MOST, "{artifact}: NumPy differs by {worst}");
    show(&format!("{artifact}: NumPy {worst:.2e}"));
}

/// Writes the NumPy program in docs/models.md to a file, and returns the file.
fn numpy_program(sandbox: &Sandbox) -> PathBuf {
    let program = sandbox.path("predict.py");
    let (_, section) = DOCS
        .split_once("\n## Compute predictions with NumPy\n")
        .unwrap();
    let (_, code) = section.split_once("```python\n").unwrap();
    fs::write(&program, code.split_once("```").unwrap().0).unwrap();
    program
}

/// Networks that together have every kind of layer and every activation, and the kind that the NumPy program refuses.
const EVERY_LAYER: &str = r#"
version: 1
name: layers
models:
  plain:
    - conv: { filters: 4, activation: linear }
    - batch_norm
    - activation: relu
    - conv: { filters: 4, kernel: 4, stride: 2, padding: 1, activation: elu }
    - avg_pool: { kernel: 3, stride: 2 }
    - dropout: 0.2
    - conv: { filters: 6, kernel: 2, padding: valid, activation: leaky_relu }
    - global_avg_pool
    - flatten
    - dense: { units: 1, activation: sigmoid }
  wide:
    - conv: { filters: 3, kernel: 5, stride: 2, padding: 2, activation: sigmoid }
    - max_pool: { kernel: 3, stride: 1 }
    - flatten
    - dense: { units: 48, activation: tanh }
    - batch_norm
    - reshape: { channels: 3, height: 4, width: 4 }
    - upsample: 2
    - conv: { filters: 2 }
    - flatten
    - dense: { units: 2, activation: linear }
  mobile:
    - normalize: { mean: [0.5], deviation: [0.25] }
    - conv: { filters: 4, activation: relu6 }
    - conv: { filters: 4, kernel: 4, stride: 2, padding: 1, activation: hard_swish }
    - activation: hard_sigmoid
    - conv: { filters: 4, activation: silu }
    - global_avg_pool
    - flatten
    - dense: { units: 8, activation: gelu }
    - dense: { units: 1 }
  transposed:
    - conv_transpose: { filters: 2 }
    - global_avg_pool
    - flatten
    - dense: { units: 1 }
stages:
  xrays: { kind: dataset, params: { source: { phantom: { images: 64, test_images: 60 } }, image_size: 16, validation: 0.2 } }
  cnn:
    kind: train-cnn
    matrix: { model: [plain, wide, mobile, transposed] }
    inputs: { train: xrays.train, validation: xrays.validation }
    params: { model: "${matrix.model}", epochs: 2 }
  evaluate:
    kind: evaluate
    matrix: { model: [plain, wide, mobile, transposed] }
    inputs: { model: cnn, images: xrays.test }
    params: { bootstrap: 0, heat_maps: { images: 0 } }
"#;

#[test]
fn the_numpy_program_knows_every_layer_of_classifiers_or_names_it() {
    let Some(python) = python() else { return };
    let sandbox = Sandbox::new(EVERY_LAYER);
    let ran = sandbox.run_json(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let images = export(&sandbox, "xrays.test", &[]);
    for model in ["plain", "wide", "mobile"] {
        let metrics = format!("artifacts/latest/layers/evaluate[{model}]/metrics/predictions.csv");
        let expected = predictions(&sandbox.path(&metrics));
        let artifact = format!("cnn[{model}].model");
        check_numpy(&python, &sandbox, &artifact, &images, &expected);
    }
    let weights = export(&sandbox, "cnn[transposed].model", &[]);
    let mut command = Command::new(&python);
    let refused = command
        .arg(numpy_program(&sandbox))
        .args([&weights, &images])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(refused.stderr).unwrap(),
        "layer 0 of the model is `conv_transpose`, which this program does not know\n"
    );
}

/// Predicts the files of the test images, and compares the probabilities with those of `evaluate`.
fn check_predict(sandbox: &Sandbox, model: &str, data: &Path) {
    let test = data.join("test");
    let stage = format!("cnn[{model}]");
    let file = format!("{model}.csv");
    let done = sandbox.runner(&["predict", &stage, test.to_str().unwrap(), "-o", &file]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let evaluated = format!("artifacts/latest/table1/evaluate[{model}]/metrics/predictions.csv");
    let [found, expected] = [&file, &evaluated].map(|file| by_name(&sandbox.path(file)));
    assert_eq!(found.len(), expected.len());
    for (name, expected) in expected {
        let name = data.join(name);
        assert_eq!(found[name.to_str().unwrap()], expected, "{name:?}");
    }
    show(&format!("{model}: predict has the same digits"));
}

/// Returns the probabilities of the class `PNEUMONIA` in a file of predictions, by the name of the image.
fn by_name(file: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(file).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let column = header
        .iter()
        .position(|name| *name == "p_PNEUMONIA")
        .unwrap();
    lines
        .map(|fields| (fields[0].to_owned(), fields[column].to_owned()))
        .collect()
}

fn check_generator(python: &Path, sandbox: &Sandbox) {
    let folder = export(sandbox, "gan[NORMAL].generator", &[]);
    let files = ["generator.json", "weights.safetensors"];
    let artifact = Artifact {
        label: "gan".to_owned(),
        files: files
            .map(|name| (name.to_owned(), folder.join(name)))
            .into(),
        ..Artifact::default()
    };
    let mut generator = Generator::load(&artifact, Cpu::default()).unwrap();
    let (seed, purpose) = (5, "onnx");
    let features = generator.card.architecture.input.channels;
    let [input, output] = ["input", "output"].map(|name| sandbox.path(&format!("gan.{name}")));
    write(&input, &latent(VECTORS, features, seed, purpose, [0, 0]));
    write(&output, &generator.draw(VECTORS, seed, purpose, 0).values());
    for options in [
        ["--format", "onnx"].as_slice(),
        &["--format", "onnx", "--fold-batch-norm"],
    ] {
        let file = export(sandbox, "gan[NORMAL].generator", options).join("model.onnx");
        let found = run(python, "onnx_agrees.py", &[&file, &input, &output]);
        show(found.trim());
    }
}

/// Returns the probabilities of all images in a file that `evaluate` wrote.
fn predictions(file: &Path) -> Vec<f32> {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().skip(1);
    lines
        .flat_map(|line| {
            let mut fields: Vec<&str> = line.rsplitn(3, ',').collect();
            fields.truncate(2);
            fields.into_iter().rev().map(|p| p.parse().unwrap())
        })
        .collect()
}

/// Returns the pixels of a dataset as numbers from 0 to 1, by channel.
fn planes(pixels: &[u8], images: &Path) -> Vec<f32> {
    let header = fs::read(images.join("dataset.json")).unwrap();
    let header: BTreeMap<String, Value> = serde_json::from_slice(&header).unwrap();
    assert_eq!(header["shape"]["channels"], 1, "gray images have one plane");
    pixels.iter().map(|&byte| f32::from(byte) / 255.0).collect()
}

fn write(file: &Path, values: &[f32]) {
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    fs::write(file, bytes).unwrap();
}
