//! Kind `evaluate`: measures how well a classifier tells held-out images apart.

mod class_report;
mod evaluation;
mod heat_maps;
mod repeats;
mod report;
mod rows;
mod summary;
mod warnings;

use std::collections::BTreeMap;

use contract::{
    ArtifactType, Context, Failure, Input, Invalid, KindInfo, Output, Signature, Stage, Text,
    Usage, ranges,
};
use ops::Backend;
use schemars::JsonSchema;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use crate::data::Dataset;
use crate::device::{Computation, compute};
use crate::leakage::{Guard, trained_on};
use crate::metrics::{Bootstrap, Decision, METRICS, Predictions, Units, measure};
use crate::nets::Classifier;
use report::Report;

pub use class_report::class_report;
pub use evaluation::{
    CONFUSION_FILE, PREDICTIONS_FILE, Unlike, Unreadable, read as read_evaluation,
};
pub use heat_maps::{HeatMaps, RECORD_FILE as HEAT_MAPS_FILE, read as read_heat_maps};
pub use rows::{contrast_rows, corrected};
pub use summary::summarize;

/// Largest number of bootstrap resamples.
const MOST_RESAMPLES: usize = 100_000;
const LARGEST_BATCH: usize = 65_536;

pub const INFO: KindInfo = KindInfo {
    name: "evaluate",
    version: 6,
    doc: "measures a classifier on labelled images that it has not seen",
    inputs: &[
        Input {
            role: "model",
            accepts: ArtifactType::Model,
            many: false,
            optional: false,
            usage: Usage::Inherits,
            doc: "the classifier",
        },
        Input {
            role: "images",
            accepts: ArtifactType::Dataset,
            many: false,
            optional: false,
            usage: Usage::Measures,
            doc: "labelled images of the model's classes, not augmented",
        },
        Input {
            role: "train",
            accepts: ArtifactType::Dataset,
            many: true,
            optional: true,
            usage: Usage::Compares,
            doc: "the training images of the model, to find copies of them among `images`",
        },
    ],
    outputs: &[
        Output {
            port: "metrics",
            yields: ArtifactType::Metrics,
            doc: "the metrics, the confusion matrix, a line per class, and a line per image; with `train`, \
                  `leakage.json`: the images that are copies of training images",
            metrics: METRICS,
        },
        Output {
            port: "figure",
            yields: ArtifactType::Figure,
            doc: "ROC curve and confusion matrix; `heat_maps.png` and `heat_map_*.png`: places that speak for the \
                  predicted class; `leakage.png`: copies of training images, if any",
            metrics: &[],
        },
    ],
    has_primary: true,
    model_params: &[],
    text_params: &["positive"],
    positive_param: Some("positive"),
    declares_ports: false,
    computes: true,
};

/// Parameters of `evaluate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Evaluate {
    /// The positive class. By default, the pipeline's `positive` or, without one, the last class: class folders are
    /// ordered by name, the classes of an `npz` file by label.
    #[schemars(with = "Option<Text>")]
    pub positive: Option<String>,
    /// Lowest probability at which an image is classified as positive (a number), or as the model's last class
    /// (`model`).
    pub threshold: Threshold,
    /// Number of bootstrap resamples for the 95 % intervals of this evaluation; 0 for no intervals. Tables
    /// resample once more for several seeds and for comparisons. A resample draws test images, or whole
    /// groups of them if the dataset has `group_by`.
    #[schemars(range(min = 0, max = MOST_RESAMPLES))]
    pub bootstrap: usize,
    /// Number of images predicted at a time. Larger batches need more memory and do not give better results.
    #[schemars(range(min = 1, max = LARGEST_BATCH), extend("x-unit" = "images"))]
    pub batch_size: usize,
    /// Check for images that are copies of images of the input `train`.
    pub leakage: Guard,
    /// Heat maps: which places of an image speak for the predicted class. By default, those of 8 images by Grad-CAM if
    /// the model has a convolutional layer for it, else none.
    pub heat_maps: Option<HeatMaps>,
}

