//! [`Feature`]: the shape of what a layer takes or gives.

use std::fmt;

use contract::ImageShape;
use serde::{Deserialize, Serialize};

/// Shape of a layer's input or output for one example. Features of a dense layer are channels of a 1×1 image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl Feature {
    pub fn new(channels: usize, height: usize, width: usize) -> Self {
        Self {
            channels,
            height,
            width,
        }
    }

    /// Returns the number of values in one example.
    pub fn len(&self) -> usize {
        self.channels * self.height * self.width
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn is_flat(&self) -> bool {
        self.height == 1 && self.width == 1
    }
}

impl From<ImageShape> for Feature {
    fn from(image: ImageShape) -> Self {
        Self::new(image.channels, image.height, image.width)
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_flat() {
            let plural = if self.channels == 1 { "" } else { "s" };
            write!(f, "{} feature{plural}", self.channels)
        } else {
            write!(f, "{}×{}×{}", self.height, self.width, self.channels)
        }
    }
}
