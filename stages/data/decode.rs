//! From the bytes of a JPEG or PNG file to pixels of a wanted shape.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{InnerPixel, U16, U16x3};
use fast_image_resize::{PixelTrait, Resizer};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::contract::ImageShape;

/// Enough of a file to hold the header of nearly every image.
const PREFIX: u64 = 1 << 16;

/// Decodes files of at most a given number of pixels, and resizes.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    /// Images of more pixels are refused before anything is allocated for them.
    pub max_pixels: u64,
}

impl Decoder {
    /// Reads a file's header alone.
    ///
    /// # Errors
    /// What is wrong with the file, as a fragment that follows its name.
    pub fn check(&self, path: &Path) -> Result<(), String> {
        let unreadable = |e| format!("cannot be read: {e}");
        let mut file = File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.by_ref()
            .take(PREFIX)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if bytes.is_empty() {
            return Err("is empty".into());
        }
        let checked = self.open(&bytes).map(drop);
        if checked.is_ok() || (bytes.len() as u64) < PREFIX {
            return checked;
        }
        // Large metadata can stand in front of the header.
        file.read_to_end(&mut bytes).map_err(unreadable)?;
        self.open(&bytes).map(drop)
    }

    /// Reads, decodes and resizes a file to HWC bytes.
    ///
    /// # Errors
    /// What is wrong with the file, as a fragment that follows its name.
    pub fn read(
        &self,
        path: &Path,
        shape: ImageShape,
        resizer: &mut Resizer,
    ) -> Result<Vec<u8>, String> {
        let bytes = std::fs::read(path).map_err(|e| format!("cannot be read: {e}"))?;
        let image = self.decode(&bytes)?;
        Ok(fit(&image, shape, resizer))
    }

    fn decode(&self, bytes: &[u8]) -> Result<DynamicImage, String> {
        let (format, decoder) = self.open(bytes)?;
        // The decoder would fill what is missing of a JPEG with gray.
        if format == ImageFormat::Jpeg && !jpeg_is_complete(bytes) {
            return Err("is truncated".into());
        }
        DynamicImage::from_decoder(decoder).map_err(|e| format!("cannot be decoded: {e}"))
    }

    /// Reads the header and refuses what is too large.
    fn open<'a>(
        &self,
        bytes: &'a [u8],
    ) -> Result<(ImageFormat, impl ImageDecoder + use<'a>), String> {
        let no_image = |e: &dyn std::fmt::Display| format!("is no readable JPEG or PNG image: {e}");
        let mut reader = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(|e| no_image(&e))?;
        let format = match reader.format() {
            Some(format @ (ImageFormat::Jpeg | ImageFormat::Png)) => format,
            _ => return Err("is no JPEG or PNG image".into()),
        };
        let mut limits = Limits::default();
        // Four channels of 16 bits, the most that a pixel takes.
        limits.max_alloc = Some(8 * self.max_pixels);
        reader.limits(limits);
        let decoder = reader.into_decoder().map_err(|e| no_image(&e))?;
        let (width, height) = decoder.dimensions();
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(format!(
                "is {width}×{height} pixels, more than the {} megapixels that `max_megapixels` allows",
                self.max_pixels / 1_000_000
            ));
        }
        Ok((format, decoder))
    }
}

/// Whether the last scan of a JPEG file is followed by the end marker. Within a scan, a marker's
/// bytes cannot occur.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    last([0xff, 0xd9]) > last([0xff, 0xda])
}

/// Converts an image of any kind to HWC bytes of `shape`, stretching it. Transparency is ignored.
///
/// Filtered (Lanczos, widened when shrinking) in 16-bit integers, whose results do not depend on
/// the processor, and rounded to bytes once.
fn fit(image: &DynamicImage, shape: ImageShape, resizer: &mut Resizer) -> Vec<u8> {
    let size = (image.width() as usize, image.height() as usize);
    match shape.channels {
        1 => resize::<U16>(&image.to_luma16(), size, shape, resizer),
        _ => resize::<U16x3>(&image.to_rgb16(), size, shape, resizer),
    }
}

/// Converts HWC bytes, `size` (width, height) with 1 or 3 channels, to `shape`.
pub fn fit_bytes(
    bytes: Vec<u8>,
    size: (usize, usize),
    channels: usize,
    shape: ImageShape,
    resizer: &mut Resizer,
) -> Vec<u8> {
    let (width, height) = (size.0 as u32, size.1 as u32);
    let image = if channels == 1 {
        image::GrayImage::from_raw(width, height, bytes).map(DynamicImage::from)
    } else {
        image::RgbImage::from_raw(width, height, bytes).map(DynamicImage::from)
    };
    fit(
        &image.expect("as many bytes as the size says"),
        shape,
        resizer,
    )
}

fn resize<P>(
    values: &[u16],
    (width, height): (usize, usize),
    shape: ImageShape,
    resizer: &mut Resizer,
) -> Vec<u8>
where
    P: PixelTrait + InnerPixel,
{
    let source =
        TypedImageRef::<P>::from_buffer(width as u32, height as u32, bytemuck::cast_slice(values))
            .expect("16-bit pixels of this size");
    let mut values = vec![0u16; shape.len()];
    let mut target = TypedImage::<P>::from_buffer(
        shape.width as u32,
        shape.height as u32,
        bytemuck::cast_slice_mut(&mut values),
    )
    .expect("16-bit pixels of this shape");
    resizer
        .resize_typed(&source, &mut target, None)
        .expect("sizes above zero");
    drop(target);
    values
        .into_iter()
        .map(|value| ((u32::from(value) + 128) / 257) as u8)
        .collect()
}
