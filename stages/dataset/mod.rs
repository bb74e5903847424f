//! Kind `dataset`: reads labelled images from a source, splits them and packs them.

mod division;
mod omissions;
mod origin;
mod remarks;

use std::collections::BTreeMap;
use std::path::Path;

use contract::{
    Amount, ArtifactType, Context, Expected, Failure, Fold, ImageShape, Invalid, KindInfo, Output,
    Segment, Sides, Signature, Source, Stage, Work, json, ranges,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data::Dataset;
use crate::data::pack::{Folders, Packing};
use crate::data::phantom;
use crate::data::source::Skipped;
use crate::data::split::Ratio;
use crate::figures::grid::{Row, grid};
use crate::leakage::{Guard, Splits};
use division::Divided;
pub use origin::Origin;

pub const INFO: KindInfo = KindInfo {
    name: "dataset",
    version: 6,
    doc: "reads labelled images from a source; resizes, splits and packs them",
    inputs: &[],
    outputs: &[
        Output {
            port: "train",
            yields: ArtifactType::Dataset,
            doc: "images to train on",
            metrics: &[],
        },
        Output {
            port: "validation",
            yields: ArtifactType::Dataset,
            doc: "images to choose epochs and thresholds on",
            metrics: &[],
        },
        Output {
            port: "test",
            yields: ArtifactType::Dataset,
            doc: "images for the final evaluation, used for nothing else",
            metrics: &[],
        },
        Output {
            port: "figure",
            yields: ArtifactType::Figure,
            doc: "`images.png`: some images of each class; `skipped.json`: files left out, if any; \
                  `leakage.json` and `leakage.png`: copies of images, and groups that splits share",
            metrics: &[],
        },
    ],
    has_primary: false,
    model_params: &[],
    text_params: &[
        "source.folder.path",
        "source.folder.group_by",
        "source.csv.path",
        "source.csv.root",
        "source.csv.image",
        "source.csv.label",
        "source.csv.split",
        "source.csv.group",
        "source.npz.path",
        "source.npz.classes",
    ],
    positive_param: None,
    fold_param: Some("fold"),
    declares_ports: false,
    computes: false,
};

/// Name of the figure with some images of each class.
const FIGURE_FILE: &str = "images.png";
/// Name of the list of files that were left out, with reasons.
const SKIPPED_FILE: &str = "skipped.json";
/// Number of images of each class in the figure.
const SHOWN: usize = 8;

/// Parameters of the kind `dataset`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Source of the images.
    pub source: Origin,
    /// Height and width of the images: a number, or `[height, width]`. Images of another shape are stretched.
    #[schemars(with = "ImageSize")]
    pub image_size: Sides,
    /// 1 for gray (the luma of colors, as JPEG files store it), 3 for RGB.
    #[schemars(extend("enum" = [1, 3]))]
    pub channels: usize,
    /// Share of the training images of each class to set aside for validation. With 0, the source's own
    /// validation images are used, if it has any. With any other value, these become training images.
    #[schemars(range(min = 0, max = 0.9))]
    pub validation: f64,
    /// Largest number of images of each class in each split, chosen at random. For quick trials.
    #[schemars(range(min = 1))]
    pub limit: Option<usize>,
    /// Ratio in which the images of a source without splits are divided: `{ train: 70, validation: 15, test: 15 }`. It holds
    /// for each class. Images of a group, and copies, stay together. `validation` has no effect then. If the pipeline has
    /// `folds`, they divide the images, and `split` has no effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<Ratio>,
    /// The fold of a cross-validation: `{ test: 1, of: 5 }` divides images into 5 parts with the same share of each
    /// class, and tests on the first. Images of a group of `group_by`, and copies, stay in one part. By default, the
    /// pipeline's `folds` sets it; `null` means that it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
    /// Images that `fold` divides: by default `train`. They include the source's own validation images if
    /// `validation` is not 0.
    #[serde(skip_serializing_if = "Divided::is_train")]
    pub divide: Divided,
    /// Check for images of one split that are copies of images of another (also resized, compressed or
    /// brightened), and for groups of `group_by` that two splits share. Copies within a split leak nothing
    /// and are only noted.
    pub leakage: Guard,
}

