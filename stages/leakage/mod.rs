//! Whether images are on two sides of a wall: copies between training, validation, test and generated
//! images, and groups (patients) that two sets share.
//!
//! A figure measured on images that training saw, or nearly saw, says nothing. So `dataset` compares its
//! splits, `synthesize` its images with those that its generators learnt from, and `evaluate` the images
//! it measures on with those that the model learnt from, where it is given them. How images are
//! compared: [`sketch`]; how far apart copies and different radiographs are: `docs/leakage.md`.

mod copies;
mod memorised;
mod origins;
mod record;
mod scan;
mod sheet;
mod sketch;
mod splits;
mod trained;

pub use memorised::memorised;
pub use splits::Splits;
pub use trained::trained_on;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use contract::{Context, Failure, ImageShape, Invalid, Signature};

/// What was compared and found, beside the outputs.
pub const RECORD_FILE: &str = "leakage.json";
/// The copies, each above what it is a copy of.
pub const SHEET_FILE: &str = "leakage.png";

/// What a stage does about leakage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Guard {
    /// Look for nothing.
    Off,
    /// Look, and warn of what there is.
    #[default]
    Warn,
    /// Look, and fail if there is any.
    Fail,
}

impl Guard {
    /// Checks the images on the optional input `role`, which are compared with ones of shape `image`.
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
                    .hint("give it the images that nothing may be a copy of")
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
            .hint("give it the dataset of the same `image_size` and number of channels")),
            None => Ok(()),
        }
    }

    /// Tells of leakage: each of `leaks` is a sentence's worth.
    ///
    /// # Errors
    /// `Failure::Data` with all of it, where the guard is to fail.
    fn tell(self, leaks: &[String], context: &Context<'_>) -> Result<(), Failure> {
        if leaks.is_empty() || self == Self::Off {
            return Ok(());
        }
        if self == Self::Fail {
            return Err(Failure::Data(format!(
                "leakage: {}; take one side out, or set `leakage: warn` to go on with it",
                leaks.join("; ")
            )));
        }
        for leak in leaks {
            context.warn(format!("leakage: {leak} ({RECORD_FILE} lists them)"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
