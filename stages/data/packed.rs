//! The packed form of a dataset: one file of raw pixels, mapped into memory, and a header.
//!
//! `images.bin` holds the images in sequence, with rows from the top, interleaved channels (HWC) and one byte
//! per value. `dataset.json` describes them. An augmented dataset also has its policy in `augmentation.json`.
//! Mapping lets all processes that train on a dataset share its pages.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use contract::{Artifact, Failure, Fold, ImageShape, ShowPath, files, random};
use memmap2::Mmap;
use serde::{Deserialize, Serialize};

use super::Policy;
pub use contract::IMAGES_FILE;

/// Name of the file with shape, classes, labels and names.
pub const HEADER_FILE: &str = "dataset.json";
/// Name of the file with the augmentation policy of an augmented dataset.
pub const POLICY_FILE: &str = "augmentation.json";

const VERSION: u32 = 1;

/// Largest number of values in an image. A larger number means that the header is damaged, even if there are
/// no images to compare it with.
const MOST_VALUES: usize = 1 << 28;

/// Size limit of a header, in bytes. A header names every image.
const MOST_HEADER: u64 = 1 << 30;

/// Content of `dataset.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    version: u32,
    pub(super) shape: ImageShape,
    pub(super) classes: Vec<String>,
    /// The class of each image, as an index into `classes`.
    pub(super) labels: Vec<u32>,
    /// Origin of each image, such as `train/NORMAL/IM-0115-0001.jpeg`.
    pub(super) names: Vec<String>,
    /// The group of each image, such as a patient; empty text for an image without one. Empty if no image has a
    /// group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) groups: Vec<String>,
    /// The fold of a cross-validation that the images are for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fold: Option<Fold>,
    /// Number of bits that the values of images with 16 bits per value used.
    #[serde(
        default = "images::all_bits",
        skip_serializing_if = "images::are_all_bits"
    )]
    bits: u8,
}

impl Header {
    /// Reads a header of at most `most` bytes. It must be checked before it is used.
    pub(super) fn read(path: &Path, most: u64) -> Result<Self, Failure> {
        read_json(path, most)
    }

    /// Checks the header that was read from `path`. The pixel file has `bytes` bytes.
    pub(super) fn check_at(&self, path: &Path, bytes: u64) -> Result<(), Failure> {
        self.check(bytes)
            .map_err(|why| Failure::Data(format!("`{}` {why}", path.shown())))
    }

    /// Checks that the header agrees with itself and with a pixel file of `bytes` bytes. No count is used
    /// before this check.
    fn check(&self, bytes: u64) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!(
                "has format version {}, not {VERSION}; delete the artifact to create it again",
                self.version
            ));
        }
        let ImageShape {
            height,
            width,
            channels,
        } = self.shape;
        let image = height
            .checked_mul(width)
            .and_then(|n| n.checked_mul(channels));
        let total = image.and_then(|n| n.checked_mul(self.labels.len()));
        let fits = total.is_some_and(|total| total as u64 == bytes);
        if !matches!(image, Some(1..=MOST_VALUES)) || !fits {
            return Err(format!(
                "describes {} images of {height}×{width}×{channels}, but `{IMAGES_FILE}` has {bytes} bytes",
                self.labels.len()
            ));
        }
        if self.names.len() != self.labels.len() {
            return Err(format!(
                "has {} labels but {} names",
                self.labels.len(),
                self.names.len()
            ));
        }
        if !self.groups.is_empty() && self.groups.len() != self.labels.len() {
            return Err(format!(
                "has {} labels but {} groups",
                self.labels.len(),
                self.groups.len()
            ));
        }
        let classes = self.classes.len();
        match self.labels.iter().find(|&&label| label as usize >= classes) {
            Some(label) => Err(format!("has a label {label}, but only {classes} classes")),
            None => Ok(()),
        }
    }
}

/// A packed dataset, read-only.
#[derive(Debug)]
pub struct Dataset {
    header: Header,
    pixels: Pixels,
    policy: Option<Policy>,
}

