//! A trained classifier as an artifact: architecture, weights, classes and threshold.

use std::collections::HashSet;
use std::path::Path;

use contract::{Artifact, Context, Failure, ImageShape, Invalid, json};
use ops::{Backend, Reading, Staged, Tensor4};
use serde::{Deserialize, Serialize};

use super::architecture::Architecture;
use super::calibration::Calibration;
use super::card::{Format, Preprocessing};
use super::feature::Feature;
use super::initializer::Initializer;
use super::network::{Mode, Network};
use super::training_images::TrainingImages;
use super::weights::{check_size, read_weights, write_weights};
use crate::data::{Dataset, Scale, fill_batch};
use crate::metrics::Criterion;

/// Name of the file with everything about a classifier except its weights.
pub const MODEL_FILE: &str = "model.json";

/// Name of the file with the weights of a classifier or generator.
pub const WEIGHTS_FILE: &str = "weights.safetensors";

/// Meaning of the output of a classifier's last layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// One logit, for the second of two classes against the first.
    Sigmoid,
    /// A logit for each of this many classes.
    Softmax(usize),
}

impl Head {
    /// Returns the head of a network that ends in `output`.
    pub fn of(output: Feature) -> Result<Self, Invalid> {
        match output {
            Feature {
                channels: 1,
                height: 1,
                width: 1,
            } => Ok(Self::Sigmoid),
            Feature {
                channels,
                height: 1,
                width: 1,
            } => Ok(Self::Softmax(channels)),
            other => Err(Invalid::new(format!(
                "the network ends in images of {other}, not in class scores"
            ))
            .hint("end it in `flatten` and `dense: { units: 1 }`, or in one unit for each class")),
        }
    }

    /// Returns the number of classes that it distinguishes.
    pub fn classes(self) -> usize {
        match self {
            Self::Sigmoid => 2,
            Self::Softmax(classes) => classes,
        }
    }

    /// Returns the error for an output that is made for another number of classes than `classes`.
    pub fn misfit(self, classes: usize) -> Invalid {
        let units = match self {
            Self::Sigmoid => "one unit, which distinguishes".to_owned(),
            Self::Softmax(units) => format!("{units} units, which distinguish"),
        };
        let fitting = if classes == 2 { 1 } else { classes };
        Invalid::new(format!(
            "the network ends in {units} {} classes, but the training images have {classes}",
            self.classes()
        ))
        .hint(format!("end it in `dense: {{ units: {fitting} }}`"))
    }

    /// Computes class probabilities, row by row, from a batch of logits. Each one is computed from the logits by
    /// itself in double precision, because 1 minus the others would be 0 for a class that is very unlikely.
    pub fn probabilities(self, logits: &[f32]) -> Vec<f32> {
        match self {
            Self::Sigmoid => logits
                .iter()
                .flat_map(|&logit| {
                    let logit = f64::from(logit);
                    [sigmoid(-logit), sigmoid(logit)]
                })
                .map(|probability| probability as f32)
                .collect(),
            Self::Softmax(classes) => logits
                .chunks_exact(classes)
                .flat_map(|row| {
                    let highest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
                    let power = |&logit: &f32| (f64::from(logit) - highest).exp();
                    let powers: Vec<f64> = row.iter().map(power).collect();
                    let sum: f64 = powers.iter().sum();
                    powers.into_iter().map(move |power| (power / sum) as f32)
                })
                .collect(),
        }
    }
}

fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// Everything about a classifier except its weights: the content of `model.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierCard {
    pub format: Format,
    pub preprocessing: Preprocessing,
    pub architecture: Architecture,
    /// Class names, in the order of the outputs.
    pub classes: Vec<String>,
    /// Change of the network's probabilities, fitted on the validation images.
    #[serde(default)]
    pub calibration: Option<Calibration>,
    /// Lowest calibrated probability at which an image is classified as the positive (last) class. `None` for more than two
    /// classes, or if it should have been chosen on validation images and there were none.
    pub threshold: Option<f32>,
    /// Rule by which the threshold was chosen on the validation images; `None` if it was not chosen.
    #[serde(default)]
    pub threshold_rule: Option<Criterion>,
    /// Number of validation images, on which calibration and threshold were chosen; `None` if there were none.
    #[serde(default)]
    pub validation_images: Option<usize>,
    /// Number of the epoch that the weights are from, counted from 1.
    pub epoch: usize,
    /// Statistics of the training images; `None` if there were too few.
    #[serde(default)]
    pub training_images: Option<TrainingImages>,
}

impl ClassifierCard {
    /// Reads the card of a model artifact.
    pub fn read(artifact: &Artifact) -> Result<Self, Failure> {
        json::read(artifact.file(MODEL_FILE)?)
    }

    /// Returns the shape of the images that the classifier takes.
    pub fn image(&self) -> ImageShape {
        let Feature {
            channels,
            height,
            width,
        } = self.architecture.input;
        ImageShape {
            height,
            width,
            channels,
        }
    }

