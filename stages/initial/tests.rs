use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use contract::{Artifact, Context, Device, Failure, Request};
use dfdx::tensor::Cpu;
use half::{bf16, f16};
use prost::Message;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

use super::load::{Loaded, load};
use super::{INITIAL, Initial, Start};
use crate::nets::{Architecture, Feature, Initializer, Layer, Mode, Network, read_weights};

fn network(seed: u64) -> Network<Cpu> {
    let layers: Vec<Layer> = serde_json::from_value(json!([
        { "conv": { "filters": 2, "bias": false } }, "batch_norm", "flatten", { "dense": { "units": 1 } }
    ]))
    .unwrap();
    let architecture = Architecture::new(Feature::new(1, 2, 2), layers).unwrap();
    Network::new(architecture, Initializer::HeNormal, seed, Cpu::default()).unwrap()
}

/// The tensors of [`network`] in PyTorch's names, with dimensions and values.
fn pytorch() -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let values = |len: usize, first: f32| (0..len).map(|i| first + i as f32 / 8.0).collect();
    [
        ("features.0.weight", vec![2, 1, 3, 3], values(18, -1.0)),
        ("features.1.weight", vec![2], values(2, 1.0)),
        ("features.1.bias", vec![2], values(2, 2.0)),
        ("features.1.running_mean", vec![2], values(2, 3.0)),
        ("features.1.running_var", vec![2], values(2, 4.0)),
        ("head.weight", vec![1, 8], values(8, 5.0)),
        ("head.bias", vec![1], values(1, 6.0)),
    ]
    .map(|(name, dimensions, values)| (name.to_owned(), dimensions, values))
    .to_vec()
}

fn rules() -> Value {
    json!([
        { "from": "^features\\.0\\.", "to": "0.conv." },
        { "from": "^features\\.(1)\\.", "to": "$1.batch_norm." },
        { "from": "^head", "to": "3.dense" }
    ])
}

/// Writes the tensors as safetensors of a type, and an integer tensor that PyTorch adds.
fn write(path: &Path, tensors: &[(String, Vec<usize>, Vec<f32>)], dtype: Dtype) {
    let bytes = |values: &[f32]| -> Vec<u8> {
        let values = values.iter();
        match dtype {
            Dtype::F64 => values.flat_map(|&v| f64::from(v).to_le_bytes()).collect(),
            Dtype::F16 => values
                .flat_map(|&v| f16::from_f32(v).to_le_bytes())
                .collect(),
            Dtype::BF16 => values
                .flat_map(|&v| bf16::from_f32(v).to_le_bytes())
                .collect(),
            _ => values.flat_map(|v| v.to_le_bytes()).collect(),
        }
    };
    let contents: Vec<_> = tensors.iter().map(|(_, _, values)| bytes(values)).collect();
    let views = tensors.iter().zip(&contents);
    let views = views.map(|((name, dimensions, _), bytes)| {
        (
            name.clone(),
            TensorView::new(dtype, dimensions.clone(), bytes).unwrap(),
        )
    });
    let count = 7_i64.to_le_bytes();
    let count = (
        "features.1.num_batches_tracked".to_owned(),
        TensorView::new(Dtype::I64, vec![], &count).unwrap(),
    );
    let bytes = safetensors::serialize(views.chain([count]), None).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[derive(Clone, PartialEq, Message)]
struct OnnxModel {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(message, optional, tag = "7")]
    graph: Option<OnnxGraph>,
}

#[derive(Clone, PartialEq, Message)]
struct OnnxGraph {
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<OnnxTensor>,
}

#[derive(Clone, PartialEq, Message)]
struct OnnxTensor {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(float, repeated, tag = "4")]
    float_data: Vec<f32>,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
    #[prost(int32, tag = "14")]
    data_location: i32,
}