#[derive(Debug)]
enum Pixels {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl Deref for Pixels {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl Dataset {
    /// Maps a dataset artifact into memory.
    ///
    /// # Errors
    /// `Failure::System` if a file cannot be read, `Failure::Data` if the header does not fit the pixel file.
    pub fn open(artifact: &Artifact) -> Result<Self, Failure> {
        let policy = match artifact.files.get(POLICY_FILE) {
            Some(path) => Some(read_json(path, MOST_HEADER)?),
            None => None,
        };
        Self::map(
            artifact.file(HEADER_FILE)?,
            artifact.file(IMAGES_FILE)?,
            policy,
        )
    }

    /// Maps the dataset that a [`DatasetWriter`] wrote to `folder`.
    pub fn in_folder(folder: &Path) -> Result<Self, Failure> {
        Self::map(&folder.join(HEADER_FILE), &folder.join(IMAGES_FILE), None)
    }

    fn map(header_path: &Path, pixel_path: &Path, policy: Option<Policy>) -> Result<Self, Failure> {
        let header = Header::read(header_path, MOST_HEADER)?;
        let failed = |e| Failure::io("map", pixel_path, e);
        let file = files::open(pixel_path).map_err(failed)?;
        // SAFETY: the file is an artifact of the store, or this process has finished writing it. Neither kind
        // of file is changed in place.
        let pixels = unsafe { Mmap::map(&file) }.map_err(failed)?;
        header.check_at(header_path, pixels.len() as u64)?;
        Ok(Self {
            header,
            pixels: Pixels::Mapped(pixels),
            policy,
        })
    }

    /// Returns unlabelled images in memory, without names. All belong to a class without a name.
    ///
    /// # Panics
    /// If `pixels` is not a sequence of images of `shape`.
    pub fn unlabelled(shape: ImageShape, pixels: Vec<u8>) -> Self {
        assert_eq!(pixels.len() % shape.len(), 0, "whole images of {shape}");
        let images = pixels.len() / shape.len();
        let header = Header {
            version: VERSION,
            shape,
            classes: vec![String::new()],
            labels: vec![0; images],
            names: vec![String::new(); images],
            groups: Vec::new(),
            fold: None,
            bits: images::all_bits(),
        };
        Self {
            header,
            pixels: Pixels::Owned(pixels),
            policy: None,
        }
    }

    pub fn shape(&self) -> ImageShape {
        self.header.shape
    }

    pub fn len(&self) -> usize {
        self.header.labels.len()
    }

    /// Returns whether there are no images, as in the validation split of a dataset that sets no images aside.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names of the classes, in the order of their indices.
    pub fn classes(&self) -> &[String] {
        &self.header.classes
    }

    /// The class index of each image.
    pub fn labels(&self) -> &[u32] {
        &self.header.labels
    }

    /// Origin of each image.
    pub fn names(&self) -> &[String] {
        &self.header.names
    }

    /// The group of each image, such as a patient; empty text for an image without one. Empty if no image has a
    /// group.
    pub fn groups(&self) -> &[String] {
        &self.header.groups
    }

    /// Number of bits that the values of images with 16 bits per value used.
    pub fn bits(&self) -> u8 {
        self.header.bits
    }

    /// Returns a checksum of all pixels as hexadecimal digits.
    ///
    /// If the images are for a fold of a cross-validation, it is the sum of the checksums of all images with their
    /// names. So the sum over all folds identifies all images, however they were divided.
    pub fn checksum(&self) -> String {
        if self.header.fold.is_none() {
            return format!("{:016x}", random::fnv1a(&self.pixels));
        }
        let of_image = |i: usize| {
            let mut bytes = self.names()[i].clone().into_bytes();
            bytes.push(0);
            bytes.extend_from_slice(self.image(i));
            random::fnv1a(&bytes)
        };
        let sum = (0..self.len()).map(of_image).fold(0, u64::wrapping_add);
        format!("{sum:016x}")
    }

    /// The pixels of image `i`, HWC.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len).
    pub fn image(&self, i: usize) -> &[u8] {
        let size = self.header.shape.len();
        &self.pixels[i * size..][..size]
    }

