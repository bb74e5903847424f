//! [`Over`]: what an interval covers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Sources of variation that an interval covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    /// The test images of one trained model.
    Images,
    /// The test images of one trained model, drawn by group, such as a patient.
    Groups,
    /// The seeds.
    Seeds,
    SeedsAndImages,
    SeedsAndGroups,
    /// Unknown: a program reported the interval.
    Reported,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Images => "test images",
            Self::Groups => "groups of test images",
            Self::Seeds => "seeds",
            Self::SeedsAndImages => "seeds and test images",
            Self::SeedsAndGroups => "seeds and groups of test images",
            Self::Reported => "reported by the program",
        })
    }
}
