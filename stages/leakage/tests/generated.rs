//! Tests the comparison of generated images with training images.

use std::fs;
use std::path::Path;

use contract::Artifact;
use contract::analysis::Likeness;
use image::GrayImage;
use serde_json::json;
use tempfile::TempDir;

use super::super::read;
use super::picture;
use super::stages::{bytes, record};
use crate::data::tests::{artifact, gray, run};
use crate::data::write_dataset;
use crate::nets::{Architecture, Feature, Format, GeneratorCard, Initializer, Layer, Network};

fn pack(folder: &Path, images: &[GrayImage]) -> Artifact {
    let classes = ["A", "B"].map(str::to_owned);
    let shape = gray(images[0].width() as usize);
    let examples = images
        .iter()
        .enumerate()
        .map(|(i, image)| (format!("image {i}"), i as u32 % 2, image.as_raw()));
    write_dataset(folder, shape, &classes, examples).unwrap();
    artifact(folder)
}

fn untrained_generator(folder: &Path, class: &str, seed: u64) -> Artifact {
    let layers: Vec<Layer> = serde_json::from_value(json!([
        { "dense": { "units": 256 } },
        { "reshape": { "channels": 1, "height": 16, "width": 16 } },
        { "activation": "tanh" }
    ]))
    .unwrap();
    let architecture = Architecture::new(Feature::new(8, 1, 1), layers).unwrap();
    let device = crate::device::Cpu::default();
    let network = Network::new(architecture.clone(), Initializer::default(), seed, device).unwrap();
    let card = GeneratorCard {
        format: Format,
        architecture,
        class: class.to_owned(),
        classes: vec!["A".to_owned()],
        epochs: 1,
    };
    card.write(&network, folder).unwrap();
    artifact(folder)
}

#[test]
fn generated_images_that_are_training_images_are_found() {
    let [generator, train] = [(); 2].map(|()| TempDir::new().unwrap());
    let generator = untrained_generator(generator.path(), "A", 3);
    let stage = |leakage: &str| {
        crate::parse("synthesize", json!({ "images": 12, "leakage": leakage })).unwrap()
    };
    let alone = run(&*stage("warn"), 5, &[("generators", generator.clone())]).unwrap();
    assert!(!alone.artifact("figure").files.contains_key("leakage.json"));

    let strangers: Vec<GrayImage> = (0..30).map(|seed| picture(16, seed)).collect();
    let strangers = pack(train.path(), &strangers);
    let inputs = [("generators", generator.clone()), ("train", strangers)];
    let clean = run(&*stage("fail"), 5, &inputs).unwrap();
    assert_eq!(
        clean
            .artifact("images")
            .file("images.bin")
            .map(|path| fs::read(path).unwrap()),
        alone
            .artifact("images")
            .file("images.bin")
            .map(|path| fs::read(path).unwrap())
    );
    let record_of_clean = record(&clean, "figure");
    assert_eq!(record_of_clean["train"][0]["copied"], 0.0);
    assert!(clean.notes[0].starts_with("0 of 12 generated images are copies of images of `test`"));
    assert!(clean.artifact("figure").files.contains_key("nearest.png"));

    let inputs = [
        ("generators", generator),
        ("train", alone.artifact("images")),
    ];
    let memorised = run(&*stage("warn"), 5, &inputs).unwrap();
    assert!(memorised.warnings[0].starts_with("leakage: 12 of 12 generated images are copies of images of `test`: `A-000000` has the same pixels as `A-000000`"), "{:?}", memorised.warnings);
    let found = &record(&memorised, "figure")["train"][0];
    assert_eq!(
        (&found["copied"], &found["nearest"]["median"]),
        (&json!(1.0), &json!(1.0))
    );
    let read = read(&bytes(&memorised, "figure")).unwrap();
    let [comparison] = read.comparisons.as_slice() else {
        panic!("{read:?}");
    };
    assert_eq!(comparison.copies.len(), 12);
    assert_eq!(comparison.copies[0].likeness, Likeness::SamePixels);
    assert_eq!(comparison.nearest.unwrap().median, 1.0);
    assert!(comparison.leaks() && comparison.nearest_among_originals.is_some());
    let failure = run(&*stage("fail"), 5, &inputs).unwrap_err();
    assert!(
        failure.to_string().starts_with("leakage: 12 of 12"),
        "{failure}"
    );
}
