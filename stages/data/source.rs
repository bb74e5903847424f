//! The interface of image sources, whether they read images or draw them.

use std::path::Path;

use serde::Serialize;

use contract::{Failure, ImageShape, Invalid};

/// An image that a source offers. Its pixels need not be known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Origin of the image, unique within its source.
    pub name: String,
    /// Index of its class.
    pub label: u32,
    /// Its group (for example, the patient). Images of one group stay on one side of a split.
    pub group: Option<String>,
    /// Hash of the image's bytes, if known. Images with the same hash also stay on one side of a split.
    pub content: Option<u64>,
}

/// A file or array that was left out, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    pub image: String,
    /// Written to `skipped.json`, which is a result. If the wording changes, increase the version of the kind
    /// `dataset`.
    pub reason: String,
    /// Index of the class whose folder contains the file.
    #[serde(skip)]
    pub class: Option<u32>,
}

/// Files of a source that it does not offer as images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Omitted {
    /// Files and arrays in places or formats that the source does not read, in a fixed order.
    pub files: Vec<Skipped>,
    /// Number of hidden files and folders. Their names are not in the stage's key, so no output may depend on
    /// them.
    pub hidden: usize,
}

impl Omitted {
    pub fn add(&mut self, image: String, reason: impl Into<String>, class: Option<u32>) {
        self.files.push(Skipped {
            image,
            reason: reason.into(),
            class,
        });
    }
}

/// Reason why a source cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Names the file or folder, and says what is wrong with it.
    pub message: String,
    /// Says what to do about it.
    pub hint: Option<String>,
}

impl Unusable {
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns an error of a parameter.
    pub fn under(self, parameter: &str) -> Invalid {
        let invalid = Invalid::new(self.message).under(parameter);
        match self.hint {
            Some(hint) => invalid.hint(hint),
            None => invalid,
        }
    }
}

impl From<Invalid> for Unusable {
    fn from(Invalid { message, hint, .. }: Invalid) -> Self {
        Self { message, hint }
    }
}

impl From<Unusable> for Failure {
    fn from(Unusable { message, hint }: Unusable) -> Self {
        Self::Data(match hint {
            Some(hint) => format!("{message}; {hint}"),
            None => message,
        })
    }
}

impl From<Unusable> for Invalid {
    /// Returns an error of the parameter `path`.
    fn from(unusable: Unusable) -> Self {
        unusable.under("path")
    }
}

/// Receives the index of an example and its pixels (HWC bytes).
pub type Sink<'a> = dyn FnMut(usize, &[u8]) -> Result<(), Failure> + 'a;

/// Images in a fixed order, whose pixels are read on request.
pub trait Pool {
    /// Returns the images, in an order that depends only on their names or indices.
    fn examples(&self) -> &[Example];

    /// Returns the file that contains only the example `index`, if there is one.
    fn file(&self, _index: usize) -> Option<&Path> {
        None
    }

    /// Passes the pixels of the examples `wanted` (ascending indices) to `sink`, in that order. The outcome has the
    /// examples that could not be read. If the user does not allow such examples, returns an error instead.
    fn read(
        &self,
        wanted: &[usize],
        shape: ImageShape,
        sink: &mut Sink<'_>,
    ) -> Result<Outcome, Failure>;
}

/// What was found while examples were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Examples that could not be read.
    pub skipped: Vec<Skipped>,
    /// Names of files with several pages or frames, of which only the first was read.
    pub several: Vec<String>,
    /// Number of images with 16 bits per value.
    pub deep: usize,
    /// Their largest value.
    pub brightest: u16,
}

impl Outcome {
    /// Adds what was found in other examples.
    pub fn extend(&mut self, other: Self) {
        self.skipped.extend(other.skipped);
        self.several.extend(other.several);
        self.deep += other.deep;
        self.brightest = self.brightest.max(other.brightest);
    }
}

/// The use of a source's own splits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SplitUse {
    /// `true` if the validation images become training images.
    pub joins_validation: bool,
    /// `true` if the test images become training images.
    pub joins_test: bool,
    /// `true` if the training images are divided into folds. Then there need not be test images.
    pub is_divided: bool,
    /// `true` if validation and test images are drawn from all images. Then the source must not have splits of its own.
    pub is_drawn: bool,
}

impl SplitUse {
    /// Returns whether the source must have test images.
    pub fn needs_test(self) -> bool {
        !self.is_divided && !self.is_drawn
    }

    /// Returns whether training images are divided, so that equal ones must be marked to stay together.
    pub fn divides(self) -> bool {
        self.joins_validation || self.is_divided || self.is_drawn
    }
}

/// Everything that a source offers.
pub struct Offer {
    pub classes: Vec<String>,
    pub train: Box<dyn Pool>,
    /// The source's own validation images, if it has any and no split is drawn.
    pub validation: Option<Box<dyn Pool>>,
    pub test: Box<dyn Pool>,
    /// Images that were left out when the source was opened.
    pub skipped: Vec<Skipped>,
    /// Files of the source that are not offered.
    pub omitted: Omitted,
}
