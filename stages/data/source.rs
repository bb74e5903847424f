//! What every source of images offers, whether it reads files or draws.

use std::path::Path;

use serde::Serialize;

use contract::{Failure, ImageShape, Invalid};

/// An image that a source offers, known before its pixels are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Where it comes from, unique within its source.
    pub name: String,
    /// The index of its class.
    pub label: u32,
    /// Images of one group (a patient, say) stay on one side of a split.
    pub group: Option<String>,
    /// Equal for images whose bytes are equal, which stay on one side too.
    pub content: Option<u64>,
}

/// A file or array that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    pub image: String,
    pub reason: String,
    /// The index of the class whose folder it is in.
    #[serde(skip)]
    pub class: Option<u32>,
}

/// Files of a source that it does not offer as images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Omitted {
    /// Files and arrays in places or formats that the source does not read, in a fixed order.
    pub files: Vec<Skipped>,
    /// How many files and folders are hidden. Their names are not in the stage's key, so no output may
    /// depend on them.
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

/// What makes a source unusable, found before any pixel is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Names the file or folder and says what is wrong with it.
    pub message: String,
    /// What to do about it.
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
    /// An error of the parameter `path`.
    fn from(Unusable { message, hint }: Unusable) -> Self {
        let invalid = Self::new(message).under("path");
        match hint {
            Some(hint) => invalid.hint(hint),
            None => invalid,
        }
    }
}

/// Takes the pixels (HWC bytes) of an example, by its index.
pub type Sink<'a> = dyn FnMut(usize, &[u8]) -> Result<(), Failure> + 'a;

/// Images in a fixed order, whose pixels come when asked for.
pub trait Pool {
    /// The images, in an order that depends on their names or indices alone.
    fn examples(&self) -> &[Example];

    /// The file that holds the example `index` and nothing else, if one does.
    fn file(&self, _index: usize) -> Option<&Path> {
        None
    }

    /// Hands the pixels of the examples `wanted` (ascending indices) to `sink`, in that order;
    /// returns those that could not be read, where the user allows for them.
    fn read(
        &self,
        wanted: &[usize],
        shape: ImageShape,
        sink: &mut Sink<'_>,
    ) -> Result<Vec<Skipped>, Failure>;
}

/// Everything a source offers.
pub struct Offer {
    pub classes: Vec<String>,
    pub train: Box<dyn Pool>,
    /// The source's own validation images, where it has some and no split is to be drawn.
    pub validation: Option<Box<dyn Pool>>,
    pub test: Box<dyn Pool>,
    /// Images that were left out when the source was opened.
    pub skipped: Vec<Skipped>,
    /// Files of the source that are not offered.
    pub omitted: Omitted,
}
