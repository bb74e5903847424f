//! The source `folder`: image files in `<split>/<CLASS>/`, or in `<CLASS>/`.

use std::path::PathBuf;

use contract::{Failure, Invalid, Text};
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::files::{OnBadImage, Reading, default_max_megapixels};
use super::layout::{self, Layout, LayoutKind};
use super::source::{Offer, Skipped, SplitUse, Unusable};

/// Parameters of the source `folder`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Folder {
    /// Folder that contains `train/<CLASS>/` and `test/<CLASS>/`, or only the latter, with JPEG, PNG, TIFF, BMP, WebP or
    /// DICOM files, or a folder around it; relative to the working directory. The classes are named after their folders.
    /// If the images are divided (by `split` beside `source`, or into folds), it may contain `<CLASS>/` instead. Files in
    /// folders below a class folder, and files of other formats, are left out and reported. Names that start with a dot,
    /// and files that a `.runnerignore` (with the syntax of a `.gitignore`) leaves out, are skipped. If the dataset's
    /// `validation` is 0, the images in a folder `val` or `validation` are the validation set. Otherwise they join the
    /// training images.
    #[schemars(with = "Text")]
    pub path: PathBuf,
    /// Also read the files in folders below a class folder, at any depth.
    #[serde(default, skip_serializing_if = "is_not")]
    pub nested: bool,
    /// Regular expression on the file name or, with `nested`, on the path in the class folder (`patient7/2.dcm`). Its first
    /// capture is the group (for example, the patient) whose images stay together. A file whose name does not match is a
    /// group of its own.
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
    /// Number of bits that the values of PNG and TIFF files with 16 bits per value use: 12 for most X-ray detectors. The
    /// largest value of so many bits is white in every image. DICOM files say it themselves.
    #[serde(
        default = "images::all_bits",
        skip_serializing_if = "images::are_all_bits"
    )]
    #[schemars(range(min = 9, max = 16))]
    pub bits: u8,
}

fn is_not(value: &bool) -> bool {
    !value
}

impl Folder {
    /// Checks the parameters without looking at the disk.
    pub fn check(&self) -> Result<(), Invalid> {
        self.reading().check_ranges()?;
        self.pattern().map(drop)
    }

    /// Returns the names of the classes, if the folders can be read.
    pub fn class_names(&self) -> Option<Vec<String>> {
        layout::class_names(&self.path)
    }

    /// Returns `true` if there are training images; `None` if the folders cannot be read.
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
        if let Some(pattern) = pattern {
            // The path in the class folder follows the names of the split, if there is one, and the class.
            let folders = match layout.kind {
                LayoutKind::Splits => 2,
                LayoutKind::Classes | LayoutKind::Table => 1,
            };
            for file in layout.splits_mut().flatten() {
                let below = file.name.splitn(folders + 1, '/').last();
                let capture = below.and_then(|below| pattern.captures(below)?.get(1));
                file.group = capture.map(|capture| capture.as_str().to_owned());
            }
        }
        self.reading().offer(layout, skipped, usage)
    }

    fn reading(&self) -> Reading {
        Reading {
            on_bad_image: self.on_bad_image,
            max_megapixels: self.max_megapixels,
            bits: self.bits,
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
        let mut layout = Layout::read(&self.path, usage, self.nested)?;
        let skipped = self.reading().check(&mut layout)?;
        layout.check_classes(&self.path, usage.needs_test())?;
        Ok((layout, skipped))
    }
}
