//! Types of artifacts, and their signatures, which are known before the artifacts exist.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};

use super::{Convolutions, Failure};

/// Version of the artifact format, increased when the meaning of an artifact's files changes. Part of every
/// fingerprint.
pub const FORMAT_VERSION: u32 = 1;

/// Size limit, in bytes, of files that are always copied for the program that reads them. A larger file may be
/// a hard link to the store's own file.
pub const PRIVATE_BYTES: u64 = 1 << 20;

/// Type of an artifact, and of the ports that carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactType {
    /// Labelled images, with the augmentation policy to apply to them while training, if any.
    Dataset,
    /// A classifier: architecture and weights.
    Model,
    /// A generator of images of one class: architecture and weights.
    Generator,
    /// Weights of a network, without its architecture.
    Weights,
    /// Named numbers ([`Metrics`](super::Metrics)) and the tables behind them.
    Metrics,
    /// Charts and other pictures.
    Figure,
    /// Any files that a program wrote.
    Files,
}

impl fmt::Display for ArtifactType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dataset => "dataset",
            Self::Model => "model",
            Self::Generator => "generator",
            Self::Weights => "weights",
            Self::Metrics => "metrics",
            Self::Figure => "figure",
            Self::Files => "set of files",
        })
    }
}

/// The types of artifacts that an input accepts, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepts(pub &'static [ArtifactType]);

impl Accepts {
    pub fn includes(self, found: ArtifactType) -> bool {
        self.0.contains(&found)
    }
}

impl fmt::Display for Accepts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, accepted) in self.0.iter().enumerate() {
            let before = if number == 0 { "" } else { " or " };
            write!(f, "{before}{accepted}")?;
        }
        Ok(())
    }
}

impl Serialize for Accepts {
    /// One type as itself, and several as a list.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
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
    /// Returns the number of values in an image.
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

/// Type and shape of an artifact, known before it exists, so that shapes can be checked before anything runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Images of this shape; `augmented` if they carry an augmentation policy.
    Dataset {
        image: ImageShape,
        augmented: bool,
        /// Number of classes, if it is known before the dataset exists.
        classes: Option<usize>,
    },
    /// A classifier of images of this shape.
    Model {
        image: ImageShape,
        /// `None` if it has too many layers to be described.
        convolutions: Option<Convolutions>,
    },
    /// A generator of images of this shape.
    Generator {
        image: ImageShape,
    },
    Weights,
    Metrics,
    Figure,
    Files,
}

/// Files of one artifact, by their name in its tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The stage instance and port that made it, for messages only: `xrays.train`.
    pub label: String,
    pub files: BTreeMap<String, PathBuf>,
    /// Names of the artifact's empty folders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<String>,
    /// The artifact's entry in the index of its input, if the input has an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<IndexEntry>,
}

/// Entry of one artifact in the [`INDEX_FILE`] of an input that has a folder for each of its artifacts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexEntry {
    /// The instance's values on the axes that the consumer does not have, by axis, spelled as in the pipeline.
    pub axes: BTreeMap<String, String>,
    /// The stage instance that made the artifact: `count[A]`.
    pub instance: String,
    /// Folder of the artifact, relative to the folder of the input: `sample=A`.
    pub path: String,
}

/// Name of the file in an input's folder that lists the input's artifacts.
pub const INDEX_FILE: &str = "index.json";

impl Artifact {
    /// Returns the path of the file `name` in the artifact's tree.
    ///
    /// # Errors
    /// If there is no such file, which is a bug.
    pub fn file(&self, name: &str) -> Result<&Path, Failure> {
        self.files.get(name).map(PathBuf::as_path).ok_or_else(|| {
            Failure::Internal(format!("artifact `{}` has no file `{name}`", self.label))
        })
    }
}
