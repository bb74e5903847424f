//! Kind `evaluate`: measures how well a classifier tells held-out images apart.

mod calibration;
mod class_report;
mod clinical;
mod division;
mod evaluation;
mod external;
mod heat_maps;
mod measuring;
mod pool;
mod repeats;
mod report;
mod rows;
mod summary;
mod tested;
mod threshold;
mod warnings;

use std::collections::BTreeMap;
use std::path::PathBuf;

use contract::{
    Accepts, ArtifactType, Context, Failure, Input, Invalid, KindInfo, Output, Segment, Signature,
    Source, Stage, Text, Usage, ranges,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::device::compute;
use crate::leakage::Guard;
use crate::metrics::{Decision, METRICS};
use clinical::Assigned;
use division::Division;
use external::External;
use measuring::Measuring;
use tested::Tested;

pub(crate) use calibration::BARS;
pub use calibration::{CALIBRATION_FILE, read as read_calibration};
pub use class_report::class_report;
pub use clinical::CLINICAL_FILE;
pub use evaluation::{
    CONFUSION_FILE, PREDICTIONS_FILE, Unlike, Unreadable, read as read_evaluation,
};
pub use heat_maps::{HeatMaps, RECORD_FILE as HEAT_MAPS_FILE, read as read_heat_maps};
pub use pool::{NotPooled, pool, summarize_folds};
pub(crate) use report::threshold_text;
pub use rows::{contrast_rows, corrected};
pub use summary::summarize;
pub use threshold::Threshold;

/// Largest number of bootstrap resamples.
const MOST_RESAMPLES: usize = 100_000;
const LARGEST_BATCH: usize = 65_536;
/// The threshold of a model of two classes that stores none.
const DEFAULT: f32 = 0.5;

pub const INFO: KindInfo = KindInfo {
    name: "evaluate",
    version: 7,
    doc: "measures a classifier, or the predictions of another program, on labelled images that it has not seen",
    inputs: &[
        Input {
            role: "model",
            accepts: Accepts(&[ArtifactType::Model]),
            many: false,
            optional: true,
            usage: Usage::Inherits,
            doc: "the classifier; needs `images`",
        },
        Input {
            role: "predictions",
            accepts: Accepts(&[ArtifactType::Files]),
            many: false,
            optional: true,
            usage: Usage::Inherits,
            doc: "instead of `model`: a CSV file of predictions that a program wrote, with the columns of `file`",
        },
        Input {
            role: "images",
            accepts: Accepts(&[ArtifactType::Dataset]),
            many: false,
            optional: true,
            usage: Usage::Measures,
            doc: "labelled images, not augmented; their classes are those of the model, or some of them",
        },
        Input {
            role: "train",
            accepts: Accepts(&[ArtifactType::Dataset]),
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
            doc: "the metrics, the confusion matrix, a line per class, and a line per image; \
                  `operating_point.csv`, `decision_curve.csv` and `subgroups.csv`; `calibration.json`: measures \
                  and bins of the probabilities, before and after calibration; with `train`, `leakage.json`: the images \
                  that are copies of training images",
            metrics: METRICS,
        },
        Output {
            port: "figure",
            yields: ArtifactType::Figure,
            doc: "ROC curve, decision curve, confusion matrix and reliability diagram; `heat_maps.png` and \
                  `heat_map_*.png`: places that speak for the predicted class; `leakage.png`: copies of training images, \
                  if any",
            metrics: &[],
        },
    ],
    has_primary: true,
    model_params: &[],
    text_params: &["positive", "file", "subgroups"],
    positive_param: Some("positive"),
    fold_param: None,
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
    /// CSV file of predictions, instead of the inputs `model` and `predictions`; relative to the working directory. Its
    /// columns are `name`, optionally `group`, `label` (not needed with the input `images`), and `p_CLASS` with the
    /// probability of each class, or of one of two classes. Others are ignored.
    #[schemars(with = "Option<Text>")]
    pub file: Option<PathBuf>,
    /// Prevalence of the positive class for which predictive values and the decision curve are computed, if it is
    /// another one than among the images.
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub prevalence: Option<f64>,
    /// Divisions of the images into subgroups that are measured separately, by name.
    pub subgroups: BTreeMap<String, Division>,
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
            file: None,
            prevalence: None,
            subgroups: BTreeMap::new(),
        }
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
        self.check_source(inputs)?;
        let signature = |role: &str| {
            inputs
                .get(role)
                .and_then(|signatures| signatures.first())
                .copied()
        };
        if let Some(heat_maps) = &self.heat_maps {
            let checked = heat_maps.check(signature("model"));
            checked.map_err(|e| e.under("heat_maps"))?;
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

    fn sources(&self) -> Vec<Source> {
        let file = self.file.as_deref().map(|path| {
            let param = vec![Segment::Key("file".to_owned())];
            Source::new(param, path)
        });
        let divisions = self.subgroups.iter();
        let tables = divisions.filter_map(|(name, division)| division.source(name));
        file.into_iter().chain(tables).collect()
    }

    /// Reads the tables that the user named.
    fn preflight(&self) -> Result<Option<usize>, Invalid> {
        if let Some(path) = &self.file {
            let read = External::read(path);
            read.map_err(|why| Invalid::new(why).under("file"))?;
        }
        for (name, division) in &self.subgroups {
            let checked = division.preflight();
            checked.map_err(|e| e.under("table").under(name).under("subgroups"))?;
        }
        Ok(None)
    }

    fn class_names(&self) -> Option<Vec<String>> {
        External::read(self.file.as_ref()?).ok()?.classes().ok()
    }

    fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let measuring = Measuring {
            stage: self,
            context,
        };
        compute(context.device, measuring)
    }
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
        if let Some(prevalence) = self.prevalence
            && !(prevalence > 0.0 && prevalence < 1.0)
        {
            return Err(Invalid::new(format!(
                "`prevalence` is {prevalence}; it must be above 0 and below 1"
            ))
            .under("prevalence"));
        }
        division::check(&self.subgroups)?;
        ranges::whole("bootstrap", self.bootstrap, 0, MOST_RESAMPLES)?;
        ranges::whole("batch_size", self.batch_size, 1, LARGEST_BATCH)
    }

    /// Checks that there is one source of predictions, with the images that it needs.
    fn check_source(&self, inputs: &BTreeMap<String, Vec<Signature>>) -> Result<(), Invalid> {
        let has = |role: &str| inputs.get(role).is_some_and(|given| !given.is_empty());
        let given: Vec<&str> = [
            ("input `model`", has("model")),
            ("input `predictions`", has("predictions")),
            ("parameter `file`", self.file.is_some()),
        ]
        .into_iter()
        .filter_map(|(source, is_given)| is_given.then_some(source))
        .collect();
        let hint = "connect a model to the input `model`, or give predictions of another program: the output of a \
                    `command` stage to the input `predictions`, or a CSV file in the parameter `file`";
        match given.as_slice() {
            [] => return Err(Invalid::new("the stage has nothing to evaluate").hint(hint)),
            [_] => {}
            several => {
                let error = Invalid::new(format!(
                    "the stage has several sources of predictions: {}",
                    several.join(", ")
                ));
                let error = error.hint("keep one of them");
                return Err(match self.file {
                    Some(_) => error.under("file"),
                    None => error,
                });
            }
        }
        let needs_images = |what: &str| {
            Err(Invalid::new(format!("{what} needs the input `images`"))
                .hint("connect a dataset with labelled images, such as the `test` output of a `dataset` stage"))
        };
        match has("images") {
            true => Ok(()),
            false if has("model") => needs_images("the input `model`"),
            false if has("train") => needs_images("the input `train`"),
            false if self.leakage == Guard::Fail => {
                needs_images("`leakage: fail`").map_err(|e: Invalid| e.under("leakage"))
            }
            false => Ok(()),
        }
    }

    /// Returns the value of each image in each division.
    fn divisions(&self, tested: &Tested) -> Result<Vec<Assigned>, Failure> {
        let assigned = |(by, division): (&String, &Division)| {
            Ok(Assigned {
                by: by.clone(),
                values: division.values(by, &tested.names, &tested.groups)?,
            })
        };
        self.subgroups.iter().map(assigned).collect()
    }

    /// States where the threshold comes from. `stored` is the model's, and `rule` the one that chose it, if any. A
    /// training without a `threshold` stores the default.
    fn origin(&self, stored: Option<f32>, rule: Option<&str>) -> &'static str {
        match (self.threshold, stored) {
            (Threshold::At(_), _) => "the `threshold` in the pipeline",
            (Threshold::Model, Some(threshold)) if threshold != DEFAULT || rule.is_some() => {
                "the threshold stored with the model"
            }
            (Threshold::Model, _) => "the default",
        }
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
                threshold: stored.unwrap_or(DEFAULT),
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
