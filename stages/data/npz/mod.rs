//! The source `npz`: arrays in the layout of MedMNIST.
//!
//! Everything is read as a stream, one image at a time, so neither a header nor a well-compressed archive can
//! make the program allocate more than the packed result and a few images.

mod header;
mod outline;
mod pool;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;

use contract::{Failure, Invalid, ShowPath, Text, files};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zip::ZipArchive;

use self::header::{Header, integers, read_header};
use self::outline::Outline;
use self::pool::Arrays;
use super::source::{Offer, Omitted, SplitUse, Unusable};

/// Parameters of the source `npz`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Npz {
    /// The file, relative to the working directory. It contains `train_images` (uint8, N×H×W or N×H×W×3) and
    /// `train_labels` (integers, N or N×1), `test_…` in the same way, and optionally `val_…`. If the dataset's
    /// `validation` is 0, the images of `val_…` are the validation set. Otherwise they join the training
    /// images.
    #[schemars(with = "Text")]
    pub path: PathBuf,
    /// Names of the classes in the order of their labels. By default `class0`, `class1`, …
    #[serde(default)]
    #[schemars(with = "Vec<Text>", length(max = 1000), extend("uniqueItems" = true))]
    pub classes: Vec<String>,
}

/// Largest number of images in one array. A larger number means that the header is damaged.
const MOST_IMAGES: u64 = 10_000_000;
/// Largest number of pixels in an image.
const MOST_PIXELS: u64 = 100_000_000;
/// Largest label, and largest number of class names. A larger label is not the index of a class.
const MOST_CLASSES: i64 = 1000;

type Archive = ZipArchive<BufReader<File>>;

