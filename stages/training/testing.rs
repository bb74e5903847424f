//! Images and stage requests for the tests of trainings.

use std::collections::BTreeMap;
use std::path::Path;

use contract::{Artifact, Context, Device, Failure, ImageShape, Request};
use dfdx::tensor::Cpu;
use serde_json::{Value, json};

use super::{Examples, Fitted, Recipe, fit};
use crate::data::{Dataset, POLICY_FILE, write_dataset};
use crate::nets::{Architecture, Initializer, Layer, Network};

pub(super) const PIXEL: ImageShape = ImageShape {
    height: 1,
    width: 1,
    channels: 1,
};

/// Returns a request for a stage without inputs, with seed 1.
pub(super) fn request() -> Request {
    Request {
        kind: "test".to_owned(),
        params: json!({}),
        seed: 1,
        cpus: 1,
        device: Device::Cpu,
        gpus: Vec::new(),
        inputs: BTreeMap::new(),
        staging: "".into(),
        resume: None,
    }
}

/// Returns a dataset of the classes `a` and `b`.
pub(super) fn dataset(
    shape: ImageShape,
    images: impl IntoIterator<Item = (u32, Vec<u8>)>,
) -> Dataset {
    augmented(shape, images, None)
}

/// Returns a dataset of the classes `a` and `b`, with a policy.
pub(super) fn augmented(
    shape: ImageShape,
    images: impl IntoIterator<Item = (u32, Vec<u8>)>,
    policy: Option<Value>,
) -> Dataset {
    let folder = tempfile::tempdir().unwrap();
    let classes = ["a", "b"].map(str::to_owned);
    let images = images.into_iter().enumerate();
    let named = images.map(|(index, (label, pixels))| (format!("image {index}"), label, pixels));
    write_dataset(folder.path(), shape, &classes, named).unwrap();
    if let Some(policy) = policy {
        std::fs::write(folder.path().join(POLICY_FILE), policy.to_string()).unwrap();
    }
    // The mapping stays valid after the folder is removed.
    Dataset::open(&artifact(folder.path())).unwrap()
}

/// Returns the files in `folder` as an artifact.
pub(super) fn artifact(folder: &Path) -> Artifact {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), entry.path())
    });
    Artifact {
        files: files.collect(),
        ..Artifact::default()
    }
}

/// Returns a network with weights drawn from the seed 1.
pub(super) fn network(layers: &[Layer], image: ImageShape) -> Network<Cpu> {
    let architecture = Architecture::new(image.into(), layers.to_vec()).unwrap();
    Network::new(architecture, Initializer::HeNormal, 1, Cpu::default()).unwrap()
}

/// Trains a fresh network with the parameters `recipe`, and returns it with the result.
pub(super) fn train(
    recipe: Value,
    examples: &Examples,
    validation: Option<&Dataset>,
    context: &Context<'_>,
) -> (Network<Cpu>, Result<Fitted, Failure>) {
    let recipe: Recipe = serde_json::from_value(recipe).unwrap();
    let architecture = Architecture::new(examples.image().into(), recipe.model.clone()).unwrap();
    let device = Cpu::default();
    let mut network = Network::new(architecture, recipe.initializer, context.seed, device).unwrap();
    let fitted = fit(&mut network, &recipe, examples, validation, context);
    (network, fitted)
}
