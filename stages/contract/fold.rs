//! [`Fold`]: one fold of a cross-validation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Invalid, ranges};

/// One fold of a k-fold cross-validation: images are divided into `of` parts, one of which is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Fold {
    /// Number of the part to test on, from 1. The other parts are for training.
    #[schemars(range(min = 1, max = Fold::MOST))]
    pub test: usize,
    /// Number of parts.
    #[schemars(range(min = Fold::FEWEST, max = Fold::MOST))]
    pub of: usize,
}

impl Fold {
    /// Smallest number of parts.
    pub const FEWEST: usize = 2;
    /// Largest number of parts. Each part is a training.
    pub const MOST: usize = 20;

    /// Checks the number of parts and that of the part to test on.
    ///
    /// # Errors
    /// If one of them is out of range. The path begins with the name of the field.
    pub fn check(self) -> Result<(), Invalid> {
        ranges::whole("of", self.of, Self::FEWEST, Self::MOST)?;
        ranges::whole("test", self.test, 1, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::Fold;

    #[test]
    fn parts_are_counted_from_one_and_there_are_at_least_two() {
        let message = |test, of| Fold { test, of }.check().map_err(|e| e.message);
        assert_eq!(message(1, 2), Ok(()));
        assert_eq!(message(20, 20), Ok(()));
        let error = |text: &str| Err(text.to_owned());
        assert_eq!(
            message(1, 1),
            error("`of` is 1; it must be between 2 and 20")
        );
        assert_eq!(
            message(6, 5),
            error("`test` is 6; it must be between 1 and 5")
        );
        assert_eq!(
            message(0, 5),
            error("`test` is 0; it must be between 1 and 5")
        );
    }
}
