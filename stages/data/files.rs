//! Images in files, for every source that lists files.

use std::collections::HashMap;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

use contract::{Failure, ImageShape, Invalid, ShowPath, files, ranges};
use images::{Decoder, Resizer, Seen};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layout::{Layout, Listed};
use super::source::{Example, Offer, Outcome, Pool, Sink, Skipped, SplitUse, Unusable};

/// Reaction to a file that cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum OnBadImage {
    /// Stop with an error.
    #[default]
    Fail,
    /// Leave the file out and report it.
    Skip,
}

/// How the files of a source are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub on_bad_image: OnBadImage,
    /// Images with more pixels are refused.
    pub max_megapixels: u32,
    /// Number of bits that images with 16 bits per value use.
    pub bits: u8,
}

/// Default of `max_megapixels`.
pub(super) fn default_max_megapixels() -> u32 {
    100
}

impl Reading {
    /// Checks the ranges of the parameters, which all sources of files have.
    pub(super) fn check_ranges(self) -> Result<(), Invalid> {
        ranges::whole("max_megapixels", self.max_megapixels as usize, 1, 1000)?;
        let (least, most) = images::BITS.into_inner();
        ranges::whole("bits", self.bits.into(), least.into(), most.into())
    }

    fn decoder(self) -> Decoder {
        Decoder {
            max_pixels: u64::from(self.max_megapixels) * 1_000_000,
            bits: self.bits,
        }
    }

    /// Removes the files that have a bad header from a layout, or returns an error, depending on `on_bad_image`.
    pub(super) fn check(self, layout: &mut Layout) -> Result<Vec<Skipped>, Unusable> {
        let decoder = self.decoder();
        let mut skipped = Vec::new();
        for files in layout.splits_mut() {
            let reasons: Vec<Option<String>> = files
                .par_iter()
                .map(|file| decoder.check(&file.path).err())
                .collect();
            if self.on_bad_image == OnBadImage::Fail
                && let Some(bad) = reasons.iter().position(Option::is_some)
            {
                return Err(bad_image(
                    &files[bad].path,
                    reasons[bad].as_deref().unwrap_or_default(),
                ));
            }
            let mut reasons = reasons.into_iter();
            files.retain(|file| match reasons.next().flatten() {
                Some(reason) => {
                    skipped.push(Skipped {
                        image: file.name.clone(),
                        reason,
                        class: Some(file.label),
                    });
                    false
                }
                None => true,
            });
        }
        Ok(skipped)
    }

    /// Offers the images of a layout. `skipped` are those that were left out of it.
    pub(super) fn offer(
        self,
        mut layout: Layout,
        skipped: Vec<Skipped>,
        usage: SplitUse,
    ) -> Result<Offer, Failure> {
        let pool = |files: Vec<Listed>| Files::new(files, self);
        let (mut train, mut validation) = (layout.train.unwrap_or_default(), layout.validation);
        if usage.joins_validation {
            train.extend(validation.take().unwrap_or_default());
        }
        if usage.joins_test {
            train.append(&mut layout.test);
        }
        let mut train = pool(train);
        if usage.divides() {
            train.mark_equal_files()?;
        }
        Ok(Offer {
            classes: layout.classes,
            train: Box::new(train),
            validation: match validation {
                Some(files) => Some(Box::new(pool(files))),
                None => None,
            },
            test: Box::new(pool(layout.test)),
            skipped,
            omitted: layout.omitted,
        })
    }
}

fn bad_image(path: &Path, reason: &str) -> Unusable {
    Unusable::new(format!("`{}` {reason}", path.shown()))
        .hint("repair or delete it, or set `on_bad_image: skip` to leave such files out")
}

/// Images in files.
struct Files {
    examples: Vec<Example>,
    paths: Vec<PathBuf>,
    reading: Reading,
}

impl Files {
    fn new(files: Vec<Listed>, reading: Reading) -> Self {
        let (examples, paths) = files
            .into_iter()
            .map(|file| {
                let example = Example {
                    name: file.name,
                    label: file.label,
                    group: file.group,
                    content: None,
                };
                (example, file.path)
            })
            .unzip();
        Self {
            examples,
            paths,
            reading,
        }
    }

    /// Marks files with equal bytes. Only files of equal length are read, and only their hashes are compared.
    /// Different files with the same hash merely stay on one side of a split.
    fn mark_equal_files(&mut self) -> Result<(), Failure> {
        let lengths: Vec<u64> = self
            .paths
            .par_iter()
            .map(|path| match fs::metadata(path) {
                Ok(metadata) => Ok(metadata.len()),
                Err(e) => Err(Failure::io("read", path, e)),
            })
            .collect::<Result<_, _>>()?;
        let mut count = HashMap::new();
        for &length in &lengths {
            *count.entry(length).or_insert(0u32) += 1;
        }
        self.examples
            .par_iter_mut()
            .zip(&self.paths)
            .zip(&lengths)
            .filter(|(_, length)| count[length] > 1)
            .try_for_each(|((example, path), length)| {
                let bytes = files::read(path, files::MOST_IMAGE)
                    .map_err(|e| Failure::io("read", path, e))?;
                let mut hasher = DefaultHasher::new();
                hasher.write_u64(*length);
                hasher.write(&bytes);
                example.content = Some(hasher.finish());
                Ok(())
            })
    }
}

impl Pool for Files {
    fn examples(&self) -> &[Example] {
        &self.examples
    }

    fn file(&self, index: usize) -> Option<&Path> {
        self.paths.get(index).map(PathBuf::as_path)
    }

    fn read(
        &self,
        wanted: &[usize],
        shape: ImageShape,
        sink: &mut Sink<'_>,
    ) -> Result<Outcome, Failure> {
        let decoder = self.reading.decoder();
        let mut outcome = Outcome::default();
        for chunk in wanted.chunks(128) {
            let images: Vec<Result<(Vec<u8>, Seen), String>> = chunk
                .par_iter()
                .map_init(Resizer::new, |resizer, &i| {
                    decoder.read(&self.paths[i], shape, resizer)
                })
                .collect();
            for (&i, image) in chunk.iter().zip(images) {
                let Example { name, label, .. } = &self.examples[i];
                match (image, self.reading.on_bad_image) {
                    (Ok((image, seen)), _) => {
                        sink(i, &image)?;
                        if seen.has_several {
                            outcome.several.push(name.clone());
                        }
                        if let Some(brightest) = seen.brightest {
                            outcome.deep += 1;
                            outcome.brightest = outcome.brightest.max(brightest);
                        }
                    }
                    (Err(reason), OnBadImage::Fail) => {
                        return Err(bad_image(&self.paths[i], &reason).into());
                    }
                    (Err(reason), OnBadImage::Skip) => outcome.skipped.push(Skipped {
                        image: name.clone(),
                        reason,
                        class: Some(*label),
                    }),
                }
            }
        }
        Ok(outcome)
    }
}
