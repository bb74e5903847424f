//! Applies a classifier to image files, in batches.

use std::path::Path;

use contract::{Artifact, Context, Failure};
use ops::Backend;

use super::batch::{Batch, Read};
use super::explanation::{Explained, Explanation};
use super::listing::{Image, Listing, none_left};
use super::predicted::{Predicted, Prediction};
use super::settings::Settings;
use crate::data::Dataset;
use crate::device::{Computation, compute};
use crate::metrics::{Decision, Predictions};
use crate::nets::{Classifier, ClassifierCard};

/// Applies the classifier in `model` to the images of `listing`, on the device of `context`. Only one batch of images is
/// in memory at a time. Heat maps of all images are written into the folder `explain`, if there is one.
///
/// # Errors
/// If the model or an image cannot be used, unless such images are skipped.
pub fn predict(
    model: &Artifact,
    listing: Listing,
    settings: &Settings,
    explain: Option<&Path>,
    context: &Context<'_>,
) -> Result<Predicted, Failure> {
    let device = context.device;
    let applying = Applying {
        model,
        listing,
        settings,
        explain,
        context,
    };
    ops::on_pool(|| compute(device, applying))
}

struct Applying<'a> {
    model: &'a Artifact,
    listing: Listing,
    settings: &'a Settings,
    explain: Option<&'a Path>,
    context: &'a Context<'a>,
}

impl Computation for Applying<'_> {
    type Output = Predicted;

    fn on<B: Backend>(self, device: B) -> Result<Predicted, Failure> {
        let Self {
            model,
            listing,
            settings,
            explain,
            context,
        } = self;
        let mut classifier = Classifier::load(model, device)?;
        let card = classifier.card().clone();
        let shape = card.image();
        let mut predicted = Predicted {
            threshold: threshold(&card),
            classes: card.classes.clone(),
            images: Vec::with_capacity(listing.images.len()),
            skipped: listing.skipped,
            technique: None,
        };
        let total = listing.images.len();
        let explanation = explain.map(|folder| Explanation::new(folder, &card, total));
        let explanation = explanation.transpose()?;
        let mut waiting = listing.images.into_iter();
        let mut batch = Batch::default();
        while waiting.len() > 0 || !batch.images.is_empty() {
            context.check_cancelled()?;
            let missing = settings.batch_size - batch.images.len();
            let next: Vec<Image> = waiting.by_ref().take(missing).collect();
            let skipped = batch.read(next, &card, settings)?;
            predicted.skipped.extend(skipped);
            // Batches are full except for the last one, as if the images that are left out were not there.
            if batch.images.len() == settings.batch_size || waiting.len() == 0 {
                let dataset = Dataset::unlabelled(shape, std::mem::take(&mut batch.pixels));
                let images = std::mem::take(&mut batch.images);
                let first = predicted.images.len();
                let mut predictions =
                    predictions(&mut classifier, &dataset, &images, model, context)?;
                if let Some(explanation) = &explanation {
                    let mut drawn = Explained {
                        dataset: &dataset,
                        images: &images,
                        predictions: &mut predictions,
                        first,
                    };
                    predicted.technique =
                        explanation.write(&mut drawn, &mut classifier, settings, context)?;
                }
                predicted.images.extend(predictions);
            }
            context.progress("images", (total - waiting.len()) as f64, total as f64, &[]);
        }
        match predicted.images.is_empty() {
            true => Err(none_left(&predicted.skipped).into()),
            false => Ok(predicted),
        }
    }
}

/// Returns the threshold on the probability of the last of two classes, as `evaluate` applies it.
fn threshold(card: &ClassifierCard) -> Option<f32> {
    (card.classes.len() == 2).then(|| card.threshold.unwrap_or(0.5))
}

/// Predicts the images of `dataset`, which `images` describe.
fn predictions<B: Backend>(
    classifier: &mut Classifier<B>,
    dataset: &Dataset,
    images: &[Read],
    model: &Artifact,
    context: &Context<'_>,
) -> Result<Vec<Prediction>, Failure> {
    let probabilities = classifier.predict(dataset, images.len().max(1), context)?;
    let classes = classifier.classes().len();
    if let Some(i) = probabilities.iter().position(|p| !p.is_finite()) {
        return Err(Failure::Data(format!(
            "model `{}` gives image `{}` a probability that is not finite: its weights are unusable",
            model.label,
            images[i / classes].image.name,
        )));
    }
    let table = Predictions {
        probabilities: &probabilities,
        labels: dataset.labels(),
        classes,
    };
    let decision = match threshold(classifier.card()) {
        Some(threshold) => Decision::Threshold {
            class: 1,
            threshold,
        },
        None => Decision::MostProbable,
    };
    let rows = images.iter().zip(table.decide(decision));
    let rows = rows.zip(probabilities.chunks_exact(classes));
    Ok(rows
        .map(|((read, predicted), row)| Prediction {
            name: read.image.name.clone(),
            predicted: predicted as usize,
            probabilities: row.to_vec(),
            warnings: read.warnings.clone(),
            heat_map: None,
        })
        .collect())
}
