//! A model on images of another source, such as another hospital.

use std::fs;

use super::{failed, metrics, ran};
use crate::fuzz::medmnist;
use crate::sandbox::Sandbox;

/// `CLASSES` are those of the external images.
const PIPELINE: &str = "
version: 1
name: hospitals
positive: ill
stages:
  ours:
    kind: dataset
    params: { source: { npz: { path: data.npz, classes: [ill, well] } }, image_size: 8, validation: 0, leakage: off }
  theirs:
    kind: dataset
    params: { source: { npz: { path: other.npz, classes: CLASSES } }, image_size: 8, validation: 0, leakage: off }
  cnn:
    kind: train-cnn
    inputs: { train: ours.train }
    params: { model: [flatten, { dense: { units: 2 } }], epochs: 1 }
  internal: { kind: evaluate, inputs: { model: cnn, images: ours.test }, params: { bootstrap: 20 } }
  external: { kind: evaluate, inputs: { model: cnn, images: theirs.test }, params: { bootstrap: 20 } }
";

fn with_classes(classes: &str) -> Sandbox {
    let sandbox = Sandbox::new(&PIPELINE.replace("CLASSES", classes));
    for file in ["data.npz", "other.npz"] {
        fs::write(sandbox.path(file), medmnist()).unwrap();
    }
    sandbox
}

#[test]
fn classes_are_mapped_by_name() {
    let sandbox = with_classes("[ill, well]");
    ran(&sandbox);
    let (same, ours) = (
        metrics(&sandbox, "hospitals/external"),
        metrics(&sandbox, "hospitals/internal"),
    );
    assert_eq!(same, ours);
    // The same images with the other labels: whatever was right is wrong.
    let swapped = with_classes("[well, ill]");
    ran(&swapped);
    let theirs = metrics(&swapped, "hospitals/external");
    let value = |name: &str| {
        let value = |all: &std::collections::BTreeMap<String, serde_json::Value>| {
            all[name]["value"].as_f64().unwrap()
        };
        [value(&ours), value(&theirs)]
    };
    for name in ["accuracy", "roc_auc"] {
        let [ours, theirs] = value(name);
        assert!(
            (ours + theirs - 1.0).abs() < 1e-12,
            "{name}: {ours}, {theirs}"
        );
    }
}

#[test]
fn unknown_classes_are_an_error() {
    let sandbox = with_classes("[ill, healthy]");
    let error = failed(&sandbox);
    assert!(
        error.contains(
            "model `cnn.model` has the classes `ill`, `well`, but the images of `theirs.test` have the classes `ill`, \
             `healthy`"
        ),
        "{error}"
    );
}

/// The folder of another hospital needs no training images, but nothing can be trained on it.
#[test]
fn a_folder_with_test_images_only_is_evaluated_but_not_trained_on() {
    let folder = "{ folder: { path: other } }";
    let pipeline = PIPELINE
        .replace("{ npz: { path: other.npz, classes: CLASSES } }", folder)
        .replace("image_size: 8", "image_size: 8, channels: 1");
    let sandbox = Sandbox::new(&pipeline);
    fs::write(sandbox.path("data.npz"), medmnist()).unwrap();
    for (class, brightness) in [("ill", 200), ("well", 20)] {
        let folder = sandbox.path("other/test").join(class);
        fs::create_dir_all(&folder).unwrap();
        for number in 0..6 {
            let image = image::GrayImage::from_pixel(8, 8, image::Luma([brightness + number]));
            image.save(folder.join(format!("{number}.png"))).unwrap();
        }
    }
    ran(&sandbox);
    assert_eq!(
        metrics(&sandbox, "hospitals/external")["support"]["value"],
        6.0
    );
    let trained = pipeline.replace("train: ours.train", "train: theirs.train");
    fs::write(sandbox.path("pipeline.yaml"), trained).unwrap();
    let error = failed(&sandbox);
    for part in [
        "error: `theirs.train` has no images to train on: its source has no folder `train`",
        "--> pipeline.yaml:14:22",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}