impl Default for Evaluate {
    fn default() -> Self {
        Self {
            positive: None,
            threshold: Threshold::Model,
            bootstrap: 1000,
            batch_size: 128,
            leakage: Guard::Warn,
            heat_maps: None,
        }
    }
}

/// Threshold on a probability, for two classes only. With more, `model` predicts the most probable class, and a
/// number is an error.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema)]
#[schemars(untagged, inline)]
pub enum Threshold {
    /// The threshold that is stored with the model, on the probability of the last class; 0.5 if it has none.
    #[schemars(extend("type" = "string", "const" = "model"))]
    Model,
    /// This probability of the positive class.
    At(#[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))] f64),
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Model => serializer.serialize_str("model"),
            Self::At(value) => serializer.serialize_f64(*value),
        }
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl Visitor<'_> for Read {
            type Value = Threshold;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`model` or a number between 0 and 1")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Threshold, E> {
                match text {
                    "model" => Ok(Threshold::Model),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Threshold, E> {
                Ok(Threshold::At(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Threshold, E> {
                Ok(Threshold::At(value as f64))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Threshold, E> {
                Ok(Threshold::At(value as f64))
            }
        }

        deserializer.deserialize_any(Read)
    }
}

impl Stage for Evaluate {
    fn canonical(&self) -> Value {
        json!(self)
    }

    fn check(
        &self,
        inputs: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<BTreeMap<String, Signature>, Invalid> {
        self.check_ranges()?;
        let signature = |role: &str| {
            inputs
                .get(role)
                .and_then(|signatures| signatures.first())
                .copied()
        };
        if let Some(heat_maps) = &self.heat_maps {
            heat_maps
                .check(signature("model"))
                .map_err(|e| e.under("heat_maps"))?;
        }
        if let Some(Signature::Dataset {
            image, augmented, ..
        }) = signature("images")
        {
            self.leakage.check("train", image, inputs)?;
            if augmented {
                return Err(Invalid::new("input `images` is augmented").hint(
                    "connect the dataset without augmentation: models are measured on unchanged images",
                ));
            }
            if let Some(Signature::Model {
                image: expected, ..
            }) = signature("model")
                && image != expected
            {
                return Err(Invalid::new(format!(
                    "input `model` takes images of {expected}, but input `images` has images of {image}"
                ))
                .hint("give both the same `image_size` and number of channels"));
            }
        }
        Ok([
            ("metrics", Signature::Metrics),
            ("figure", Signature::Figure),
        ]
        .map(|(port, signature)| (port.to_owned(), signature))
        .into())
    }

    fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let measuring = Measuring {
            stage: self,
            context,
        };
        compute(context.device, measuring)
    }
}

/// One run of the stage.
struct Measuring<'a> {
    stage: &'a Evaluate,
    context: &'a Context<'a>,
}

impl Computation for Measuring<'_> {
    type Output = ();

    fn on<B: Backend>(self, device: B) -> Result<(), Failure> {
        let Self { stage, context } = self;
        let (model, images) = (context.input("model")?, context.input("images")?);
        let mut classifier = Classifier::load(model, device)?;
        let dataset = Dataset::open(images)?;
        if classifier.classes() != dataset.classes() {
            return Err(Failure::Data(format!(
                "model `{}` has the classes {}, but the images of `{}` have the classes {}",
                model.label,
                listed(classifier.classes()),
                images.label,
                listed(dataset.classes()),
            )));
        }
        let classes = classifier.classes().to_vec();
        let positive = stage.positive_class(&classes)?;
        let decision = stage.decision(classes.len(), positive, classifier.threshold())?;

        let (tables, figure) = (context.output("metrics")?, context.output("figure")?);
        let train = context.inputs("train");
        trained_on(
            (images, &dataset),
            train,
            stage.leakage,
            context,
            [&tables, &figure],
        )?;

        let probabilities = classifier.predict(&dataset, stage.batch_size, context)?;
        if let Some(i) = probabilities.iter().position(|p| !p.is_finite()) {
            return Err(Failure::Data(format!(
                "model `{}` gives image `{}` a probability that is not finite: its weights are unusable",
                model.label,
                dataset.names()[i / classes.len()],
            )));
        }
        let predictions = Predictions {
            probabilities: &probabilities,
            labels: dataset.labels(),
            classes: classes.len(),
        };
        let groups = groups(&dataset);
        let report = Report {
            classes: &classes,
            positive,
            decision,
            predictions,
            groups: &groups,
            pixels: dataset.checksum(),
        };
        let bootstrap = Bootstrap {
            units: match groups.as_slice() {
                [] => Units::images(dataset.len()),
                groups => Units::groups(groups),
            },
            resamples: stage.bootstrap,
            seed: context.seed,
        };
        let metrics = measure(&predictions, &classes, decision, positive, &bootstrap);
        context.check_cancelled()?;
        report.write(&metrics, dataset.names(), &tables)?;
        report.draw(&metrics, &figure)?;
        heat_maps::write(
            stage.heat_maps.as_ref(),
            &mut classifier,
            (&dataset, &report),
            stage.batch_size,
            context,
            &figure,
        )?;
        for warning in warnings::of_metrics(&report, &metrics, stage.bootstrap) {
            context.warn(warning);
        }
        context.note(report.summary(&metrics));
        Ok(())
    }
}

/// Returns the group of each image; empty if no image has one. An image without a group is a group of its own, and
/// gets its own name.
fn groups(dataset: &Dataset) -> Vec<String> {
    let named = dataset.groups().iter().zip(dataset.names());
    named
        .map(|(group, name)| if group.is_empty() { name } else { group }.clone())
        .collect()
}

impl Evaluate {
    fn check_ranges(&self) -> Result<(), Invalid> {
        match self.threshold {
            Threshold::At(value) if !(value > 0.0 && value < 1.0) => {
                return Err(Invalid::new(format!(
                    "`threshold` is {value}; it must be above 0 and below 1"
                ))
                .hint("set it to `model` to use the threshold that training chose on validation images")
                .under("threshold"));
            }
            Threshold::At(_) | Threshold::Model => {}
        }
        ranges::whole("bootstrap", self.bootstrap, 0, MOST_RESAMPLES)?;
        ranges::whole("batch_size", self.batch_size, 1, LARGEST_BATCH)
    }

