//! The images that folds divide, and the use of a source's own splits.

use contract::Invalid;
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
    /// Returns whether validation and test images are drawn from all images.
    pub(super) fn is_drawn(&self) -> bool {
        self.split.is_some() && self.fold.is_none()
    }

    /// Checks `split`, and that no other parameter contradicts it.
    pub(super) fn check_split(&self) -> Result<(), Invalid> {
        let Some(ratio) = self.split else {
            return Ok(());
        };
        ratio.check().map_err(|invalid| invalid.under("split"))?;
        if self.fold.is_some() {
            return Ok(());
        }
        if self.source.always_has_splits() {
            return Err(Invalid::new(format!(
                "the source `{}` has splits of its own, but `split` divides images without them",
                self.source.name()
            ))
            .hint("remove `split`")
            .under("split"));
        }
        if self.validation != Self::default().validation {
            return Err(Invalid::new(
                "`validation` has no effect with `split`, which has a number for it",
            )
            .hint("remove `validation`, and set `validation` in `split`")
            .under("validation"));
        }
        Ok(())
    }

    /// Returns the use of the source's own splits.
    pub(super) fn usage(&self) -> SplitUse {
        SplitUse {
            joins_validation: self.validation > 0.0 && !self.is_drawn(),
            joins_test: self.fold.is_some() && self.divide == Divided::All,
            is_divided: self.fold.is_some(),
            is_drawn: self.is_drawn(),
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
