//! Kind `train-gan`: trains a DCGAN (Radford et al., 2016) on the images of one class.

mod fine_tuning;
mod history;
mod params;

use std::collections::BTreeMap;
use std::path::Path;

use contract::{
    Accepts, Amount, ArtifactType, Context, Expected, Failure, ImageShape, Input, Invalid,
    KindInfo, Memory, Output, Resumable, Signature, Source, Stage, Usage, Work, json,
    ranges::{above_zero, share, whole},
    unknown_class,
};
use ops::{Activation, Backend};
use serde_json::Value;

use crate::data::Dataset;
use crate::device::{Computation, compute};
use crate::figures::grid::{Row, grid};
use crate::gan::{
    Adversaries, PartialEpoch, ResumeTarget, Settings, TrainingState, estimate, sample_name,
};
use crate::initial::INITIAL;
use crate::nets::{
    Architecture, Feature, Format, GeneratorCard, Head, Layer, Network, WEIGHTS_FILE, check_layers,
    draw, latent, output_warning, write_weights,
};
use crate::rate::Rate;
use fine_tuning::INITIAL_DISCRIMINATOR;
use history::{METRICS, write_history};
pub use params::TrainGan;

/// The output port with the sample grids.
const FIGURE: &str = "figure";

pub const INFO: KindInfo = KindInfo {
    name: "train-gan",
    version: 6,
    doc: "trains a generator of images of one class against a discriminator (DCGAN)",
    inputs: &[
        Input {
            role: "images",
            accepts: Accepts(&[ArtifactType::Dataset]),
            many: false,
            optional: false,
            usage: Usage::Trains,
            doc: "the images to imitate (those of other classes are ignored)",
        },
        Input {
            role: INITIAL,
            accepts: Accepts(&[ArtifactType::Generator, ArtifactType::Files]),
            many: false,
            optional: true,
            usage: Usage::Inherits,
            doc: "weights from which the generator starts: another generator, or one safetensors or ONNX file of a program",
        },
        Input {
            role: INITIAL_DISCRIMINATOR,
            accepts: Accepts(&[
                ArtifactType::Weights,
                ArtifactType::Model,
                ArtifactType::Files,
            ]),
            many: false,
            optional: true,
            usage: Usage::Inherits,
            doc: "weights from which the discriminator starts: another discriminator, a classifier, or one safetensors or \
                  ONNX file of a program",
        },
    ],
    outputs: &[
        Output {
            port: "generator",
            yields: ArtifactType::Generator,
            doc: "architecture and weights",
            metrics: &[],
        },
        Output {
            port: "discriminator",
            yields: ArtifactType::Weights,
            doc: "its weights, `weights.safetensors`, from which another training can start",
            metrics: &[],
        },
        Output {
            port: "history",
            yields: ArtifactType::Metrics,
            doc: "losses of every epoch; in `initial.json`, if training started from other weights, the tensors that were \
                  taken from them",
            metrics: METRICS,
        },
        Output {
            port: FIGURE,
            yields: ArtifactType::Figure,
            doc: "samples from fixed noise, and the losses",
            metrics: &[],
        },
    ],
    has_primary: true,
    model_params: &["generator", "discriminator"],
    text_params: &[
        "initial.path",
        "initial.names",
        "initial_discriminator.path",
        "initial_discriminator.names",
    ],
    positive_param: None,
    fold_param: None,
    declares_ports: false,
    computes: true,
};

/// Number of images in a sample grid, and in one row of it.
const SAMPLES: usize = 32;
const SAMPLES_TO_A_ROW: usize = 8;

impl Stage for TrainGan {
    fn canonical(&self) -> Value {
        json::value(self)
    }