    /// The transforms to apply while training, if this is an augmented dataset.
    pub fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }
}

/// Writes a dataset image by image.
#[derive(Debug)]
pub struct DatasetWriter {
    folder: PathBuf,
    pixels: BufWriter<File>,
    header: Header,
}

impl DatasetWriter {
    /// Starts a dataset in the existing `folder`.
    pub fn create(folder: &Path, shape: ImageShape, classes: &[String]) -> Result<Self, Failure> {
        let path = folder.join(IMAGES_FILE);
        let file = File::create(&path).map_err(|e| Failure::io("create", &path, e))?;
        let header = Header {
            version: VERSION,
            shape,
            classes: classes.to_vec(),
            labels: Vec::new(),
            names: Vec::new(),
            groups: Vec::new(),
            fold: None,
            bits: images::all_bits(),
        };
        Ok(Self {
            folder: folder.to_owned(),
            pixels: BufWriter::new(file),
            header,
        })
    }

    /// Records that the images are for a fold of a cross-validation.
    pub fn of_fold(mut self, fold: Option<Fold>) -> Self {
        self.header.fold = fold;
        self
    }

    /// Records how many bits the values of images with 16 bits per value used.
    pub fn of_bits(mut self, bits: u8) -> Self {
        self.header.bits = bits;
        self
    }

    /// Adds an image without a group: its name, the index of its class, and its HWC bytes.
    pub fn push(&mut self, name: &str, label: u32, image: &[u8]) -> Result<(), Failure> {
        self.push_grouped(name, None, label, image)
    }

    /// Adds an image: its name, its group, the index of its class, and its HWC bytes.
    pub fn push_grouped(
        &mut self,
        name: &str,
        group: Option<&str>,
        label: u32,
        image: &[u8],
    ) -> Result<(), Failure> {
        let shape = self.header.shape;
        if image.len() != shape.len() || label as usize >= self.header.classes.len() {
            return Err(Failure::Internal(format!(
                "`{name}` (class {label}, {} bytes) does not fit a dataset of {shape} images in {} classes",
                image.len(),
                self.header.classes.len()
            )));
        }
        self.pixels
            .write_all(image)
            .map_err(|e| self.failed(IMAGES_FILE, e))?;
        let images = self.header.labels.len();
        if let Some(group) = group {
            self.header.groups.resize(images, String::new());
            self.header.groups.push(group.to_owned());
        } else if !self.header.groups.is_empty() {
            self.header.groups.push(String::new());
        }
        self.header.labels.push(label);
        self.header.names.push(name.to_owned());
        Ok(())
    }

    /// Completes the files.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.pixels
            .flush()
            .map_err(|e| self.failed(IMAGES_FILE, e))?;
        // The header has no line breaks: one line for each label would not make it readable.
        let header = serde_json::to_vec(&self.header).map_err(|e| self.failed(HEADER_FILE, e))?;
        std::fs::write(self.folder.join(HEADER_FILE), header)
            .map_err(|e| self.failed(HEADER_FILE, e))
    }

    fn failed(&self, file: &str, cause: impl std::fmt::Display) -> Failure {
        Failure::io("write", &self.folder.join(file), cause)
    }
}

/// Writes a whole dataset into the existing `folder`. An example is a name, a class index and HWC bytes.
pub fn write_dataset<N: AsRef<str>, B: AsRef<[u8]>>(
    folder: &Path,
    shape: ImageShape,
    classes: &[String],
    examples: impl IntoIterator<Item = (N, u32, B)>,
) -> Result<(), Failure> {
    let mut writer = DatasetWriter::create(folder, shape, classes)?;
    for (name, label, image) in examples {
        writer.push(name.as_ref(), label, image.as_ref())?;
    }
    writer.finish()
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path, most: u64) -> Result<T, Failure> {
    let bytes = files::read(path, most).map_err(|e| Failure::io("read", path, e))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Failure::Data(format!("`{}` is damaged: {e}", path.shown())))
}
