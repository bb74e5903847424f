//! Finds leakage: copies between sets that must be separate (training, validation, test and generated images),
//! and groups (patients) that two sets share.
//!
//! A metric that is measured on images that training saw, or nearly saw, is meaningless. Therefore `dataset`
//! compares its splits. `synthesize` compares its images with those that its generators were trained on, and
//! `evaluate` compares the images that it measures on with those that the model was trained on, if it gets
//! them. [`sketch`] describes how images are compared; `docs/leakage.md` shows how far apart copies and
//! different radiographs are.

mod copies;
mod memorised;
mod origins;
mod read;
mod record;
mod scan;
mod sheet;
mod sketch;
mod splits;
mod trained;

pub use memorised::memorised;
pub use read::read;
pub use splits::Splits;
pub use trained::trained_on;

use std::collections::BTreeMap;

use contract::{Context, Failure, ImageShape, Invalid, Signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Name of the file with what was compared and found, beside the outputs.
pub const RECORD_FILE: &str = "leakage.json";
/// Name of the picture of the copies, each above its original.
pub const SHEET_FILE: &str = "leakage.png";

/// Reaction of a stage to leakage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Guard {
    /// Do not look for leakage.
    Off,
    /// Look for leakage, and warn about it.
    #[default]
    Warn,
    /// Look for leakage, and fail if there is any.
    Fail,
}

impl Guard {
    /// Checks the datasets on the optional input `role`, which will be compared with images of shape `image`.
    pub fn check(
        self,
        role: &str,
        image: ImageShape,
        inputs: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<(), Invalid> {
        let given = inputs.get(role).map_or(&[][..], Vec::as_slice);
        if self == Self::Fail && given.is_empty() {
            return Err(
                Invalid::new(format!("`leakage: fail` needs the input `{role}`"))
                    .hint("connect the training images, to find copies of them")
                    .under("leakage"),
            );
        }
        let other = given.iter().find_map(|signature| match signature {
            Signature::Dataset { image: other, .. } if *other != image => Some(other),
            _ => None,
        });
        match other {
            Some(other) => Err(Invalid::new(format!(
                "input `{role}` has images of {other}, which cannot be compared with images of {image}"
            ))
            .hint("connect a dataset with the same `image_size` and number of channels")),
            None => Ok(()),
        }
    }

    /// Reports leakage. Each of `leaks` is part of a sentence.
    ///
    /// # Errors
    /// `Failure::Data` with all of `leaks`, if the guard is `Fail`.
    fn report(self, leaks: &[String], context: &Context<'_>) -> Result<(), Failure> {
        if leaks.is_empty() || self == Self::Off {
            return Ok(());
        }
        if self == Self::Fail {
            return Err(Failure::Data(format!(
                "leakage: {}; remove one side of each pair, or set `leakage: warn` to continue anyway",
                leaks.join("; ")
            )));
        }
        for leak in leaks {
            context.warn(format!("leakage: {leak} (see {RECORD_FILE})"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
