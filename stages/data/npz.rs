//! The source `npz`: arrays in the layout of MedMNIST.
//!
//! Everything is read as a stream, an image at a time: neither a header nor a well-compressed
//! archive can make the program allocate more than the packed result and a few images.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{BufReader, Read};
use std::path::PathBuf;

use fast_image_resize::Resizer;
use npyz::{DType, NpyFile, NpyHeader, Order};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zip::ZipArchive;

use super::decode::fit_bytes;
use super::source::{Example, Offer, Pool, Sink, Skipped, Unusable};
use crate::contract::{Failure, ImageShape, Invalid};

/// Parameters of the source `npz`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Npz {
    /// The file, relative to the working directory: `train_images` (uint8, N×H×W or N×H×W×3) and
    /// `train_labels` (integers, N or N×1), and so `test_…` and, if it has them, `val_…`. Those for
    /// validation join the training images, unless the dataset's `validation` is 0: then they are
    /// the validation set as they stand.
    pub path: PathBuf,
    /// Names of the classes in the order of their labels; `class0`, `class1`, … if not given.
    #[serde(default)]
    pub classes: Vec<String>,
}

/// More images than this in one array are taken for a damaged header.
const MOST_IMAGES: u64 = 10_000_000;
/// An image of more pixels than this is refused.
const MOST_PIXELS: u64 = 100_000_000;
/// Labels above this are taken for something else than classes.
const MOST_CLASSES: i64 = 1000;
/// The text of an array's header is some 100 bytes.
const LONGEST_HEADER: usize = 4096;

type Archive = ZipArchive<BufReader<File>>;

impl Npz {
    /// Checks what can be checked without looking at the disk.
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

    /// Reads the headers and the labels.
    pub fn preflight(&self) -> Result<(), Invalid> {
        self.splits()?;
        Ok(())
    }

    /// Lists the images, `joined` those for validation with those to train on.
    pub fn offer(&self, joined: bool) -> Result<Offer, Failure> {
        let Splits {
            classes,
            train,
            validation,
            test,
        } = self.splits()?;
        let pool = |arrays: Vec<Array>| Arrays {
            npz: self.clone(),
            examples: examples(&arrays),
            arrays,
        };
        let (train, validation) = if joined {
            let mut train = pool([Some(train), validation].into_iter().flatten().collect());
            train.mark_equal_images()?;
            (train, None)
        } else {
            (pool(vec![train]), validation)
        };
        Ok(Offer {
            classes,
            train: Box::new(train),
            validation: match validation {
                Some(array) => Some(Box::new(pool(vec![array]))),
                None => None,
            },
            test: Box::new(pool(vec![test])),
            skipped: Vec::new(),
        })
    }

    fn splits(&self) -> Result<Splits, Unusable> {
        let mut archive = self.archive()?;
        let mut split = |prefix: &'static str| self.array(&mut archive, prefix);
        let required = |array: Option<Array>, prefix: &str| {
            array.ok_or_else(|| self.unusable(format!("has no array `{prefix}_images`")))
        };
        let train = required(split("train")?, "train")?;
        let validation = split("val")?;
        let test = required(split("test")?, "test")?;
        let all = [Some(&train), validation.as_ref(), Some(&test)];
        let highest = all
            .iter()
            .flatten()
            .flat_map(|array| array.labels.iter().copied())
            .max()
            .unwrap_or(0);
        let classes = if self.classes.is_empty() {
            (0..=highest.max(1))
                .map(|label| format!("class{label}"))
                .collect()
        } else {
            self.classes.clone()
        };
        if highest as usize >= classes.len() {
            return Err(self.unusable(format!(
                "has a label {highest}, but `classes` names only {}",
                classes.len()
            )));
        }
        Ok(Splits {
            classes,
            train,
            validation,
            test,
        })
    }

    fn archive(&self) -> Result<Archive, Unusable> {
        let file =
            File::open(&self.path).map_err(|e| self.unusable(format!("cannot be read: {e}")))?;
        ZipArchive::new(BufReader::new(file))
            .map_err(|e| self.unusable(format!("is no npz file: {e}")))
    }

