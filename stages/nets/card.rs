//! What the cards of classifiers and generators have in common: the version of their format, and the preprocessing
//! of images. docs/models.md describes the format for other programs.

use contract::ImageShape;
use serde::{Deserialize, Serialize};

/// Version of the format of models and generators.
const VERSION: u32 = 2;

/// The version of a card's format. Cards of other versions cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Format;

impl TryFrom<u32> for Format {
    type Error = String;

    fn try_from(version: u32) -> Result<Self, String> {
        match version {
            VERSION => Ok(Self),
            other => Err(format!(
                "the format has version {other}, but this program reads version {VERSION}"
            )),
        }
    }
}

impl From<Format> for u32 {
    fn from(Format: Format) -> Self {
        VERSION
    }
}

/// The way from an image file to the values that a classifier takes, apart from the size, which is that of the
/// architecture's input. The package `images` implements it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    pub color: Color,
    pub fit: Fit,
    pub filter: Filter,
    /// The values that the bytes 0 and 255 become.
    pub range: [f32; 2],
    /// Number of bits that the values of PNG and TIFF files with 16 bits per value use; absent if it is 16.
    #[serde(
        default = "images::all_bits",
        skip_serializing_if = "images::are_all_bits"
    )]
    pub bits: u8,
}

/// Conversion of colors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Color {
    /// One channel: the luma of ITU-R BT.601.
    Gray,
    /// Three channels: red, green, blue.
    Rgb,
}

/// Conversion of images of another shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// Each side is resized by itself.
    Stretch,
}

/// Filter of the resizing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// Lanczos with three lobes, widened when shrinking.
    Lanczos3,
}

impl Preprocessing {
    /// Range of the values of a classifier's input.
    const RANGE: [f32; 2] = [0.0, 1.0];

    /// Returns the preprocessing of all images of `shape`, whose files use `bits` of 16 bits.
    pub fn of(shape: ImageShape, bits: u8) -> Self {
        Self {
            color: match shape.channels {
                1 => Color::Gray,
                _ => Color::Rgb,
            },
            fit: Fit::Stretch,
            filter: Filter::Lanczos3,
            range: Self::RANGE,
            bits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Format;

    #[test]
    fn other_versions_are_refused() {
        assert_eq!(serde_json::to_string(&Format).unwrap(), "2");
        let error = serde_json::from_str::<Format>("3").unwrap_err().to_string();
        assert!(
            error.contains("version 3, but this program reads version 2"),
            "{error}"
        );
    }
}