fn onnx(change: impl Fn(usize, &mut OnnxTensor)) -> Vec<u8> {
    let tensors = pytorch().into_iter().enumerate();
    let initializer = tensors.map(|(index, (name, dimensions, values))| {
        let mut tensor = OnnxTensor {
            dims: dimensions.into_iter().map(|dim| dim as i64).collect(),
            data_type: 1,
            name,
            ..OnnxTensor::default()
        };
        match index % 2 {
            0 => tensor.float_data = values,
            _ => tensor.raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
        change(index, &mut tensor);
        tensor
    });
    let model = OnnxModel {
        ir_version: 8,
        graph: Some(OnnxGraph {
            initializer: initializer.collect(),
        }),
    };
    model.encode_to_vec()
}

/// Loads into a network by these parameters, with these files on the input, if there are any.
fn loaded(
    params: Value,
    files: Option<&[&Path]>,
) -> (Network<Cpu>, Result<Option<Loaded>, Failure>) {
    let initial: Initial = serde_json::from_value(params).unwrap();
    let artifact = files.map(|files| Artifact {
        label: "convert.weights".to_owned(),
        files: files
            .iter()
            .map(|path| {
                (
                    path.file_name().unwrap().to_str().unwrap().to_owned(),
                    path.to_path_buf(),
                )
            })
            .collect(),
        ..Artifact::default()
    });
    let inputs = artifact.map(|artifact| (INITIAL.to_owned(), vec![artifact]));
    let request = Request {
        kind: "train-cnn".to_owned(),
        params: json!({}),
        seed: 1,
        cpus: 1,
        device: Device::Cpu,
        gpus: Vec::new(),
        inputs: BTreeMap::from_iter(inputs),
        staging: "".into(),
        resume: None,
    };
    let cancelled = AtomicBool::new(false);
    let context = Context::new(&request, &|_| {}, &cancelled);
    let mut network = network(1);
    let classes = ["a", "b"].map(str::to_owned);
    let start = Start {
        name: INITIAL,
        params: Some(&initial),
        classes: Some(&classes),
    };
    let loaded = load(&mut network, &start, &context);
    (network, loaded)
}

fn assert_loaded(network: &Network<Cpu>, tolerance: f32) {
    for ((name, tensor), (_, _, expected)) in network.state().into_iter().zip(in_our_order()) {
        for (found, expected) in ops::to_host(tensor).into_iter().zip(expected) {
            assert!(
                (found - expected).abs() <= tolerance,
                "{name}: {found} is not {expected}"
            );
        }
    }
}

/// The tensors in the order of a network's state: the statistics come last.
fn in_our_order() -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let all = pytorch();
    [0, 1, 2, 5, 6, 3, 4]
        .map(|index: usize| all[index].clone())
        .to_vec()
}

#[test]
fn weights_of_pytorch_are_found_by_rules() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    // All values have few digits, so that every type represents them.
    for (dtype, tolerance) in [
        (Dtype::F32, 0.0),
        (Dtype::F64, 0.0),
        (Dtype::F16, 0.0),
        (Dtype::BF16, 0.02),
    ] {
        write(&path, &pytorch(), dtype);
        let params = json!({ "path": path, "names": rules() });
        let (network, loaded) = loaded(params, None);
        let loaded = loaded.unwrap().unwrap();
        assert_loaded(&network, tolerance);
        assert_eq!(loaded.loaded.len(), 7);
        assert_eq!(
            loaded.loaded["1.batch_norm.variance"],
            "features.1.running_var"
        );
        assert_eq!(loaded.unused, ["features.1.num_batches_tracked"]);
    }
    // The same file as the output of another stage.
    let params = json!({ "names": rules() });
    let (network, found) = loaded(params, Some(&[&path]));
    assert!(found.unwrap().is_some());
    assert_loaded(&network, 0.02);
}

#[test]
fn initializers_of_onnx_are_weights() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, onnx(|_, _| {})).unwrap();
    let (network, found) = loaded(json!({ "path": path, "names": rules() }), None);
    assert_eq!(found.unwrap().unwrap().loaded.len(), 7);
    assert_loaded(&network, 0.0);
}

#[test]
fn fresh_layers_keep_their_new_weights() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    write(&path, &pytorch()[..5], Dtype::F32);
    let (filled, found) = loaded(json!({ "path": path, "names": rules(), "fresh": 4 }), None);
    let found = found.unwrap().unwrap();
    assert_eq!(found.fresh, ["3.dense.weight", "3.dense.bias"]);
    let dense = |network: &Network<Cpu>| ops::to_host(network.state()[3].1);
    assert_eq!(dense(&filled), dense(&network(1)));
}