    /// Checks that the parts of the card fit one another, because the file may have been changed since it was written.
    pub fn check(&self) -> Result<Head, Invalid> {
        let Architecture { input, layers } = &self.architecture;
        let architecture = Architecture::new(*input, layers.clone())?;
        let head = Head::of(architecture.output())?;
        if head.classes() != self.classes.len() {
            return Err(Invalid::new(format!(
                "it distinguishes {} classes but names {}: {}",
                head.classes(),
                self.classes.len(),
                self.classes.join(", ")
            )));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = self.classes.iter().find(|class| !seen.insert(*class)) {
            return Err(Invalid::new(format!("it names two classes `{twice}`")));
        }
        let bits = self.preprocessing.bits;
        if self.preprocessing != Preprocessing::of(self.image(), bits)
            || !matches!(input.channels, 1 | 3)
            || !images::BITS.contains(&bits)
        {
            return Err(Invalid::new(format!(
                "its preprocessing does not fit images of {input}"
            )));
        }
        if let Some(calibration) = self.calibration
            && !calibration.is_usable(self.classes.len())
        {
            return Err(Invalid::new(format!(
                "its calibration ({calibration}) has parameters that no fit gives, or is for two classes only"
            )));
        }
        // A threshold of 1 is chosen if the scores next to it are 1 and the number below.
        let is_usable = |threshold: &f32| *threshold > 0.0 && *threshold <= 1.0;
        if let Some(threshold) = self.threshold.filter(|threshold| !is_usable(threshold)) {
            return Err(Invalid::new(format!(
                "its threshold is {threshold}; it must be above 0 and at most 1"
            )));
        }
        if let Some(training_images) = &self.training_images {
            training_images.check(self.image())?;
        }
        Ok(head)
    }

    /// Writes a model artifact: this card and the weights of `network`.
    pub fn write<B: Backend>(&self, network: &Network<B>, folder: &Path) -> Result<(), Failure> {
        json::write(&folder.join(MODEL_FILE), self)?;
        write_weights(network, &folder.join(WEIGHTS_FILE))
    }
}

/// Fills `network` with the weights of a model artifact of the same architecture.
pub fn load_weights<B: Backend>(
    network: &mut Network<B>,
    artifact: &Artifact,
) -> Result<(), Failure> {
    read_weights(network, artifact.file(WEIGHTS_FILE)?)
}

/// Returns class probabilities of every image of `dataset` before calibration, row by row. `batch_size` is the largest
/// number of images that are computed at once.
pub fn predict<B: Backend>(
    network: &mut Network<B>,
    head: Head,
    dataset: &Dataset,
    batch_size: usize,
    context: &Context<'_>,
) -> Result<Vec<f32>, Failure> {
    let ImageShape {
        height,
        width,
        channels,
    } = dataset.shape();
    let logits = |network: &mut Network<B>, batch: &[usize]| {
        let mut images = Staged::new(network.device(), (batch.len(), channels, height, width));
        fill_batch(dataset, batch, Scale::Unit, None, &mut images);
        network.forward(images.upload(), Mode::Predict)
    };
    let batch_size = batch_size.min(network.images_at_once());
    predict_by(network, head, dataset.len(), batch_size, context, logits)
}

/// Returns class probabilities of `len` images, row by row. `logits` returns the logits of the images with these indices.
pub fn predict_by<B: Backend>(
    network: &mut Network<B>,
    head: Head,
    len: usize,
    batch_size: usize,
    context: &Context<'_>,
    logits: impl Fn(&mut Network<B>, &[usize]) -> Tensor4<B>,
) -> Result<Vec<f32>, Failure> {
    let mut probabilities = Vec::with_capacity(len * head.classes());
    let mut take = |logits: Reading<B>| probabilities.extend(head.probabilities(&logits.finish()));
    let mut waiting = None;
    let all: Vec<usize> = (0..len).collect();
    for batch in all.chunks(batch_size) {
        context.check_cancelled()?;
        let logits = logits(network, batch);
        // The device computes this batch while the host processes the previous one.
        if let Some(before) = waiting.replace(Reading::of(&logits)) {
            take(before);
        }
    }
    if let Some(last) = waiting {
        take(last);
    }
    Ok(probabilities)
}

/// A trained classifier on its device.
pub struct Classifier<B: Backend> {
    card: ClassifierCard,
    head: Head,
    network: Network<B>,
}

impl<B: Backend> Classifier<B> {
    /// Reads a model artifact.
    pub fn load(artifact: &Artifact, device: B) -> Result<Self, Failure> {
        let unusable =
            |e: Invalid| Failure::Data(format!("model `{}` cannot be used: {e}", artifact.label));
        let card = ClassifierCard::read(artifact)?;
        let head = card.check().map_err(unusable)?;
        let architecture = card.architecture.clone();
        check_size(&architecture, artifact.file(WEIGHTS_FILE)?)?;
        let mut network =
            Network::new(architecture, Initializer::default(), 0, device).map_err(unusable)?;
        load_weights(&mut network, artifact)?;
        Ok(Self {
            card,
            head,
            network,
        })
    }

    /// Everything about it except its weights.
    pub fn card(&self) -> &ClassifierCard {
        &self.card
    }

