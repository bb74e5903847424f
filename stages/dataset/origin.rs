//! [`Origin`]: the source that a dataset is read from.

use std::path::Path;

use contract::{Failure, Invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::folder::Folder;
use crate::data::labels::Csv;
use crate::data::npz::Npz;
use crate::data::phantom::{self, Phantom};
use crate::data::source::{Offer, SplitUse};

/// Source of the images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Synthetic chest radiographs, healthy and with pneumonia, drawn by the program.
    Phantom(Phantom),
    /// Image files in `<split>/<CLASS>/`, or in `<CLASS>/` if they are divided.
    Folder(Folder),
    /// Image files with their classes in a table.
    Csv(Csv),
    /// Arrays in the layout of MedMNIST.
    Npz(Npz),
}

impl Default for Origin {
    fn default() -> Self {
        Self::Phantom(Phantom::default())
    }
}

impl Origin {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Phantom(_) => "phantom",
            Self::Folder(_) => "folder",
            Self::Csv(_) => "csv",
            Self::Npz(_) => "npz",
        }
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Phantom(phantom) => phantom.check(),
            Self::Folder(folder) => folder.check(),
            Self::Csv(csv) => csv.check(),
            Self::Npz(npz) => npz.check(),
        }
    }

    /// Returns the number of classes, if the parameters determine it.
    pub(super) fn classes(&self) -> Option<usize> {
        match self {
            Self::Phantom(_) => Some(phantom::CLASSES.len()),
            Self::Folder(_) | Self::Csv(_) => None,
            Self::Npz(npz) => Some(npz.classes.len()).filter(|&named| named > 0),
        }
    }

    /// Returns the names of the classes, if the source can be read.
    pub(super) fn class_names(&self) -> Option<Vec<String>> {
        match self {
            Self::Phantom(_) => Some(phantom::CLASSES.map(str::to_owned).to_vec()),
            Self::Folder(folder) => folder.class_names(),
            Self::Csv(csv) => csv.class_names(),
            Self::Npz(npz) => npz.class_names(),
        }
    }

    /// Returns `true` if the source has validation images of its own; `None` if it cannot be read.
    pub(super) fn has_validation(&self) -> Option<bool> {
        match self {
            Self::Phantom(_) => Some(false),
            Self::Folder(folder) => folder.has_validation(),
            Self::Csv(csv) => csv.has_validation(),
            Self::Npz(npz) => npz.has_validation(),
        }
    }

    /// Returns `true` if the source has training images; `None` if it cannot be read.
    pub(super) fn has_train(&self) -> Option<bool> {
        match self {
            Self::Phantom(_) | Self::Npz(_) => Some(true),
            Self::Folder(folder) => folder.has_train(),
            Self::Csv(csv) => csv.has_train(),
        }
    }

    /// Checks the source and returns its number of classes.
    pub(super) fn preflight(&self, usage: SplitUse) -> Result<usize, Invalid> {
        match self {
            Self::Phantom(_) => Ok(phantom::CLASSES.len()),
            Self::Folder(folder) => folder.preflight(usage),
            Self::Csv(csv) => csv.preflight(usage),
            Self::Npz(npz) => npz.preflight(usage),
        }
    }

    /// Returns the paths that the source reads, each with the name of its parameter.
    pub(super) fn paths(&self) -> Vec<(&'static str, &Path)> {
        match self {
            Self::Phantom(_) => Vec::new(),
            Self::Folder(folder) => vec![("path", &folder.path)],
            Self::Csv(csv) => vec![("path", &csv.path), ("root", &csv.root)],
            Self::Npz(npz) => vec![("path", &npz.path)],
        }
    }

    /// Returns the number of bits that images with 16 bits per value use.
    pub(super) fn bits(&self) -> u8 {
        match self {
            Self::Phantom(_) | Self::Npz(_) => images::all_bits(),
            Self::Folder(folder) => folder.bits,
            Self::Csv(csv) => csv.bits,
        }
    }

    /// Returns `true` if the source always has splits of its own.
    pub(super) fn always_has_splits(&self) -> bool {
        match self {
            Self::Phantom(_) | Self::Npz(_) => true,
            Self::Folder(_) | Self::Csv(_) => false,
        }
    }

    /// Opens the source.
    pub(super) fn open(&self, seed: u64, usage: SplitUse) -> Result<Offer, Failure> {
        match self {
            Self::Phantom(phantom) => Ok(phantom.offer(seed, usage)),
            Self::Folder(folder) => folder.offer(usage),
            Self::Csv(csv) => csv.offer(usage),
            Self::Npz(npz) => npz.offer(usage),
        }
    }
}
