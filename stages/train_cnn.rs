//! Kind `train-cnn`: trains a convolutional classifier that is declared as a list of layers.

use std::collections::BTreeMap;

use contract::{
    Accepts, ArtifactType, Context, Convolutions, Expected, Failure, ImageShape, Input, Invalid,
    KindInfo, Output, Resumable, Signature, Source, Stage, Usage, Work, json,
};
use ops::Backend;
use serde_json::Value;

use crate::data::Dataset;
use crate::device::{Computation, compute};
use crate::initial::{self, LOADED_FILE, Start};
use crate::nets::{Architecture, ClassifierCard, Format, Network, Preprocessing};
use crate::training::{Examples, HISTORY_METRICS, Recipe, VALIDATION_INPUT, fit, write_history};

pub const INFO: KindInfo = KindInfo {
    name: "train-cnn",
    version: 5,
    doc: "trains a classifier of images, declared as a list of layers",
    inputs: &[
        Input {
            role: "train",
            accepts: Accepts(&[ArtifactType::Dataset]),
            many: false,
            optional: false,
            usage: Usage::Trains,
            doc: "training images; an augmented dataset is transformed differently in every epoch",
        },
        VALIDATION,
        initial::INPUT,
    ],
    outputs: &OUTPUTS,
    has_primary: true,
    model_params: &["model"],
    text_params: &INITIAL_TEXTS,
    positive_param: None,
    fold_param: None,
    declares_ports: false,
    computes: true,
};

/// Parameters of a training that take text.
pub(crate) const INITIAL_TEXTS: [&str; 2] = ["initial.path", "initial.names"];

pub(crate) const VALIDATION: Input = Input {
    role: VALIDATION_INPUT,
    accepts: Accepts(&[ArtifactType::Dataset]),
    many: false,
    optional: true,
    usage: Usage::Selects,
    doc: "images used to choose the best epoch, the calibration, and the threshold unless it is fixed",
};

pub(crate) const OUTPUTS: [Output; 3] = [
    Output {
        port: "model",
        yields: ArtifactType::Model,
        doc: "architecture, the best epoch's weights, calibration and threshold",
        metrics: &[],
    },
    Output {
        port: "history",
        yields: ArtifactType::Metrics,
        doc: "cross-entropy, without penalties on weights, and accuracy of every epoch; in `metrics.json` those of \
              the best epoch, on the validation images those of the model; in `initial.json`, if training started from \
              other weights, the tensors that were taken from them",
        metrics: HISTORY_METRICS,
    },
    Output {
        port: "figure",
        yields: ArtifactType::Figure,
        doc: "the history as curves",
        metrics: &[],
    },
];

/// The parameters of `train-cnn`: a [`Recipe`].
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

    fn check_classes(&self, classes: &[String]) -> Result<(), Invalid> {
        self.0.check_classes(classes)
    }

    fn sources(&self) -> Vec<Source> {
        self.0.sources()
    }

    fn warnings(&self, inputs: &BTreeMap<String, Vec<Signature>>) -> Vec<Invalid> {
        self.0.warnings(image(inputs, "train"))
    }

    fn resumable(&self) -> Option<Resumable> {
        Some(self.0.resumable())
    }

    fn work(&self, inputs: &BTreeMap<String, Vec<Expected>>) -> Work {
        work(&self.0, "train", 1.0, inputs)
    }

    fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let examples = Examples::new(Dataset::open(context.input("train")?)?, context.seed);
        let training = Training {
            recipe: &self.0,
            examples: &examples,
            context,
        };
        compute(context.device, training)
    }
}

/// Checks `recipe` against the signatures of its inputs; `train` is the role of the training images.
pub(crate) fn check(
    recipe: &Recipe,
    train: &str,
    inputs: &BTreeMap<String, Vec<Signature>>,
) -> Result<BTreeMap<String, Signature>, Invalid> {
    let only = |role: &str| inputs.get(role).and_then(|signatures| signatures.first());
    let Some(&Signature::Dataset { image, classes, .. }) = only(train) else {
        return Err(Invalid::new(format!("input `{train}` is not a dataset")));
    };
    let validation = only("validation");
    recipe.check(image, classes, validation.is_some())?;
    let initial = only(initial::INITIAL);
    if let Some(params) = &recipe.initial {
        params.check(initial::INITIAL, recipe.model.len(), initial.is_some())?;
    }
    if let Some(Signature::Dataset {
        image: other,
        augmented,
        ..
    }) = validation
    {
        if *augmented {
            return Err(Invalid::new("input `validation` is augmented")
                .hint("connect the dataset without augmentation"));
        }
        if *other != image {
            return Err(Invalid::new(format!(
                "training images are {image}, but validation images are {other}"
            ))
            .hint("give both the same `image_size` and number of channels"));
        }
    }
    let architecture = Architecture::new(image.into(), recipe.model.clone())?;
    if let Some(Signature::Model { image: other, .. }) = initial {
        check_initial(recipe, &architecture, *other)?;
    }
    let model = Signature::Model {
        image,
        convolutions: Convolutions::new(architecture.layers.len(), &architecture.convolutions()),
    };
    Ok([
        ("model".to_owned(), model),
        ("history".to_owned(), Signature::Metrics),
        ("figure".to_owned(), Signature::Figure),
    ]
    .into())
}

