//! Artifacts: their types, and what is known of one before it exists.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Failure;

/// Raised when the meaning of an artifact's files changes; part of every fingerprint.
pub const FORMAT_VERSION: u32 = 1;

/// Largest file of an input, in bytes, of which a program gets a copy of its own.
pub const PRIVATE_BYTES: u64 = 1 << 20;

/// The type of an artifact, and so of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactType {
    /// Labelled images, with the augmentation policy to apply to them while training, if any.
    Dataset,
    /// A classifier: architecture and weights.
    Model,
    /// A generator of images of one class: architecture and weights.
    Generator,
    /// Named numbers ([`Metrics`]) and the tables behind them.
    Metrics,
    /// Pictures for people.
    Figure,
    /// Whatever a program made.
    Files,
}

impl fmt::Display for ArtifactType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dataset => "dataset",
            Self::Model => "model",
            Self::Generator => "generator",
            Self::Metrics => "metrics",
            Self::Figure => "figure",
            Self::Files => "set of files",
        })
    }
}

/// Height, width and channels (1: gray, 3: RGB) of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageShape {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl ImageShape {
    /// Values in one image.
    pub fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}×{}", self.height, self.width, self.channels)
    }
}

/// What is known of an artifact before it exists; lets shapes be checked before anything runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Images of this shape; `augmented` if they carry an augmentation policy.
    Dataset {
        image: ImageShape,
        augmented: bool,
        /// The number of classes, where it is known before the dataset exists.
        classes: Option<usize>,
    },
    /// A classifier of images of this shape.
    Model {
        image: ImageShape,
    },
    /// A generator of images of this shape.
    Generator {
        image: ImageShape,
    },
    Metrics,
    Figure,
    Files,
}

/// The files of one artifact, by their name in its tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The stage instance and port that made it, for messages only: `xrays.train`.
    pub label: String,
    pub files: BTreeMap<String, PathBuf>,
    /// The names of its folders that hold nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<String>,
    /// Its entry in the index of its input, if the input has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<IndexEntry>,
}

/// One of the artifacts of an input that has a folder for each of them, as the input's [`INDEX_FILE`] lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexEntry {
    /// The instance's values on the axes that the consumer lacks, by axis, as they are written.
    pub axes: BTreeMap<String, String>,
    /// The stage instance that made it: `count[A]`.
    pub instance: String,
    /// Its folder, relative to the folder of the input: `sample=A`.
    pub path: String,
}

/// The file that lists the artifacts of an input, in the input's folder.
pub const INDEX_FILE: &str = "index.json";

impl Artifact {
    /// The path of a file of the artifact.
    pub fn file(&self, name: &str) -> Result<&Path, Failure> {
        self.files.get(name).map(PathBuf::as_path).ok_or_else(|| {
            Failure::Internal(format!("artifact `{}` has no file `{name}`", self.label))
        })
    }
}