/// The size of images, as it is written.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "exists only for its schema")]
enum ImageSize {
    /// Height and width.
    Square(#[schemars(range(min = 8, max = 1024), extend("x-unit" = "pixels"))] usize),
    /// Height, and width.
    Rectangle(
        #[schemars(inner(range(min = 8, max = 1024)), extend("x-unit" = "pixels"))] [usize; 2],
    ),
}

impl Default for Params {
    fn default() -> Self {
        Self {
            source: Origin::default(),
            image_size: Sides([64, 64]),
            channels: 1,
            validation: 0.1,
            limit: None,
            split: None,
            fold: None,
            divide: Divided::Train,
            leakage: Guard::Warn,
        }
    }
}

impl Params {
    fn shape(&self) -> ImageShape {
        let Sides([height, width]) = self.image_size;
        ImageShape {
            height,
            width,
            channels: self.channels,
        }
    }

    /// Prepends the path of the source's parameters to the path of an error in them.
    fn in_source(&self, invalid: Invalid) -> Invalid {
        invalid.under(self.source.name()).under("source")
    }
}

impl Stage for Params {
    /// Parameters about folds are left out where they have no effect, so that results without folds keep their keys.
    fn canonical(&self) -> Value {
        let mut params = self.clone();
        if params.fold.is_none() {
            params.divide = Divided::Train;
        } else {
            params.split = None;
        }
        json::value(&params)
    }