/// Checks that the layers would have the same weights for images of the shape `other`, which a model that is used as
/// weights to start from takes.
fn check_initial(
    recipe: &Recipe,
    architecture: &Architecture,
    other: ImageShape,
) -> Result<(), Invalid> {
    let fresh = recipe.initial.as_ref().map(|initial| &initial.fresh);
    let loaded = |architecture: &Architecture| {
        let mut state = architecture.state();
        state.retain(|tensor| fresh.is_none_or(|fresh| !fresh.has(tensor.layer())));
        state
    };
    let theirs = Architecture::new(other.into(), architecture.layers.clone());
    match theirs.is_ok_and(|theirs| loaded(&theirs) == loaded(architecture)) {
        true => Ok(()),
        false => Err(Invalid::new(format!(
            "input `initial` is a model for images of {other}, but training images are {}",
            architecture.input
        ))
        .hint("give both the same `image_size` and number of channels")),
    }
}

/// Returns the shape of the images of an input.
pub(crate) fn image(inputs: &BTreeMap<String, Vec<Signature>>, role: &str) -> Option<ImageShape> {
    match inputs.get(role)?.first()? {
        Signature::Dataset { image, .. } => Some(*image),
        _ => None,
    }
}

/// Returns the resources that training by `recipe` takes. `train` is the role of the training images. An
/// epoch has `times` as many images as that input.
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

/// One run of `train-cnn` or `retrain`: starts from fresh weights or from those of another model, and writes every
/// output port.
pub(crate) struct Training<'a> {
    pub recipe: &'a Recipe,
    pub examples: &'a Examples,
    pub context: &'a Context<'a>,
}

impl Computation for Training<'_> {
    type Output = ();

    fn on<B: Backend>(self, device: B) -> Result<(), Failure> {
        let Self {
            recipe,
            examples,
            context,
        } = self;
        let validation = context
            .optional_input("validation")
            .map(Dataset::open)
            .transpose()?;
        let image = examples.image();
        let invalid = |e: Invalid| Failure::Internal(e.to_string());
        let architecture =
            Architecture::new(image.into(), recipe.model.clone()).map_err(invalid)?;
        let mut network = Network::new(architecture, recipe.initializer, context.seed, device)
            .map_err(invalid)?;
        let start = Start {
            name: initial::INITIAL,
            params: recipe.initial.as_ref(),
            classes: Some(examples.classes()),
        };
        let loaded = initial::load(&mut network, &start, context)?;
        context.note(format!("{} parameters", network.parameter_count()));

        let fitted = fit(&mut network, recipe, examples, validation.as_ref(), context)?;

        // Validation images are real, even if the training images are generated.
        let validated = validation
            .as_ref()
            .map_or(images::all_bits(), Dataset::bits);
        let card = ClassifierCard {
            format: Format,
            preprocessing: Preprocessing::of(image, examples.bits().min(validated)),
            architecture: network.architecture().clone(),
            classes: examples.classes().to_vec(),
            calibration: fitted.calibration,
            threshold: fitted.threshold,
            threshold_rule: fitted.threshold_rule,
            validation_images: fitted.validation_images,
            epoch: fitted.best_epoch,
            training_images: examples.statistics(),
        };
        card.write(&network, &context.output("model")?)?;
        let history = context.output("history")?;
        if let Some(loaded) = loaded {
            json::write(&history.join(LOADED_FILE), &loaded)?;
        }
        write_history(
            &fitted.history,
            fitted.best_epoch,
            fitted.validation.as_ref(),
            fitted.calibration,
            network.has_penalties(),
            &history,
            &context.output("figure")?,
        )
    }
}