    pub fn architecture(&self) -> &Architecture {
        self.network.architecture()
    }

    /// Returns the network, and the meaning of its output.
    pub(crate) fn parts(&mut self) -> (&mut Network<B>, Head) {
        (&mut self.network, self.head)
    }

    /// Class names, in the order of the probabilities.
    pub fn classes(&self) -> &[String] {
        &self.card.classes
    }

    /// The threshold that is stored with the model, for two classes.
    pub fn threshold(&self) -> Option<f32> {
        self.card.threshold
    }

    /// The rule by which the threshold was chosen: `sensitivity at least 0.95 on 52 validation images`; `None` if it
    /// was not chosen.
    pub fn threshold_rule(&self) -> Option<String> {
        let rule = self.card.threshold_rule?;
        Some(match self.card.validation_images {
            Some(images) => format!("{rule} on {images} validation images"),
            None => rule.to_string(),
        })
    }

    /// The change of the network's probabilities, if one was fitted.
    pub fn calibration(&self) -> Option<Calibration> {
        self.card.calibration
    }

    /// Number of validation images, on which calibration and threshold were chosen, if it is known.
    pub fn validation_images(&self) -> Option<usize> {
        self.card.validation_images
    }

    /// Returns the calibrated class probabilities of every image of `dataset`, row by row.
    pub fn predict(
        &mut self,
        dataset: &Dataset,
        batch_size: usize,
        context: &Context<'_>,
    ) -> Result<Vec<f32>, Failure> {
        let probabilities = self.predict_uncalibrated(dataset, batch_size, context)?;
        Ok(self.calibrated(probabilities))
    }

    /// Returns the class probabilities of every image of `dataset` before calibration, row by row.
    pub fn predict_uncalibrated(
        &mut self,
        dataset: &Dataset,
        batch_size: usize,
        context: &Context<'_>,
    ) -> Result<Vec<f32>, Failure> {
        predict(&mut self.network, self.head, dataset, batch_size, context)
    }

    /// Returns calibrated probabilities; the same ones if the model has no calibration.
    pub fn calibrated(&self, probabilities: Vec<f32>) -> Vec<f32> {
        match self.card.calibration {
            Some(calibration) => calibration.apply(&probabilities, self.card.classes.len()),
            None => probabilities,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Head;
    use crate::metrics::log_loss;

    #[test]
    fn probabilities_of_a_row_sum_to_one() {
        assert_eq!(Head::Sigmoid.probabilities(&[0.0]), [0.5, 0.5]);
        let sigmoid = Head::Sigmoid.probabilities(&[2.0f32.ln()]);
        assert!((sigmoid[1] - 2.0 / 3.0).abs() < 1e-6);
        let softmax = Head::Softmax(3).probabilities(&[1000.0, 1000.0, 1000.0 + 2.0f32.ln()]);
        for (got, expected) in softmax.iter().zip([0.25, 0.25, 0.5]) {
            assert!((got - expected).abs() < 1e-4, "{softmax:?}");
        }
    }

    /// Checks the loss of each class against `expected`, both from the probabilities and from their text, which is
    /// how predictions are stored.
    #[track_caller]
    fn assert_losses(head: Head, logits: &[f32], expected: &[f64]) {
        let probabilities = head.probabilities(logits);
        let texts = probabilities.iter().map(f32::to_string);
        let stored: Vec<f32> = texts.map(|text| text.parse().unwrap()).collect();
        assert_eq!(stored, probabilities);
        assert!(stored.iter().all(|p| (0.0..=1.0).contains(p)), "{stored:?}");
        for (label, expected) in expected.iter().enumerate() {
            let loss = log_loss(&stored, &[label as u32], head.classes()).unwrap();
            let difference = (loss - expected).abs();
            assert!(
                difference < 1e-7,
                "{logits:?}, class {label}: {loss} is not {expected}"
            );
        }
    }

    /// Expected values from numpy 2.4.6, in float64. For one logit z, `np.logaddexp(0, z)` and
    /// `np.logaddexp(0, -z)`; for several, `np.logaddexp.reduce(z) - z`.
    #[test]
    fn the_loss_of_an_extreme_logit_is_that_of_double_precision() {
        for (logit, expected) in [
            (17.0, [17.000_000_041_399_375, 4.139_937_633_089_748e-8]),
            (20.0, [20.000_000_002_061_153, 2.061_153_620_314_381e-9]),
            (40.0, [40.0, 4.248_354_255_291_589e-18]),
            (87.0, [87.0, 1.645_811_431_082_273_7e-38]),
        ] {
            assert_losses(Head::Sigmoid, &[logit], &expected);
            assert_losses(Head::Sigmoid, &[-logit], &[expected[1], expected[0]]);
        }
        assert_losses(
            Head::Softmax(3),
            &[-40.0, 20.0, 0.5],
            &[
                60.000_000_003_398_27,
                3.398_266_557_042_006_8e-9,
                19.500_000_003_398_268,
            ],
        );
        assert_losses(Head::Softmax(2), &[43.0, -43.0], &[0.0, 86.0]);
    }
}
