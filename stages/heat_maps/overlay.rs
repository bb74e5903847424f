//! Draws a heat map on an image.

use std::borrow::Cow;

use contract::{Failure, ImageShape, printable};

use super::HeatMap;
use super::resample::resample;
use crate::figures::heat;

/// Opacity of the color at the largest value of a map. The image must show through.
pub const MOST_OPACITY: f32 = 0.6;

/// An image with a heat map on it.
///
/// Colors are those of viridis, from dark violet through green to yellow. They are perceptually uniform, also for
/// color-blind readers, and gray images have none of them. Color and opacity grow in proportion to the map's value,
/// from 0 (the unchanged image, also for negative values) to the largest value of this map (yellow, with an opacity of
/// [`MOST_OPACITY`]). So colors of two images cannot be compared. If the largest value is 0, the image is unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    pub height: usize,
    pub width: usize,
    /// Height × width × 3 bytes.
    pub pixels: Vec<u8>,
}

/// Draws `map` on `image`, height × width × channels bytes of any size. The map is stretched to the image, as images
/// are stretched to the shape that a model takes. An image with one channel becomes gray.
///
/// # Errors
/// If the number of bytes is not that of `shape`, the image has no pixels, or the number of channels is not 1 or 3.
pub fn overlay(image: &[u8], shape: ImageShape, map: &HeatMap) -> Result<Overlay, Failure> {
    let ImageShape {
        height,
        width,
        channels,
    } = shape;
    if image.len() != shape.len() || shape.is_empty() || !matches!(channels, 1 | 3) {
        return Err(Failure::Internal(format!(
            "an image of {} bytes does not have the shape {shape}, or has no pixels",
            image.len()
        )));
    }
    let maximum = map.maximum();
    let mut pixels = colored(image, channels).into_owned();
    if maximum > 0.0 {
        let values = resample(&map.values, (map.height, map.width), (height, width));
        for (pixel, value) in pixels.chunks_exact_mut(3).zip(values) {
            let share = (value / maximum).clamp(0.0, 1.0);
            let opacity = share * MOST_OPACITY;
            for (channel, color) in pixel.iter_mut().zip(heat(f64::from(share))) {
                let (below, above) = (f32::from(*channel), f32::from(color));
                *channel = (below + opacity * (above - below)).round() as u8;
            }
        }
    }
    Ok(Overlay {
        height,
        width,
        pixels,
    })
}

/// Returns the bytes of an image with three channels.
pub(crate) fn colored(image: &[u8], channels: usize) -> Cow<'_, [u8]> {
    match channels {
        1 => image.iter().flat_map(|&value| [value; 3]).collect(),
        _ => Cow::Borrowed(image),
    }
}

impl Overlay {
    /// Returns the picture as a PNG file, with `description` as its text. The same picture and text always give the
    /// same bytes.
    ///
    /// # Errors
    /// If a side has 2³² pixels or more.
    pub fn png(&self, description: &str) -> Result<Vec<u8>, Failure> {
        encoded(&self.pixels, [self.width, self.height], description)
            .map_err(|e| Failure::Internal(format!("failed to encode a heat map: {e}")))
    }
}

fn encoded(
    pixels: &[u8],
    size: [usize; 2],
    description: &str,
) -> Result<Vec<u8>, png::EncodingError> {
    let [width, height] = size.map(|side| u32::try_from(side).unwrap_or(0));
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.add_itxt_chunk(
        "Description".to_owned(),
        printable(description).into_owned(),
    )?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

impl HeatMap {
    /// Describes the map and its colors, for a reader of the picture. `class` is the name of the class.
    pub fn description(&self, class: &str) -> String {
        let maximum = self.maximum();
        let map = format!("{} for the class {class}", self.technique);
        if maximum > 0.0 {
            format!(
                "{map}. Color and opacity grow from 0 (the image itself) to {maximum:.3} (yellow), the largest value \
                 of this map."
            )
        } else {
            format!("{map}. No place speaks for the class, so the image is unchanged.")
        }
    }
}
