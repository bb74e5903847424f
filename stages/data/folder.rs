//! The source `folder`: image files in `<split>/<CLASS>/`.

use std::collections::HashMap;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

use contract::{Failure, ImageShape, Invalid, ShowPath, Text, files, ranges};
use images::{Decoder, Resizer};
use rayon::prelude::*;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layout::{self, Layout, Listed};
use super::source::{Example, Offer, Pool, Sink, Skipped, SplitUse, Unusable};

/// Parameters of the source `folder`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Folder {
    /// Folder that contains `train/<CLASS>/` and `test/<CLASS>/`, or only the latter, with `jpg`, `jpeg` or `png`
    /// files, or a folder around it; relative to the working directory. The classes are named after their folders. Files
    /// in folders below a class folder, and files of other formats, are left out and reported. Names that
    /// start with a dot, and files that a `.runnerignore` (with the syntax of a `.gitignore`) leaves out, are
    /// skipped. If the dataset's `validation` is 0, the images in a folder `val` or `validation` are the
    /// validation set. Otherwise they join the training images.
    #[schemars(with = "Text")]
    pub path: PathBuf,
    /// Regular expression on the file name. Its first capture is the group (for example, the patient) whose
    /// images stay together. A file whose name does not match is a group of its own.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub group_by: Option<String>,
    /// Reaction to a file that cannot be decoded or is too large.
    #[serde(default)]
    pub on_bad_image: OnBadImage,
    /// Images with more pixels are refused.
    #[serde(default = "default_max_megapixels")]
    #[schemars(range(min = 1, max = 1000), extend("x-unit" = "megapixels"))]
    pub max_megapixels: u32,
}

fn default_max_megapixels() -> u32 {
    100
}

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

impl Folder {
    /// Checks the parameters without looking at the disk.
    pub fn check(&self) -> Result<(), Invalid> {
        ranges::whole("max_megapixels", self.max_megapixels as usize, 1, 1000)?;
        self.pattern().map(drop)
    }

    /// Returns the names of the classes, if the folders can be read.
    pub fn class_names(&self) -> Option<Vec<String>> {
        layout::class_names(&self.path)
    }

    /// Returns `true` if there is a folder with training images; `None` if the folders cannot be read.
    pub fn has_train(&self) -> Option<bool> {
        layout::has_train(&self.path)
    }

    /// Returns `true` if there is a folder for validation images; `None` if the folders cannot be read.
    pub fn has_validation(&self) -> Option<bool> {
        layout::has_validation(&self.path)
    }

    /// Reads the folders and every file's header, and returns the number of classes.
    pub fn preflight(&self, usage: SplitUse) -> Result<usize, Invalid> {
        let (layout, _) = self.checked(usage)?;
        Ok(layout.classes.len())
    }

    /// Lists the images.
    pub fn offer(&self, usage: SplitUse) -> Result<Offer, Failure> {
        let (mut layout, skipped) = self.checked(usage)?;
        let pattern = self
            .pattern()
            .map_err(|e| Failure::Internal(format!("`group_by`: {e}")))?;
        let pool = |files: Vec<Listed>| self.pool(files, pattern.as_ref());
        let (mut train, mut validation) = (layout.train.unwrap_or_default(), layout.validation);
        if usage.joins_validation {
            train.extend(validation.take().unwrap_or_default());
        }
        if usage.joins_test {
            train.append(&mut layout.test);
        }
        let mut train = pool(train);
        if usage.joins_validation || usage.is_divided {
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

    fn decoder(&self) -> Decoder {
        Decoder {
            max_pixels: u64::from(self.max_megapixels) * 1_000_000,
        }
    }

    fn pattern(&self) -> Result<Option<Regex>, Invalid> {
        let Some(pattern) = &self.group_by else {
            return Ok(None);
        };
        let regex = Regex::new(pattern).map_err(|e| {
            let text = e.to_string();
            let cause = text.lines().last().unwrap_or_default();
            let cause = cause.trim_start_matches("error: ");
            Invalid::new(format!("`group_by` is not a regular expression: {cause}"))
                .under("group_by")
        })?;
        if regex.captures_len() < 2 {
            return Err(Invalid::new("`group_by` has no capture group")
                .hint(r"put parentheses around the patient's name, as in `^(person\d+_[a-z]+)_`")
                .under("group_by"));
        }
        Ok(Some(regex))
    }

    /// Lists the files without those that have a bad header, or returns an error, depending on `on_bad_image`.
    fn checked(&self, usage: SplitUse) -> Result<(Layout, Vec<Skipped>), Unusable> {
        let mut layout = Layout::read(&self.path, !usage.is_divided)?;
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
                return Err(self.bad(
                    &files[bad].path,
                    reasons[bad].as_deref().unwrap_or_default(),
                ));
            }
            let mut reasons = reasons.into_iter();
            files.retain(|file| match reasons.next().flatten() {
                Some(reason) => {
                    let image = file.name.clone();
                    let class = Some(file.label);
                    skipped.push(Skipped {
                        image,
                        reason,
                        class,
                    });
                    false
                }
                None => true,
            });
        }
        layout.check_classes(&self.path, !usage.is_divided)?;
        Ok((layout, skipped))
    }

    fn bad(&self, path: &Path, reason: &str) -> Unusable {
        Unusable::new(format!("`{}` {reason}", path.shown()))
            .hint("repair or delete it, or set `on_bad_image: skip` to leave such files out")
    }

    fn pool(&self, files: Vec<Listed>, pattern: Option<&Regex>) -> Files {
        let group = |file: &Listed| {
            let name = file.path.file_name()?.to_string_lossy();
            let capture = pattern?.captures(&name)?.get(1)?;
            Some(capture.as_str().to_owned())
        };
        Files {
            examples: files
                .iter()
                .map(|file| Example {
                    name: file.name.clone(),
                    label: file.label,
                    group: group(file),
                    content: None,
                })
                .collect(),
            paths: files.into_iter().map(|file| file.path).collect(),
            folder: self.clone(),
        }
    }
}

/// Images in files.
struct Files {
    examples: Vec<Example>,
    paths: Vec<PathBuf>,
    folder: Folder,
}

impl Files {
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
    ) -> Result<Vec<Skipped>, Failure> {
        let decoder = self.folder.decoder();
        let mut skipped = Vec::new();
        for chunk in wanted.chunks(128) {
            let images: Vec<Result<Vec<u8>, String>> = chunk
                .par_iter()
                .map_init(Resizer::new, |resizer, &i| {
                    decoder.read(&self.paths[i], shape, resizer)
                })
                .collect();
            for (&i, image) in chunk.iter().zip(images) {
                match (image, self.folder.on_bad_image) {
                    (Ok(image), _) => sink(i, &image)?,
                    (Err(reason), OnBadImage::Fail) => {
                        return Err(self.folder.bad(&self.paths[i], &reason).into());
                    }
                    (Err(reason), OnBadImage::Skip) => {
                        let image = self.examples[i].name.clone();
                        let class = Some(self.examples[i].label);
                        skipped.push(Skipped {
                            image,
                            reason,
                            class,
                        });
                    }
                }
            }
        }
        Ok(skipped)
    }
}