    /// Returns the index of the positive class.
    fn positive_class(&self, classes: &[String]) -> Result<usize, Failure> {
        match &self.positive {
            None => Ok(classes.len() - 1),
            Some(name) => classes
                .iter()
                .position(|class| class == name)
                .ok_or_else(|| {
                    Failure::Data(format!(
                        "`positive` is `{name}`, which is not a class: the classes are {}",
                        listed(classes)
                    ))
                }),
        }
    }

    /// Returns the rule that turns probabilities into a class. `stored` is the model's threshold, on the
    /// probability of the last class.
    fn decision(
        &self,
        classes: usize,
        positive: usize,
        stored: Option<f32>,
    ) -> Result<Decision, Failure> {
        match self.threshold {
            Threshold::Model if classes == 2 => Ok(Decision::Threshold {
                class: 1,
                threshold: stored.unwrap_or(0.5),
            }),
            Threshold::Model => Ok(Decision::MostProbable),
            Threshold::At(threshold) if classes == 2 => Ok(Decision::Threshold {
                class: positive,
                threshold: threshold as f32,
            }),
            Threshold::At(_) => Err(Failure::Data(format!(
                "`threshold` needs two classes, but there are {classes}: remove it to predict the most \
                 probable class"
            ))),
        }
    }
}

fn listed(classes: &[String]) -> String {
    classes
        .iter()
        .map(|class| format!("`{class}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod end_to_end;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
