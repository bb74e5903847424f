//! Models whose layers do not match their weights.

use std::fs;
use std::time::{Duration, Instant};

use contract::Artifact;
use serde_json::json;
use stages::device::Cpu;
use stages::nets::{Classifier, Generator};

/// The layers would take gigabytes.
#[test]
fn weights_are_checked_before_layers_are_allocated() {
    let folder = tempfile::tempdir().unwrap();
    let dense = |units: u64| json!({ "dense": { "units": units } });
    for layers in [
        json!([dense(1000), dense(1_000_000), dense(1)]),
        json!([dense(1_000_000_000_000), dense(1)]),
        json!(vec![dense(30_000); 100]),
    ] {
        let input = json!({ "channels": 1, "height": 1, "width": 1 });
        let preprocessing = json!({
            "color": "gray", "fit": "stretch", "filter": "lanczos3", "range": [0.0, 1.0],
        });
        let architecture = json!({ "input": input, "layers": layers });
        let classifier = json!({
            "format": 2, "preprocessing": preprocessing, "architecture": architecture,
            "classes": ["a", "b"], "threshold": null, "epoch": 1,
        });
        let generator = json!({
            "format": 2, "architecture": architecture, "class": "a", "classes": ["a", "b"], "epochs": 1,
        });
        let files = [
            ("model.json", classifier.to_string().into_bytes()),
            ("generator.json", generator.to_string().into_bytes()),
            ("weights.safetensors", vec![0; 4000]),
        ];
        let files = files.map(|(name, bytes)| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            (name.to_owned(), path)
        });
        let artifact = Artifact {
            label: "test".to_owned(),
            files: files.into(),
            ..Artifact::default()
        };
        let started = Instant::now();
        for failure in [
            Classifier::load(&artifact, Cpu::default()).err(),
            Generator::load(&artifact, Cpu::default()).err(),
        ] {
            let failure = failure.expect("loading must fail").to_string();
            let refusals = ["too few for the", "must be between 1 and", "names 2"];
            let is_refused = refusals.iter().any(|refusal| failure.contains(refusal));
            assert!(is_refused, "{failure}");
        }
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}