impl Npz {
    /// Checks the parameters without looking at the disk.
    pub fn check(&self) -> Result<(), Invalid> {
        let mut sorted = self.classes.clone();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(
                Invalid::new(format!("class `{}` is named twice", pair[0])).under("classes")
            );
        }
        if self.classes.len() == 1 || self.classes.len() > MOST_CLASSES as usize {
            return Err(Invalid::new(format!(
                "`classes` must name from 2 to {MOST_CLASSES} classes, not {}",
                self.classes.len()
            ))
            .under("classes"));
        }
        Ok(())
    }

    /// Returns the names of the classes: those that are given, or else one for each label; `None` if the file cannot be
    /// read.
    pub fn class_names(&self) -> Option<Vec<String>> {
        if !self.classes.is_empty() {
            return Some(self.classes.clone());
        }
        Some(default_names(Outline::of(self)?.classes))
    }

    /// Returns `true` if the file has validation images; `None` if it cannot be read.
    pub fn has_validation(&self) -> Option<bool> {
        Some(Outline::of(self)?.has_validation)
    }

    /// Reads the headers and the labels, and returns the number of classes.
    pub fn preflight(&self, usage: SplitUse) -> Result<usize, Invalid> {
        Ok(self.splits(usage)?.classes.len())
    }

    /// Lists the images.
    pub fn offer(&self, usage: SplitUse) -> Result<Offer, Failure> {
        let Splits {
            classes,
            train,
            mut validation,
            mut test,
            omitted,
        } = self.splits(usage)?;
        let pool = |arrays| Arrays::new(self.clone(), arrays);
        let joined = [
            Some(train),
            validation.take_if(|_| usage.joins_validation),
            test.take_if(|_| usage.joins_test),
        ];
        let mut train = pool(joined.into_iter().flatten().collect());
        if usage.joins_validation || usage.is_divided {
            train.mark_equal_images()?;
        }
        Ok(Offer {
            classes,
            train: Box::new(train),
            validation: match validation {
                Some(array) => Some(Box::new(pool(vec![array]))),
                None => None,
            },
            test: Box::new(pool(test.into_iter().collect())),
            skipped: Vec::new(),
            omitted,
        })
    }

    fn splits(&self, usage: SplitUse) -> Result<Splits, Unusable> {
        let mut archive = self.archive()?;
        let mut split = |prefix: &'static str| self.array(&mut archive, prefix);
        let required = |array: Option<Array>, prefix: &str| {
            array.ok_or_else(|| self.unusable(format!("has no array `{prefix}_images`")))
        };
        let train = required(split("train")?, "train")?;
        let validation = split("val")?;
        let test = split("test")?;
        if test.is_none() && !usage.is_divided {
            required(None, "test")?;
        }
        let all = [Some(&train), validation.as_ref(), test.as_ref()];
        let needed = Array::classes(all.into_iter().flatten());
        let classes = match self.classes.as_slice() {
            [] => default_names(needed),
            named => named.to_vec(),
        };
        if needed > classes.len() {
            return Err(self.unusable(format!(
                "has a label {}, but `classes` has only {} names",
                needed - 1,
                classes.len()
            )));
        }
        let names = archive.file_names().collect::<Result<Vec<_>, _>>();
        let mut names = names.map_err(|e| self.unusable(format!("is not an npz file: {e}")))?;
        names.sort_unstable();
        let mut omitted = Omitted::default();
        for name in names.into_iter().filter(|name| !is_known(name)) {
            omitted.add(name.into_owned(), "is an array of no split", None);
        }
        Ok(Splits {
            classes,
            train,
            validation,
            test,
            omitted,
        })
    }

    fn archive(&self) -> Result<Archive, Unusable> {
        let file =
            files::open(&self.path).map_err(|e| self.unusable(format!("cannot be read: {e}")))?;
        ZipArchive::new(BufReader::new(file))
            .map_err(|e| self.unusable(format!("is not an npz file: {e}")))
    }

    /// Returns the size and the labels of a split's images, if the file has the split.
    fn array(
        &self,
        archive: &mut Archive,
        prefix: &'static str,
    ) -> Result<Option<Array>, Unusable> {
        let images = format!("{prefix}_images");
        let Some(header) = self.header(archive, &images)? else {
            return Ok(None);
        };
        let (count, size, channels) = match *header.shape {
            [n, h, w] | [n, h, w, 1] => (n, (w, h), 1),
            [n, h, w, 3] => (n, (w, h), 3),
            _ => {
                return Err(self.unusable(format!(
                    "has `{images}` of shape {:?}, not N×H×W or N×H×W×3",
                    header.shape
                )));
            }
        };
        if header.descr != "|u1" || header.fortran_order {
            let order = if header.fortran_order { "Fortran" } else { "C" };
            return Err(self.unusable(format!(
                "has `{images}` of type `{}` in {order} order, not uint8 (`|u1`) in C order",
                header.descr
            )));
        }
        let pixels = size.0.checked_mul(size.1);
        if !matches!(pixels, Some(1..=MOST_PIXELS)) || !(1..=MOST_IMAGES).contains(&count) {
            return Err(self.unusable(format!(
                "has `{images}` of shape {:?}, which is empty or too large",
                header.shape
            )));
        }
        let labels = self.labels(archive, prefix, count)?;
        Ok(Some(Array {
            prefix,
            size: (size.0 as usize, size.1 as usize),
            channels,
            labels,
        }))
    }

    fn labels(
        &self,
        archive: &mut Archive,
        prefix: &str,
        count: u64,
    ) -> Result<Vec<u32>, Unusable> {
        let name = format!("{prefix}_labels");
        let member = member(archive, &name)
            .ok_or_else(|| self.unusable(format!("has no array `{name}`")))?;
        let (header, data) = read_header(member).map_err(|e| self.damaged(&name, e))?;
        if !matches!(*header.shape, [n] | [n, 1] if n == count) {
            return Err(self.unusable(format!(
                "has `{name}` of shape {:?}, not one label for each of {count} images",
                header.shape
            )));
        }
        let values = integers(&header, data, count).map_err(|e| self.damaged(&name, e))?;
        values
            .into_iter()
            .map(|value| match value {
                0..=MOST_CLASSES => Ok(value as u32),
                _ => Err(self.unusable(format!(
                    "has a label {value} in `{name}`, but labels must be between 0 and {MOST_CLASSES}"
                ))),
            })
            .collect()
    }

    fn header(&self, archive: &mut Archive, name: &str) -> Result<Option<Header>, Unusable> {
        let Some(member) = member(archive, name) else {
            return Ok(None);
        };
        match read_header(member) {
            Ok((header, _)) => Ok(Some(header)),
            Err(e) => Err(self.damaged(name, e)),
        }
    }

    fn damaged(&self, name: &str, cause: impl std::fmt::Display) -> Unusable {
        self.unusable(format!("has a damaged array `{name}`: {cause}"))
    }

    fn unusable(&self, what: impl std::fmt::Display) -> Unusable {
        Unusable::new(format!("`{}` {what}", self.path.shown()))
    }
}

/// The contents of the file.
struct Splits {
    classes: Vec<String>,
    train: Array,
    validation: Option<Array>,
    test: Option<Array>,
    omitted: Omitted,
}

/// The images of one split.
struct Array {
    prefix: &'static str,
    /// Width and height.
    size: (usize, usize),
    channels: usize,
    labels: Vec<u32>,
}

impl Array {
    /// Returns the number of classes that the labels of some arrays need: at least two.
    fn classes<'a>(arrays: impl Iterator<Item = &'a Self>) -> usize {
        let labels = arrays.flat_map(|array| array.labels.iter().copied());
        labels.max().unwrap_or(0).max(1) as usize + 1
    }
}

fn default_names(classes: usize) -> Vec<String> {
    (0..classes).map(|label| format!("class{label}")).collect()
}

/// Returns `true` if the archive's member `name` is an array that is read.
fn is_known(name: &str) -> bool {
    name.strip_suffix("_images.npy")
        .or_else(|| name.strip_suffix("_labels.npy"))
        .is_some_and(|split| ["train", "val", "test"].contains(&split))
}

fn member<'a>(archive: &'a mut Archive, name: &str) -> Option<impl Read + use<'a>> {
    archive.by_name(&format!("{name}.npy")).ok()
}
