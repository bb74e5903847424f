//! Trainings that start from other weights.

use std::fs;

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

/// A GAN of one class, another that starts from it, and one whose discriminator starts from a classifier.
const GANS: &str = r#"
version: 1
name: gans
seed: 5
models:
  generator:
    - dense: { units: 64 }
    - reshape: { height: 4, width: 4, channels: 4 }
    - batch_norm
    - conv_transpose: { filters: 4, kernel: 4, stride: 2, padding: 1 }
    - conv_transpose: { filters: 1, kernel: 4, stride: 2, padding: 1, activation: tanh }
  judge:
    - conv: { filters: 4, kernel: 4, stride: 2, padding: 1 }
    - flatten
    - dense: { units: 1 }
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 60, test_images: 20 } }, image_size: 16, validation: 0.2 }
  first:
    kind: train-gan
    inputs: { images: xrays.train }
    params: { class: NORMAL, latent: 4, generator: generator, discriminator: judge, batch_size: 8, epochs: 2 }
  second:
    kind: train-gan
    inputs: { images: xrays.train, initial: first, initial_discriminator: first.discriminator }
    params:
      class: PNEUMONIA
      latent: 4
      generator: generator
      discriminator: judge
      batch_size: 8
      epochs: 2
      freeze: 1-3
      freeze_discriminator: 1
      layer_rates: [{ layers: 4, factor: 1e-30 }]
      initial: { fresh: 5 }
  classifier:
    kind: train-cnn
    inputs: { train: xrays.train, validation: xrays.validation }
    params: { model: judge, epochs: 1 }
  third:
    kind: train-gan
    inputs: { images: xrays.train, initial_discriminator: classifier }
    params: { class: NORMAL, latent: 4, generator: generator, discriminator: judge, batch_size: 8, epochs: 1, freeze_discriminator: 1 }
"#;

/// Returns the values of a tensor of an output.
fn tensor(sandbox: &Sandbox, output: &str, name: &str) -> Vec<u8> {
    let path = format!("artifacts/latest/gans/{output}/weights.safetensors");
    let bytes = fs::read(sandbox.path(&path)).unwrap();
    let (length, rest) = bytes.split_first_chunk().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let header: Value = serde_json::from_slice(header).unwrap();
    let place = |index: usize| header[name]["data_offsets"][index].as_u64();
    let (Some(start), Some(end)) = (place(0), place(1)) else {
        panic!("{output} has no tensor {name}: {header}");
    };
    data[start as usize..end as usize].to_vec()
}

#[test]
fn a_gan_starts_from_another_and_from_a_classifier() {
    let sandbox = Sandbox::new(GANS);
    let run = sandbox.run_json(&[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let is_same = |network: &str, name: &str, from: &str, to: &str| {
        let value = |stage: &str| tensor(&sandbox, &format!("{stage}/{network}"), name);
        value(from) == value(to)
    };
    for name in [
        "0.dense.weight",
        "2.batch_norm.mean",
        "3.conv_transpose.weight",
    ] {
        assert!(is_same("generator", name, "first", "second"), "{name}");
    }
    assert!(!is_same(
        "generator",
        "4.conv_transpose.weight",
        "first",
        "second"
    ));
    assert!(is_same("discriminator", "0.conv.weight", "first", "second"));
    assert!(!is_same(
        "discriminator",
        "2.dense.weight",
        "first",
        "second"
    ));
    assert_eq!(
        tensor(&sandbox, "third/discriminator", "0.conv.weight"),
        tensor(&sandbox, "classifier/model", "0.conv.weight")
    );

    let loaded = |stage: &str| -> Value {
        let path = format!("artifacts/latest/gans/{stage}/history/initial.json");
        serde_json::from_slice(&fs::read(sandbox.path(&path)).unwrap()).unwrap()
    };
    let both = loaded("second");
    assert_eq!(
        both["generator"]["fresh"],
        json!(["4.conv_transpose.weight", "4.conv_transpose.bias"])
    );
    assert_eq!(
        both["discriminator"]["loaded"]["0.conv.bias"],
        "0.conv.bias"
    );
    assert_eq!(loaded("third").as_object().unwrap().len(), 1);
    let first = sandbox.path("artifacts/latest/gans/first/history/initial.json");
    assert!(!first.exists());
}

#[test]
fn faults_of_weights_for_a_gan_are_errors_with_their_place() {
    let sandbox = Sandbox::new(GANS);
    let refused = |set: &str, place: &str, message: &str| {
        let run = sandbox.runner(&["validate", "pipeline.yaml", "-S", set]);
        assert_eq!(run.code, Some(2), "{set}: {run:?}");
        assert!(
            run.stderr.contains(place) && run.stderr.contains(message),
            "{run:?}"
        );
    };
    let params = "stages.second.params";
    refused(
        &format!("{params}.freeze=1-5"),
        "freeze",
        "all layers with weights are frozen",
    );
    refused(
        &format!("{params}.freeze_discriminator=9"),
        "freeze_discriminator",
        "9",
    );
    refused(
        &format!("{params}.initial_discriminator={{path: w.safetensors}}"),
        "initial_discriminator",
        "both the input `initial_discriminator` and `path`",
    );
    refused(
        "stages.first.params.initial={fresh: 1}",
        "initial",
        "there are no weights to start from",
    );
}