    fn check(
        &self,
        _inputs: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<BTreeMap<String, Signature>, Invalid> {
        self.source.check().map_err(|e| self.in_source(e))?;
        for side in self.image_size.0 {
            ranges::whole("image_size", side, 8, 1024)?;
        }
        if !matches!(self.channels, 1 | 3) {
            return Err(Invalid::new(format!(
                "`channels` must be 1 (gray) or 3 (RGB), not {}",
                self.channels
            ))
            .under("channels"));
        }
        if !(0.0..=0.9).contains(&self.validation) {
            return Err(Invalid::new(format!(
                "`validation` must be a share from 0 to 0.9, not {}",
                self.validation
            ))
            .under("validation"));
        }
        if self.limit == Some(0) {
            return Err(Invalid::new("`limit` must be at least 1")
                .hint("leave it out to use all images")
                .under("limit"));
        }
        self.check_split()?;
        if let Some(fold) = self.fold {
            fold.check().map_err(|invalid| invalid.under("fold"))?;
        }
        let dataset = Signature::Dataset {
            image: self.shape(),
            augmented: false,
            classes: self.source.classes(),
        };
        Ok(INFO
            .outputs
            .iter()
            .map(|output| match output.yields {
                ArtifactType::Dataset => (output.port.to_owned(), dataset),
                _ => (output.port.to_owned(), Signature::Figure),
            })
            .collect())
    }

    /// Phantoms, the choice of validation images, that of images within `limit` and folds depend on the seed.
    fn depends_on_seed(&self) -> bool {
        let is_drawn = matches!(self.source, Origin::Phantom(_));
        is_drawn
            || self.validation > 0.0
            || self.limit.is_some()
            || self.split.is_some()
            || self.fold.is_some()
    }

    fn sources(&self) -> Vec<Source> {
        let paths = self.source.paths().into_iter();
        let sources = paths.map(|(parameter, path)| {
            let param = ["source", self.source.name(), parameter];
            let param = param.map(|key| Segment::Key(key.to_owned())).to_vec();
            Source::new(param, path)
        });
        sources.collect()
    }

    /// Values that depend on the source's content are left out, so only phantoms have any.
    fn work(&self, _inputs: &BTreeMap<String, Vec<Expected>>) -> Work {
        let Origin::Phantom(phantom) = &self.source else {
            return Work::default();
        };
        let most = self
            .limit
            .map_or(u64::MAX, |limit| (limit * phantom::CLASSES.len()) as u64);
        let [train, validation, test] = self.phantom_images(phantom);
        let images = [("train", train), ("validation", validation), ("test", test)]
            .map(|(port, images)| (port.to_owned(), (images as u64).min(most)));
        let all: u64 = images.iter().map(|(_, images)| images).sum();
        Work {
            amount: Some(Amount {
                count: all as f64 * self.shape().len() as f64,
                unit: "phantom",
            }),
            output_bytes: Some(all * self.shape().len() as u64),
            images: images.into(),
            ..Work::default()
        }
    }

    fn preflight(&self) -> Result<Option<usize>, Invalid> {
        let classes = self.source.preflight(self.usage());
        classes.map(Some).map_err(|e| self.in_source(e))
    }

    fn class_names(&self) -> Option<Vec<String>> {
        self.source.class_names()
    }

    fn lacks_images(&self, port: &str) -> Option<Invalid> {
        if port == "train" && self.source.has_train() == Some(false) {
            let (what, add) = match &self.source {
                Origin::Csv(_) => (
                    "line with the split `train`",
                    "lines with the split `train`",
                ),
                _ => ("folder `train`", "images in `train/<CLASS>/`"),
            };
            return Some(
                Invalid::new(format!("its source has no {what}"))
                    .hint(format!("add {add}, or connect another dataset")),
            );
        }
        if let Some(ratio) = self.split.filter(|_| self.is_drawn()) {
            let is_empty = port == "validation" && ratio.validation == 0.0;
            return is_empty.then(|| {
                Invalid::new("its `split` has no validation images")
                    .hint("set `validation` in `split`, for example to 15")
            });
        }
        let is_empty = port == "validation"
            && self.validation == 0.0
            && self.source.has_validation() == Some(false);
        is_empty.then(|| {
            Invalid::new("its `validation` is 0, and its source has no validation images").hint(
                "set `validation` of the dataset to a share of its training images, such as 0.1",
            )
        })
    }

    fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let offer = self.source.open(context.seed, self.usage())?;
        // A folder may have test images only, such as those of another hospital.
        let is_for_tests = offer.train.examples().is_empty();
        let [train, validation, test] = ["train", "validation", "test"].map(|p| context.output(p));
        let (train, validation, test) = (train?, validation?, test?);
        let packing = Packing {
            shape: self.shape(),
            validation: if is_for_tests { 0.0 } else { self.validation },
            limit: self.limit,
            seed: context.seed,
            fold: self.fold,
            ratio: self.split,
            bits: self.source.bits(),
        };
        let folders = Folders {
            train: &train,
            validation: &validation,
            test: &test,
        };
        let outcome = packing.write(&offer, folders, &mut |done, total| {
            if done % 64 == 0 || done == total {
                context.check_cancelled()?;
                context.progress("images", done as f64, total as f64, &[]);
            }
            Ok(())
        })?;

        let held_out = offer.test.examples().len();
        if self.fold.is_some() && held_out > 0 {
            context.note(format!(
                "{held_out} test images of the source are held out: no fold uses them"
            ));
        }
        let figure = context.output("figure")?;
        let mut skipped: Vec<&Skipped> = offer.skipped.iter().chain(&outcome.skipped).collect();
        if !skipped.is_empty() {
            context.warn(omissions::summary(&skipped));
        }
        omissions::report(&offer, &outcome.skipped, context);
        remarks::report(&outcome, self.source.bits(), context);
        if matches!(&self.source, Origin::Folder(folder) if folder.group_by.is_some()) {
            omissions::report_groups(&offer, context);
        }
        skipped.extend(&offer.omitted.files);
        if !skipped.is_empty() {
            json::write(&figure.join(SKIPPED_FILE), &skipped)?;
        }
        let train = Dataset::in_folder(&train)?;
        if !is_for_tests {
            every_class_has_images(&train)?;
        }
        let test = Dataset::in_folder(&test)?;
        let splits = Splits {
            train: &train,
            validation: &Dataset::in_folder(&validation)?,
            test: &test,
        };
        splits.guard(self.leakage, &offer, context, &figure)?;
        let shown = if is_for_tests { &test } else { &train };
        picture(shown, &figure.join(FIGURE_FILE))
    }
}

/// Returns an error if a class has no training images left.
fn every_class_has_images(train: &Dataset) -> Result<(), Failure> {
    for (class, name) in train.classes().iter().enumerate() {
        if !train.labels().contains(&(class as u32)) {
            return Err(Failure::Data(format!(
                "class `{name}` has no readable training image"
            )));
        }
    }
    Ok(())
}

/// Draws images of each class, spaced evenly over the images of the class.
fn picture(dataset: &Dataset, path: &Path) -> Result<(), Failure> {
    let rows: Vec<Row<'_>> = dataset
        .classes()
        .iter()
        .enumerate()
        .map(|(class, label)| {
            let of_class: Vec<usize> = (0..dataset.len())
                .filter(|&i| dataset.labels()[i] as usize == class)
                .collect();
            let shown = SHOWN.min(of_class.len());
            let images = (0..shown)
                .map(|k| dataset.image(of_class[k * of_class.len() / shown]))
                .collect();
            Row { label, images }
        })
        .collect();
    grid(&rows, dataset.shape(), path)
}
