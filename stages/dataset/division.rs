//! The images that folds divide, and the use of a source's own splits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Params;
use crate::data::phantom::Phantom;
use crate::data::source::SplitUse;

/// Images that are divided into folds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Divided {
    /// The training images. The source's own test images are held out: no fold uses them, so that they can test the
    /// final model. A source needs none.
    #[default]
    Train,
    /// All images, also the source's own test images.
    All,
}

impl Divided {
    pub(super) fn is_train(&self) -> bool {
        *self == Self::Train
    }
}

impl Params {
    /// Returns the use of the source's own splits.
    pub(super) fn usage(&self) -> SplitUse {
        SplitUse {
            joins_validation: self.validation > 0.0,
            joins_test: self.fold.is_some() && self.divide == Divided::All,
            is_divided: self.fold.is_some(),
        }
    }

    /// Returns the number of training, validation and test images of a phantom.
    pub(super) fn phantom_images(&self, phantom: &Phantom) -> [usize; 3] {
        let (train, test) = match (self.fold, self.divide) {
            (None, _) => (phantom.images, phantom.test_images),
            (Some(fold), divide) => {
                let held_out = match divide {
                    Divided::Train => 0,
                    Divided::All => phantom.test_images,
                };
                let all = phantom.images + held_out;
                (all - all / fold.of, all / fold.of)
            }
        };
        let validation = (train as f64 * self.validation).round() as usize;
        [train - validation, validation, test]
    }
}