#[track_caller]
fn refused(params: Value, parts: &[&str]) {
    let (_, found) = loaded(params, None);
    let Err(Failure::Data(message)) = found else {
        panic!("{found:?}");
    };
    for part in parts {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn tensors_that_do_not_fit_are_one_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let named = json!({ "path": path, "names": rules() });
    write(&path, &pytorch()[..5], Dtype::F32);
    refused(
        named.clone(),
        &["lacks 2 of 7 tensors", "`3.dense.weight` [1, 8]", "`fresh`"],
    );
    refused(
        json!({ "path": path }),
        &[
            "lacks 7 of 7",
            "`features.0.weight`",
            "and 2 more",
            "`names`",
        ],
    );
    let mut other = pytorch();
    other[5].1 = vec![2, 4];
    write(&path, &other, Dtype::F32);
    refused(
        named.clone(),
        &[
            "`head.weight` has the shape [2, 4]",
            "`3.dense.weight` has [1, 8]",
        ],
    );
    let mut other = pytorch();
    other[3].2[1] = f32::NAN;
    write(&path, &other, Dtype::F32);
    refused(
        named,
        &["value 1 of its tensor `features.1.running_mean` is NaN"],
    );
    let same = json!([{ "from": "^features\\.[01]", "to": "x" }]);
    refused(
        json!({ "path": path, "names": same }),
        &["both have the name `x."],
    );
}

#[test]
fn other_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    let params = json!({ "path": path, "names": rules() });
    let write_bytes = |bytes: &[u8]| std::fs::write(&path, bytes).unwrap();
    for pickle in [&b"PK\x03\x04archive"[..], b"\x80\x02}q\x00."] {
        write_bytes(pickle);
        refused(params.clone(), &["a pickle", "safetensors"]);
    }
    for other in [&b""[..], b"text", b"\x08\x08"] {
        write_bytes(other);
        refused(params.clone(), &["no safetensors file and no ONNX file"]);
    }
    write(&path, &pytorch(), Dtype::F32);
    let whole = std::fs::read(&path).unwrap();
    // A header that says more than there is, and values that are cut off.
    for len in [9, 60, whole.len() - 1] {
        write_bytes(&whole[..len]);
        refused(params.clone(), &["damaged"]);
    }
    for (index, change, part) in [
        (
            5,
            (|tensor| tensor.dims = vec![-1, 8]) as fn(&mut OnnxTensor),
            "negative dimension",
        ),
        (
            5,
            |tensor| tensor.dims = vec![i64::MAX, i64::MAX],
            "do not fit its dimensions",
        ),
        (
            5,
            |tensor| tensor.raw_data.truncate(31),
            "do not fit its dimensions",
        ),
        (5, |tensor| tensor.data_location = 1, "in another file"),
        (5, |tensor| tensor.data_type = 7, "ONNX's type 7"),
    ] {
        write_bytes(&onnx(|at, tensor| {
            if at == index {
                change(tensor);
            }
        }));
        refused(params.clone(), &[part]);
    }
    let whole = onnx(|_, _| {});
    for len in 1..whole.len() {
        write_bytes(&whole[..len]);
        let (_, found) = loaded(params.clone(), None);
        assert!(matches!(found, Err(Failure::Data(_))), "{len}: {found:?}");
    }
}

#[test]
fn an_input_must_have_one_file_of_weights() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a.safetensors", "b.onnx", "c.txt"].map(|name| folder.path().join(name));
    write(&paths[0], &pytorch(), Dtype::F32);
    let params = json!({ "names": rules() });
    let (_, found) = loaded(params.clone(), Some(&[&paths[0], &paths[2]]));
    assert!(found.is_ok());
    let (_, found) = loaded(params, Some(&[&paths[0], &paths[1], &paths[2]]));
    let message = found.unwrap_err().to_string();
    assert!(
        message.contains("`convert.weights` must have one"),
        "{message}"
    );
    assert!(
        message.contains("a.safetensors, b.onnx, c.txt"),
        "{message}"
    );
}

/// `RUNNER_TEST_BACKBONE` names the file that `pipelines/finetune/convert.py` wrote. `tests/python` has the features that the
/// published network has, and the program that computed them.
#[test]
fn the_published_efficientnet_has_its_features() {
    let Some(backbone) = std::env::var_os("RUNNER_TEST_BACKBONE") else {
        say("`RUNNER_TEST_BACKBONE` is not set, so the published features are not compared");
        return;
    };
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let pipeline = std::fs::read_to_string(repository.join("pipelines/finetune.yaml")).unwrap();
    let pipeline: Value = serde_yaml::from_str(&pipeline).unwrap();
    let layers = pipeline["models"]["efficientnet_lite0"].clone();
    let mut layers: Vec<Layer> = serde_json::from_value(layers).unwrap();
    let pooling = layers
        .iter()
        .position(|layer| matches!(layer, Layer::GlobalAvgPool {}));
    layers.truncate(pooling.unwrap() + 1);
    let architecture = Architecture::new(Feature::new(3, 224, 224), layers).unwrap();
    let device = Cpu::default();
    let mut network = Network::new(architecture, Initializer::HeNormal, 1, device).unwrap();
    read_weights(&mut network, Path::new(&backbone)).unwrap();
    let pixels = (0..3 * 224 * 224).map(|place| {
        let (channel, row, column) = (place / (224 * 224), place / 224 % 224, place % 224);
        let value = (7 * column + 13 * row + 29 * channel + row * column / 31) % 256;
        value as f32 / 255.0
    });
    let images = ops::from_host(network.device(), pixels.collect(), (1, 3, 224, 224));
    let found = ops::to_host(&network.forward(images, Mode::Predict));
    let expected = repository.join("tests/python/efficientnet_lite0_features.txt");
    let expected = std::fs::read_to_string(expected).unwrap();
    let expected: Vec<f32> = expected.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(found.len(), expected.len());
    let differences = found.iter().zip(&expected);
    let largest = differences.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    say(&format!(
        "largest difference of 1,280 features: {largest:e}"
    ));
    assert!(largest < 1e-4, "{largest:e}");
}

#[expect(
    clippy::print_stdout,
    reason = "tests say what they skip, and what they measure"
)]
fn say(text: &str) {
    println!("{text}");
}
