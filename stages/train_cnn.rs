//! `train-cnn`: trains a convolutional network, declared as a list of layers, to tell classes apart.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::contract::{
    ArtifactType, Context, Expected, Failure, Input, Invalid, KindInfo, Output, Resumable,
    Signature, Stage, Work,
};
use crate::data::Dataset;
use crate::device;
use crate::nets::{Architecture, ClassifierCard, Network};
use crate::training::{Examples, Recipe, fit, write_history};

pub const INFO: KindInfo = KindInfo {
    name: "train-cnn",
    version: 2,
    doc: "trains a classifier of images, declared as a list of layers",
    inputs: &[
        Input {
            role: "train",
            accepts: ArtifactType::Dataset,
            many: false,
            optional: false,
            doc: "training images; an augmented dataset is transformed anew in every epoch",
        },
        VALIDATION,
    ],
    outputs: &OUTPUTS,
    has_primary: true,
    model_params: &["model"],
    declares_ports: false,
    computes: true,
};

pub(crate) const VALIDATION: Input = Input {
    role: "validation",
    accepts: ArtifactType::Dataset,
    many: false,
    optional: true,
    doc: "images by which the best epoch and the threshold are chosen",
};

pub(crate) const OUTPUTS: [Output; 3] = [
    Output {
        port: "model",
        yields: ArtifactType::Model,
        doc: "architecture and the best epoch's weights",
    },
    Output {
        port: "history",
        yields: ArtifactType::Metrics,
        doc: "loss and accuracy of every epoch",
    },
    Output {
        port: "figure",
        yields: ArtifactType::Figure,
        doc: "the history as curves",
    },
];

/// The parameters of `train-cnn`: a [`Recipe`], whole.
pub struct TrainCnn(pub Recipe);

impl Stage for TrainCnn {
    fn canonical(&self) -> Value {
        self.0.canonical()
    }

    fn check(
        &self,
        inputs: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<BTreeMap<String, Signature>, Invalid> {
        check(&self.0, "train", inputs)
    }

    fn resumable(&self) -> Option<Resumable> {
        Some(self.0.resumable())
    }

    fn work(&self, inputs: &BTreeMap<String, Vec<Expected>>) -> Work {
        work(&self.0, "train", 1.0, inputs)
    }

    fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let examples = Examples::new(Dataset::open(context.input("train")?)?, context.seed);
        train(&self.0, &examples, |_| Ok(()), context)
    }
}

/// Checks `recipe` against the signatures of its inputs; `train` is the role of the training images.
pub(crate) fn check(
    recipe: &Recipe,
    train: &str,
    inputs: &BTreeMap<String, Vec<Signature>>,
) -> Result<BTreeMap<String, Signature>, Invalid> {
    let only = |role: &str| inputs.get(role).and_then(|signatures| signatures.first());
    let Some(&Signature::Dataset { image, .. }) = only(train) else {
        return Err(Invalid::new(format!(
            "the input `{train}` is not a dataset"
        )));
    };
    let validation = only("validation");
    recipe.check(image, validation.is_some())?;
    if let Some(Signature::Dataset {
        image: other,
        augmented,
    }) = validation
    {
        if *augmented {
            return Err(
                Invalid::new("validation images are augmented").hint("connect the dataset itself")
            );
        }
        if *other != image {
            return Err(Invalid::new(format!(
                "training images are {image}, validation images {other}"
            )));
        }
    }
    Ok([
        ("model".to_owned(), Signature::Model { image }),
        ("history".to_owned(), Signature::Metrics),
        ("figure".to_owned(), Signature::Figure),
    ]
    .into())
}

/// What training by `recipe` takes; `train` is the role of the training images, of which there are
/// `times` as many in an epoch.
pub(crate) fn work(
    recipe: &Recipe,
    train: &str,
    times: f64,
    inputs: &BTreeMap<String, Vec<Expected>>,
) -> Work {
    let only = |role: &str| inputs.get(role).and_then(|expected| expected.first());
    let Some(Expected {
        signature: Signature::Dataset { image, .. },
        images,
    }) = only(train)
    else {
        return Work::default();
    };
    let images = images.map(|images| (images as f64 * times).round() as u64);
    let validation = only("validation").map_or(Some(0), |validation| validation.images);
    recipe.work(*image, images, validation)
}

/// Trains from weights drawn anew and changed by `prepare`, and writes every output port.
pub(crate) fn train(
    recipe: &Recipe,
    examples: &Examples,
    prepare: impl FnOnce(&mut Network<dfdx::tensor::Cpu>) -> Result<(), Failure>,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let validation = context
        .optional_input("validation")
        .map(Dataset::open)
        .transpose()?;
    let image = examples.image();
    let invalid = |e: Invalid| Failure::Internal(e.to_string());
    let architecture = Architecture::new(image.into(), recipe.model.clone()).map_err(invalid)?;
    let device = device::open(context.device)?;
    let mut network =
        Network::new(architecture, recipe.initializer, context.seed, device).map_err(invalid)?;
    prepare(&mut network)?;
    context.note(format!("{} parameters", network.parameter_count()));

    let fitted = fit(&mut network, recipe, examples, validation.as_ref(), context)?;

    let card = ClassifierCard {
        architecture: network.architecture().clone(),
        classes: examples.classes().to_vec(),
        threshold: fitted.threshold,
        epoch: fitted.best_epoch,
    };
    card.write(&network, &context.output("model")?)?;
    write_history(
        &fitted.history,
        fitted.best_epoch,
        &context.output("history")?,
        &context.output("figure")?,
    )
}