    /// The size and the labels of a split's images, if the file has them.
    fn array(
        &self,
        archive: &mut Archive,
        prefix: &'static str,
    ) -> Result<Option<Array>, Unusable> {
        let images = format!("{prefix}_images");
        let Some(header) = self.header(archive, &images)? else {
            return Ok(None);
        };
        let (count, size, channels) = match *header.shape() {
            [n, h, w] | [n, h, w, 1] => (n, (w, h), 1),
            [n, h, w, 3] => (n, (w, h), 3),
            _ => {
                return Err(self.unusable(format!(
                    "has `{images}` of shape {:?}, not N×H×W or N×H×W×3",
                    header.shape()
                )));
            }
        };
        if header.dtype().descr().trim_matches('\'') != "|u1" || header.order() != Order::C {
            return Err(self.unusable(format!(
                "has `{images}` of type {}, not uint8 (`|u1`) in C order",
                header.dtype().descr()
            )));
        }
        let pixels = size.0.checked_mul(size.1);
        if !matches!(pixels, Some(1..=MOST_PIXELS)) || !(1..=MOST_IMAGES).contains(&count) {
            return Err(self.unusable(format!(
                "has `{images}` of shape {:?}, which is empty or too large",
                header.shape()
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
        if !matches!(*header.shape(), [n] | [n, 1] if n == count) {
            return Err(self.unusable(format!(
                "has `{name}` of shape {:?}, not one label for each of {count} images",
                header.shape()
            )));
        }
        let values =
            integers(NpyFile::with_header(header, data)).map_err(|e| self.damaged(&name, e))?;
        values
            .into_iter()
            .map(|value| match value {
                0..=MOST_CLASSES => Ok(value as u32),
                _ => Err(self.unusable(format!(
                    "has a label {value} in `{name}`, which is no class"
                ))),
            })
            .collect()
    }

    fn header(&self, archive: &mut Archive, name: &str) -> Result<Option<NpyHeader>, Unusable> {
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
        Unusable::new(format!("`{}` {what}", self.path.display()))
    }
}

/// What the file holds.
struct Splits {
    classes: Vec<String>,
    train: Array,
    validation: Option<Array>,
    test: Array,
}

/// The images of one split.
struct Array {
    prefix: &'static str,
    /// Width and height.
    size: (usize, usize),
    channels: usize,
    labels: Vec<u32>,
}

fn member<'a>(archive: &'a mut Archive, name: &str) -> Option<impl Read + use<'a>> {
    archive.by_name(&format!("{name}.npy")).ok()
}

/// Reads an array's header, refusing to allocate for one of an absurd length.
fn read_header<R: Read>(mut reader: R) -> std::io::Result<(NpyHeader, R)> {
    let mut start = [0; 12];
    reader.read_exact(&mut start[..10])?;
    let version_1 = start[6] == 1;
    let mut length = usize::from(u16::from_le_bytes([start[8], start[9]]));
    let mut known = 10;
    if !version_1 {
        reader.read_exact(&mut start[10..])?;
        known = 12;
        length |= usize::from(u16::from_le_bytes([start[10], start[11]])) << 16;
    }
    if length > LONGEST_HEADER {
        return Err(std::io::Error::other(format!(
            "its header says it is {length} bytes long"
        )));
    }
    let header = NpyHeader::from_reader(start[..known].chain(&mut reader))?;
    Ok((header, reader))
}

/// The values of an array of any integer type.
fn integers<R: Read>(file: NpyFile<R>) -> std::io::Result<Vec<i64>> {
    fn read<T, R>(file: NpyFile<R>) -> std::io::Result<Vec<i64>>
    where
        T: npyz::Deserialize + TryInto<i64>,
        R: Read,
    {
        let values = file.data::<T>().map_err(std::io::Error::other)?;
        values
            .map(|value| {
                let value = value?.try_into();
                value.map_err(|_| std::io::Error::other("a value above 2⁶³"))
            })
            .collect()
    }
    let dtype = match file.dtype() {
        DType::Plain(plain) => plain.to_string(),
        other => other.descr(),
    };
    match dtype.trim_start_matches(['<', '>', '|', '=']) {
        "u1" => read::<u8, R>(file),
        "i1" => read::<i8, R>(file),
        "u2" => read::<u16, R>(file),
        "i2" => read::<i16, R>(file),
        "u4" => read::<u32, R>(file),
        "i4" => read::<i32, R>(file),
        "u8" => read::<u64, R>(file),
        "i8" => read::<i64, R>(file),
        _ => Err(std::io::Error::other(format!(
            "its type is `{dtype}`, not an integer"
        ))),
    }
}

fn examples(arrays: &[Array]) -> Vec<Example> {
    let of = |array: &Array| {
        let prefix = array.prefix;
        let example = move |(i, &label): (usize, &u32)| Example {
            name: format!("{prefix}/{i:06}"),
            label,
            group: None,
            content: None,
        };
        array
            .labels
            .iter()
            .enumerate()
            .map(example)
            .collect::<Vec<_>>()
    };
    arrays.iter().flat_map(of).collect()
}

/// Images in arrays, one after the other.
struct Arrays {
    npz: Npz,
    arrays: Vec<Array>,
    examples: Vec<Example>,
}

impl Arrays {
    /// Shows every image, in order, to `visit`.
    fn stream(
        &self,
        mut visit: impl FnMut(usize, &Array, &[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut archive = self.npz.archive()?;
        let mut index = 0;
        for array in &self.arrays {
            let name = format!("{}_images", array.prefix);
            let damaged = |e| Failure::from(self.npz.damaged(&name, e));
            let Some(member) = member(&mut archive, &name) else {
                return Err(self.npz.unusable(format!("lost its array `{name}`")).into());
            };
            let (_, mut data) = read_header(member).map_err(damaged)?;
            let mut image = vec![0; array.size.0 * array.size.1 * array.channels];
            for _ in &array.labels {
                data.read_exact(&mut image).map_err(damaged)?;
                visit(index, array, &image)?;
                index += 1;
            }
        }
        Ok(())
    }

    fn mark_equal_images(&mut self) -> Result<(), Failure> {
        let mut contents = Vec::with_capacity(self.examples.len());
        self.stream(|_, _, image| {
            let mut hasher = DefaultHasher::new();
            hasher.write(image);
            contents.push(hasher.finish());
            Ok(())
        })?;
        for (example, content) in self.examples.iter_mut().zip(contents) {
            example.content = Some(content);
        }
        Ok(())
    }
}

impl Pool for Arrays {
    fn examples(&self) -> &[Example] {
        &self.examples
    }

    fn read(
        &self,
        wanted: &[usize],
        shape: ImageShape,
        sink: &mut Sink<'_>,
    ) -> Result<Vec<Skipped>, Failure> {
        let mut wanted = wanted.iter().copied().peekable();
        let mut batch = Batch::default();
        self.stream(|i, array, image| {
            if wanted.next_if_eq(&i).is_some() {
                batch.add(i, array, image);
                if batch.bytes >= Batch::FULL {
                    batch.flush(shape, sink)?;
                }
            }
            Ok(())
        })?;
        batch.flush(shape, sink)?;
        Ok(Vec::new())
    }
}

/// Images to be resized in parallel.
#[derive(Default)]
struct Batch {
    images: Vec<Raw>,
    bytes: usize,
}

/// An image as it is in the file.
struct Raw {
    index: usize,
    size: (usize, usize),
    channels: usize,
    bytes: Vec<u8>,
}

impl Batch {
    const FULL: usize = 1 << 22;

    fn add(&mut self, index: usize, array: &Array, image: &[u8]) {
        self.bytes += image.len();
        self.images.push(Raw {
            index,
            size: array.size,
            channels: array.channels,
            bytes: image.to_vec(),
        });
    }

    fn flush(&mut self, shape: ImageShape, sink: &mut Sink<'_>) -> Result<(), Failure> {
        let images: Vec<(usize, Vec<u8>)> = std::mem::take(self)
            .images
            .into_par_iter()
            .map_init(Resizer::new, |resizer, raw| {
                let image = fit_bytes(raw.bytes, raw.size, raw.channels, shape, resizer);
                (raw.index, image)
            })
            .collect();
        images
            .into_iter()
            .try_for_each(|(i, image)| sink(i, &image))
    }
}
