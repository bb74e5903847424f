//! Kind `predict`: applies a classifier to unlabelled images. `runner predict` does the same without a pipeline,
//! and accepts folders that cannot be a source: with dangling links, or names that are not UTF-8.

mod batch;
mod explanation;
mod listing;
mod predicted;
mod prediction;
mod settings;
mod table;
mod warnings;

use std::collections::BTreeMap;
use std::path::PathBuf;

use contract::{
    Accepts, ArtifactType, Context, Failure, Input, Invalid, KindInfo, Output, Segment, Signature,
    Source, Stage, Text, Usage, json, ranges,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::data::files::OnBadImage;
pub use crate::data::source::{Skipped, Unusable};
pub use listing::{Image, Listing, Naming};
pub use predicted::{Drawn, Predicted, Prediction};
pub use prediction::predict;
pub use settings::Settings;

/// Name of the file with a line for each image.
const PREDICTIONS_FILE: &str = "predictions.csv";

/// Name of the list of files that were left out, with reasons.
const SKIPPED_FILE: &str = "skipped.json";

const LARGEST_BATCH: usize = 65_536;

pub const INFO: KindInfo = KindInfo {
    name: "predict",
    version: 2,
    doc: "applies a classifier to unlabelled images",
    inputs: &[Input {
        role: "model",
        accepts: Accepts(&[ArtifactType::Model]),
        many: false,
        optional: false,
        usage: Usage::Inherits,
        doc: "the classifier",
    }],
    outputs: &[Output {
        port: "predictions",
        yields: ArtifactType::Files,
        doc: "`predictions.csv`: a line per image with the predicted class, the probability of each class, and \
              warnings about images unlike the training images; `skipped.json`: files left out, if any",
        metrics: &[],
    }],
    has_primary: true,
    model_params: &[],
    text_params: &["path"],
    positive_param: None,
    fold_param: None,
    declares_ports: false,
    computes: true,
};

/// Parameters of `predict`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Predict {
    /// Image file, or folder with JPEG, PNG, TIFF, BMP, WebP or DICOM files at any depth; relative to the working
    /// directory. Files of other formats are left out and reported. Names that start with a dot, and files that a
    /// `.runnerignore` (with the syntax of a `.gitignore`) leaves out, are skipped. Images are read as in the dataset that
    /// the model was trained on: the size and the channels are those of the model.
    #[schemars(with = "Text")]
    pub path: PathBuf,
    /// Reaction to a file that cannot be decoded or is too large.
    #[serde(default)]
    pub on_bad_image: OnBadImage,
    /// Images with more pixels are refused.
    #[serde(default = "default_max_megapixels")]
    #[schemars(range(min = 1, max = 1000), extend("x-unit" = "megapixels"))]
    pub max_megapixels: u32,
    /// Number of images predicted at a time. Larger batches need more memory and do not give better results.
    #[serde(default = "default_batch_size")]
    #[schemars(range(min = 1, max = LARGEST_BATCH), extend("x-unit" = "images"))]
    pub batch_size: usize,
}

fn default_max_megapixels() -> u32 {
    100
}

fn default_batch_size() -> usize {
    128
}

impl Predict {
    fn settings(&self) -> Settings {
        Settings {
            on_bad_image: self.on_bad_image,
            max_megapixels: self.max_megapixels,
            batch_size: self.batch_size,
            how_to_skip: "set `on_bad_image: skip` to leave such files out",
        }
    }

    fn listing(&self) -> Result<Listing, Unusable> {
        let listing = Listing::of(std::slice::from_ref(&self.path), Naming::Within)?;
        listing.checked(&self.settings())
    }
}

impl Stage for Predict {
    fn canonical(&self) -> Value {
        serde_json::to_value(self).expect("parameters are plain data")
    }

    fn check(
        &self,
        _inputs: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<BTreeMap<String, Signature>, Invalid> {
        ranges::whole("max_megapixels", self.max_megapixels as usize, 1, 1000)?;
        ranges::whole("batch_size", self.batch_size, 1, LARGEST_BATCH)?;
        Ok([("predictions".to_owned(), Signature::Files)].into())
    }

    fn depends_on_seed(&self) -> bool {
        false
    }

    fn sources(&self) -> Vec<Source> {
        vec![Source::new(
            vec![Segment::Key("path".to_owned())],
            &self.path,
        )]
    }

    fn preflight(&self) -> Result<Option<usize>, Invalid> {
        self.listing()?;
        Ok(None)
    }

    fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let listing = self.listing()?;
        let omitted = listing.omitted.clone();
        let predicted = predict(
            context.input("model")?,
            listing,
            &self.settings(),
            None,
            context,
        )?;
        let folder = context.output("predictions")?;
        let path = folder.join(PREDICTIONS_FILE);
        table::write(&predicted, &path).map_err(|e| Failure::io("write", &path, e))?;
        let left_out: Vec<&Skipped> = predicted.skipped.iter().chain(&omitted).collect();
        if !left_out.is_empty() {
            json::write(&folder.join(SKIPPED_FILE), &left_out)?;
        }
        report(&predicted, &left_out, context);
        Ok(())
    }
}

/// Says how many images were predicted by which rule, and warns about images with warnings and about files left out.
fn report(predicted: &Predicted, left_out: &[&Skipped], context: &Context<'_>) {
    let images = counted(predicted.images.len(), "image");
    context.note(format!("{images}, {}", predicted.rule()));
    let mut warned = predicted.images.iter().filter(|i| !i.warnings.is_empty());
    if let Some(first) = warned.next() {
        context.warn(format!(
            "{} of {images} have warnings (see {PREDICTIONS_FILE}): `{}`: {}",
            predicted.warned(),
            first.name,
            first.warnings.join("; ")
        ));
    }
    if let Some(first) = left_out.first() {
        context.warn(format!(
            "{} left out (see {SKIPPED_FILE}): `{}` {}",
            counted(left_out.len(), "file"),
            first.image,
            first.reason
        ));
    }
}

fn counted(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}