    fn check(
        &self,
        inputs: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<BTreeMap<String, Signature>, Invalid> {
        let Some(&Signature::Dataset {
            image, augmented, ..
        }) = inputs.get("images").and_then(|s| s.first())
        else {
            return Err(Invalid::new("input `images` is not a dataset"));
        };
        if augmented {
            return Err(Invalid::new("input `images` is augmented").hint(
                "connect the dataset without augmentation: a GAN is trained on unchanged images",
            ));
        }
        whole("latent", self.latent, 1, 10_000)?;
        whole("epochs", self.epochs, 1, 100_000)?;
        whole("batch_size", self.batch_size, 2, 65_536)?;
        above_zero("learning_rate", self.learning_rate, 10.0)?;
        share("beta1", self.beta1)?;
        share("beta2", self.beta2)?;
        if !(self.real_label > 0.5 && self.real_label <= 1.0) {
            let message = format!(
                "`real_label` is {}; it must be above 0.5 and at most 1",
                self.real_label
            );
            return Err(Invalid::new(message).under("real_label"));
        }
        whole("sample_every", self.sample_every, 1, 100_000)?;
        let output = check_layers(
            "generator",
            &self.generator,
            Feature::new(self.latent, 1, 1),
        )?;
        if output != Feature::from(image) {
            let message =
                format!("the generator outputs {output}, but the dataset's images are {image}");
            return Err(Invalid::new(message).under("generator"));
        }
        if self.generator.last().and_then(Layer::activation) != Some(Activation::Tanh) {
            return Err(Invalid::new(
                "the generator must end in `tanh`, because pixels lie in [−1, 1]",
            )
            .hint("give its last layer `activation: tanh`")
            .under("generator"));
        }
        let output = check_layers("discriminator", &self.discriminator, image.into())?;
        if Head::of(output).ok() != Some(Head::Sigmoid) {
            return Err(Invalid::new(format!(
                "the discriminator must output one score, not {output}"
            ))
            .hint("end it in `flatten` and `dense: { units: 1 }`")
            .under("discriminator"));
        }
        self.check_fine_tuning(image, inputs)?;
        Ok([
            ("generator".to_owned(), Signature::Generator { image }),
            ("discriminator".to_owned(), Signature::Weights),
            ("history".to_owned(), Signature::Metrics),
            ("figure".to_owned(), Signature::Figure),
        ]
        .into())
    }

    fn check_classes(&self, classes: &[String]) -> Result<(), Invalid> {
        match classes.contains(&self.class) {
            true => Ok(()),
            false => Err(unknown_class(&self.class, classes).under("class")),
        }
    }

    fn warnings(&self, _inputs: &BTreeMap<String, Vec<Signature>>) -> Vec<Invalid> {
        let warning = output_warning(&self.discriminator, Head::Sigmoid);
        warning
            .map(|d| d.under("discriminator"))
            .into_iter()
            .collect()
    }

    fn sources(&self) -> Vec<Source> {
        self.weights_to_start_from()
    }

    fn resumable(&self) -> Option<Resumable> {
        Some(Resumable {
            open_ended: &["epochs"],
            bound: None,
        })
    }

    /// Assumes that all images are of the class `class`, because the number of its images is unknown before the
    /// run. The measured rate is based on the same assumption.
    fn work(&self, inputs: &BTreeMap<String, Vec<Expected>>) -> Work {
        let Some(Expected {
            signature: Signature::Dataset { image, .. },
            images,
        }) = inputs.get("images").and_then(|s| s.first())
        else {
            return Work::default();
        };
        let noise = Feature::new(self.latent, 1, 1);
        let [Ok(generator), Ok(discriminator)] = [
            Architecture::new(noise, self.generator.clone()),
            Architecture::new((*image).into(), self.discriminator.clone()),
        ] else {
            return Work::default();
        };
        // Three passes through the discriminator. Two of them compute the gradients of its parameters and
        // count 3 each. The third computes only the gradients of the images and counts 2.
        let operations = 3.0 * generator.operations() + 8.0 * discriminator.operations();
        let (batch, networks) = (self.batch_size as u64, [&generator, &discriminator]);
        let sum = |of: fn(&Architecture) -> u64| networks.map(of).iter().sum::<u64>();
        let parameters = sum(|network| network.parameter_bytes(2));
        Work {
            amount: images.map(|images| Amount {
                count: images as f64 * self.epochs as f64 * operations,
                unit: "gan",
            }),
            parameters: Some(sum(Architecture::parameter_len)),
            memory: Some(Memory {
                least: parameters
                    + batch * generator.widest_bytes().max(discriminator.widest_bytes()),
                likely: parameters + batch * sum(Architecture::activation_bytes),
            }),
            output_bytes: Some(generator.state_bytes()),
            ..Work::default()
        }
    }

    fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let training = Training {
            stage: self,
            context,
        };
        compute(context.device, training)
    }
}

/// One run of the stage.
struct Training<'a> {
    stage: &'a TrainGan,
    context: &'a Context<'a>,
}

