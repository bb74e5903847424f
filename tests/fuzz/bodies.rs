//! Reads arbitrary bytes as each kind of file. The fuzz targets in `fuzz_targets` call these functions without
//! end, and `tests/it/fuzz.rs` calls them a limited number of times. A function may refuse the bytes, but must
//! not panic, hang, or take more memory than their size justifies.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use contract::{Device, Failure, Request};
use engine::graph::{Catalogue, Graph};
use engine::spec::{LoadOptions, parse};
use serde_json::json;
use stages::device;
use stages::nets::{Architecture, Feature, Initializer, Network, read_weights, write_weights};
use store::keys::{Digest, Key};
use store::{ActionRecord, Tree};

/// Reads a pipeline. A first line that starts with `#-S ` is passed as an assignment.
pub(super) fn document(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let set = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("#-S "));
    let options = LoadOptions {
        profile: None,
        sets: set.into_iter().map(str::to_owned).collect(),
        ..LoadOptions::default()
    };
    let catalogue = Catalogue {
        kinds: stages::kinds(),
        parse: stages::parse,
        gpus: stages::gpus::survey,
        processor: device::processor,
    };
    let built = parse(Path::new("fuzz.yaml"), &text, &options)
        .and_then(|pipeline| Graph::build(pipeline, &catalogue));
    for error in built.err().into_iter().flatten() {
        assert!(!error.to_string().is_empty());
    }
}

/// Runs a dataset stage on a MedMNIST file.
pub(super) fn npz(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.npz");
    std::fs::write(&path, bytes).unwrap();
    let request = Request {
        kind: "dataset".to_owned(),
        params: json!({ "source": { "npz": { "path": path } }, "image_size": 4, "validation": 0.5 }),
        seed: 1,
        cpus: 1,
        device: Device::Cpu,
        gpus: Vec::new(),
        inputs: Default::default(),
        staging: folder.path().join("staging"),
        resume: None,
    };
    if let Err(failure) = stages::execute(&request, &|_| {}, &AtomicBool::new(false)) {
        assert!(!matches!(failure, Failure::Internal(_)), "{failure}");
    }
}

fn architecture() -> Architecture {
    let layers = json!([{ "conv": { "filters": 2 } }, { "batch_norm": {} }, "flatten", { "dense": { "units": 1 } }]);
    let layers = serde_json::from_value(layers).unwrap();
    Architecture::new(Feature::new(1, 4, 4), layers).unwrap()
}

/// Writes the weights of a small network.
pub(super) fn write_some_weights(path: &Path) {
    let device = device::Cpu::default();
    let network = Network::new(architecture(), Initializer::default(), 1, device).unwrap();
    write_weights(&network, path).unwrap();
}

/// Reads weights into a network with the same layers.
pub(super) fn read_some_weights(path: &Path) -> Result<(), Failure> {
    let device = device::Cpu::default();
    let mut network = Network::new(architecture(), Initializer::default(), 2, device).unwrap();
    read_weights(&mut network, path)
}

/// Reads the bytes as a weights file.
pub(super) fn safetensors(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    std::fs::write(&path, bytes).unwrap();
    if let Err(failure) = read_some_weights(&path) {
        let message = failure.to_string();
        assert!(
            message.contains("weights.safetensors"),
            "the message does not name the file: {message}"
        );
    }
}

/// Decodes the bytes as an action record, as they are and with a matching checksum, and as a tree with a
/// matching digest.
pub(super) fn records(bytes: &[u8]) {
    let key: Key = "0".repeat(64).parse().unwrap();
    let _ = ActionRecord::decode(bytes, &key);
    let checksum = hash("runner record checksum v1", bytes);
    let head = format!(r#"{{"checksum":"{checksum}","record":"#);
    let sealed = [head.as_bytes(), bytes, b"}\n"].concat();
    if let Ok(record) = ActionRecord::decode(&sealed, &key) {
        assert!([record.action_key, record.content_key].contains(&key));
    }
    let digest: Digest = hash("runner artifact tree v1", bytes).parse().unwrap();
    if let Ok(tree) = Tree::decode(&digest, bytes) {
        for name in tree.files.keys() {
            let path = Path::new("/root").join(name);
            let is_plain = |part| matches!(part, std::path::Component::Normal(_));
            assert!(path.starts_with("/root") && path.components().skip(1).all(is_plain));
        }
    }
}

fn hash(context: &str, bytes: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(bytes).finalize().to_string()
}