impl Computation for Training<'_> {
    type Output = ();

    fn on<B: Backend>(self, device: B) -> Result<(), Failure> {
        let Self { stage, context } = self;
        let dataset = Dataset::open(context.input("images")?)?;
        let image = dataset.shape();
        let network = |layers: &[Layer], input: Feature, seed: u64| {
            Architecture::new(input, layers.to_vec())
                .and_then(|architecture| {
                    Network::new(architecture, stage.initializer, seed, device.clone())
                })
                .map_err(|e| Failure::Internal(e.to_string()))
        };
        let settings = Settings {
            batch_size: stage.batch_size,
            learning_rate: stage.learning_rate as f32,
            beta1: stage.beta1 as f32,
            beta2: stage.beta2 as f32,
            real_label: stage.real_label as f32,
            epochs: stage.epochs,
        };
        let noise = Feature::new(stage.latent, 1, 1);
        // The networks use neighbouring seeds. The same random stream for both would make their weights
        // dependent.
        let untrained = || {
            let mut generator = network(&stage.generator, noise, context.seed)?;
            let seed = context.seed.wrapping_add(1);
            let mut discriminator = network(&stage.discriminator, image.into(), seed)?;
            stage.set_rate_factors(&mut generator, &mut discriminator);
            Ok((generator, discriminator))
        };
        let adversaries =
            |(generator, discriminator)| Adversaries::new(generator, discriminator, settings);
        let (mut generator, mut discriminator) = untrained()?;
        let loaded = stage.load(&mut generator, &mut discriminator, context)?;
        let fresh = adversaries((generator, discriminator));
        let members = stage.members(&dataset)?;

        let figure = context.output(FIGURE)?;
        let target = ResumeTarget {
            epochs: stage.epochs,
            samples_after: &|epoch| epoch.is_multiple_of(stage.sample_every),
            figure: &figure,
        };
        let (mut state, mut adversaries) =
            TrainingState::begin(fresh, || untrained().map(adversaries), &target, context)?;
        let mut rate = Rate::start();
        let mut resumed = (1..=state.history.len()).rev();
        if let Some(epoch) = resumed.find(|&epoch| (target.samples_after)(epoch)) {
            show_samples(epoch, context);
        }
        while state.history.len() < stage.epochs {
            let epoch = state.history.len();
            let partial = &mut state.partial;
            match adversaries.train_epoch(&dataset, &members, epoch, partial, &mut rate, context) {
                Ok(row) => state.history.push(row),
                Err(Failure::Cancelled) => {
                    state.keep(&adversaries, &figure, true, context);
                    return Err(Failure::Cancelled);
                }
                Err(failure) => return Err(failure),
            }
            state.partial = PartialEpoch::default();
            let epochs = state.history.len();
            // The last batch's losses were computed before its update, so the weights are checked as well.
            if !adversaries.generator().is_finite() {
                return Err(Failure::Training(format!(
                    "weights are no longer finite after epoch {epochs}: lower `learning_rate`"
                )));
            }
            if (target.samples_after)(epochs) {
                let path = figure.join(sample_name(epochs));
                stage.sample(adversaries.generator_mut(), image, context.seed, &path)?;
                show_samples(epochs, context);
            }
            state.keep(&adversaries, &figure, epochs == stage.epochs, context);
        }
        stage.finish(adversaries.generator_mut(), members.len(), context)?;
        let path = figure.join(sample_name(stage.epochs));
        stage.sample(adversaries.generator_mut(), image, context.seed, &path)?;

        let card = GeneratorCard {
            format: Format,
            architecture: adversaries.generator().architecture().clone(),
            class: stage.class.clone(),
            classes: dataset.classes().to_vec(),
            epochs: stage.epochs,
        };
        card.write(adversaries.generator(), &context.output("generator")?)?;
        let weights = context.output("discriminator")?.join(WEIGHTS_FILE);
        write_weights(adversaries.discriminator(), &weights)?;
        let history = context.output("history")?;
        loaded.write(&history)?;
        write_history(&state.history, &history, &figure)
    }
}

impl TrainGan {
    /// Returns the indices of the images of the class.
    fn members(&self, dataset: &Dataset) -> Result<Vec<usize>, Failure> {
        let classes = dataset.classes();
        let Some(label) = classes.iter().position(|class| *class == self.class) else {
            return Err(Failure::Data(format!(
                "the dataset has no class `{}`: its classes are {}",
                self.class,
                classes.join(", ")
            )));
        };
        let labels = dataset.labels().iter().enumerate();
        let members: Vec<usize> = labels
            .filter(|&(_, &l)| l as usize == label)
            .map(|(index, _)| index)
            .collect();
        if members.len() < self.batch_size {
            return Err(Failure::Data(format!(
                "class `{}` has {} images, fewer than one batch of {}: lower `batch_size`",
                self.class,
                members.len(),
                self.batch_size
            )));
        }
        Ok(members)
    }

    /// Estimates the statistics of the trained generator's `batch_norm` layers over about `images` images.
    fn finish<B: Backend>(
        &self,
        generator: &mut Network<B>,
        images: usize,
        context: &Context<'_>,
    ) -> Result<(), Failure> {
        if !self.generator.iter().any(Layer::mixes_batch) {
            return Ok(());
        }
        let batches = images / self.batch_size;
        estimate(generator, batches, self.batch_size, context)?;
        if generator.is_finite() {
            return Ok(());
        }
        Err(Failure::Training(
            "the statistics of the generator's `batch_norm` are not finite: lower `learning_rate`"
                .to_owned(),
        ))
    }

    /// Draws images from noise that is the same at every call.
    fn sample<B: Backend>(
        &self,
        generator: &mut Network<B>,
        image: ImageShape,
        seed: u64,
        path: &Path,
    ) -> Result<(), Failure> {
        let noise = latent(SAMPLES, self.latent, seed, "gan sample", [0, 0]);
        let images = draw(generator, &noise).images();
        let rows: Vec<Row<'_>> = images
            .chunks(SAMPLES_TO_A_ROW)
            .enumerate()
            .map(|(index, images)| Row {
                label: if index == 0 { &self.class } else { "" },
                images: images.iter().map(Vec::as_slice).collect(),
            })
            .collect();
        grid(&rows, image, path)
    }
}

/// Shows the sample grid after `epoch` to those who follow the training.
fn show_samples(epoch: usize, context: &Context<'_>) {
    let caption = format!("samples after epoch {epoch}");
    context.picture(FIGURE, &sample_name(epoch), caption);
}
