//! Decodes JPEG and PNG files to pixels of a given shape.

use std::fmt::Display;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use contract::{ImageShape, files};
use fast_image_resize::Resizer;
use image::codecs::png::PngDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, Limits};

use crate::jpeg::Jpeg;
use crate::resize::fit;

/// Number of bytes at the start of a file that contain the header of nearly every image.
const PREFIX: u64 = 1 << 16;

/// Memory in bytes that the decoder of a PNG file may use in addition to the decoded image: for a line of pixels,
/// and for a color profile. A profile is compressed, so even the smallest image can contain a decompression bomb.
const MOST_BESIDE_PIXELS: u64 = 1 << 24;

/// Decodes files of up to a given number of pixels, and resizes the images.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    /// Images with more pixels are refused before any memory is allocated for them.
    pub max_pixels: u64,
}

/// Properties of an image file that are lost when the image is fitted to a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original {
    pub width: u32,
    pub height: u32,
    /// `true` if colors are lost: the shape is gray, and the image is not.
    pub loses_color: bool,
    /// `true` if the file's EXIF data say that the image is to be turned or mirrored. Pixels are used as they are stored.
    pub is_turned: bool,
}

/// Least difference between the components of a pixel that counts as a color. Compression of gray images leaves
/// smaller ones.
const LEAST_CHROMA: u8 = 32;

/// An image is colored if it has more than one colored pixel in this many.
const PIXELS_PER_COLORED: usize = 200;

/// A file whose header has been read.
enum Opened<'a> {
    Jpeg(Box<Jpeg<'a>>),
    Png(Box<PngDecoder<Cursor<&'a [u8]>>>),
}

impl Decoder {
    /// Checks the header of a file, without decoding the pixels.
    ///
    /// # Errors
    /// The error says what is wrong with the file, as a fragment that follows its name.
    pub fn check(&self, path: &Path) -> Result<(), String> {
        let unreadable = |e| format!("cannot be read: {e}");
        let mut file = files::open(path).map_err(unreadable)?;
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
        // Large metadata can precede the header.
        file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        let bytes = files::read_open(&file, files::MOST_IMAGE).map_err(unreadable)?;
        self.open(&bytes).map(drop)
    }

    /// Reads and decodes a file, and resizes the image. Returns its bytes in the order height, width, channels
    /// (HWC).
    ///
    /// # Errors
    /// The error says what is wrong with the file, as a fragment that follows its name.
    pub fn read(
        &self,
        path: &Path,
        shape: ImageShape,
        resizer: &mut Resizer,
    ) -> Result<Vec<u8>, String> {
        let bytes =
            files::read(path, files::MOST_IMAGE).map_err(|e| format!("cannot be read: {e}"))?;
        let image = self.decode(&bytes, shape.channels == 1)?;
        Ok(fit(image, shape, resizer))
    }

    /// Like [`read`](Self::read), but also returns what the image was like before.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn read_with_original(
        &self,
        path: &Path,
        shape: ImageShape,
        resizer: &mut Resizer,
    ) -> Result<(Vec<u8>, Original), String> {
        let bytes =
            files::read(path, files::MOST_IMAGE).map_err(|e| format!("cannot be read: {e}"))?;
        let is_turned = self.open(&bytes)?.is_turned();
        let image = self.decode(&bytes, shape.channels == 1)?;
        let original = Original {
            width: image.width(),
            height: image.height(),
            loses_color: shape.channels == 1 && self.is_colored(&bytes, &image)?,
            is_turned,
        };
        Ok((fit(image, shape, resizer), original))
    }

    /// Returns `true` if the file `bytes`, from which `image` was decoded, has colors. The colors of a JPEG file may have
    /// been skipped.
    fn is_colored(&self, bytes: &[u8], image: &DynamicImage) -> Result<bool, String> {
        if image.color().has_color() {
            return Ok(has_colored_pixels(image));
        }
        match image::guess_format(bytes) {
            Ok(ImageFormat::Jpeg) => Ok(has_colored_pixels(&self.decode(bytes, false)?)),
            _ => Ok(false),
        }
    }

    /// Decodes a file, to gray pixels if `gray` is set and if that is less work.
    fn decode(&self, bytes: &[u8], gray: bool) -> Result<DynamicImage, String> {
        let undecodable = |e: &dyn Display| format!("cannot be decoded: {e}");
        match self.open(bytes)? {
            // The decoder would fill the missing pixels with gray.
            Opened::Jpeg(jpeg) if !jpeg.is_complete() => Err("is truncated".into()),
            Opened::Jpeg(jpeg) => jpeg.decode(gray).map_err(|e| undecodable(&e)),
            Opened::Png(png) => DynamicImage::from_decoder(*png).map_err(|e| undecodable(&e)),
        }
    }

    /// Reads the header, and refuses an image that is too large.
    fn open<'a>(&self, bytes: &'a [u8]) -> Result<Opened<'a>, String> {
        let no_image =
            |e: &dyn Display| format!("is no readable JPEG or PNG image: {}", e.to_string().trim());
        match image::guess_format(bytes) {
            Ok(ImageFormat::Jpeg) => {
                let jpeg = Jpeg::open(bytes).map_err(|e| no_image(&e))?;
                self.allow(jpeg.size())?;
                Ok(Opened::Jpeg(Box::new(jpeg)))
            }
            Ok(ImageFormat::Png) => {
                // Checked before the decoder allocates memory for a line of pixels.
                self.allow(png_size(bytes).unwrap_or_default())?;
                let mut limits = Limits::default();
                limits.max_alloc = Some(MOST_BESIDE_PIXELS);
                let png = PngDecoder::with_limits(Cursor::new(bytes), limits)
                    .map_err(|e| no_image(&e))?;
                Ok(Opened::Png(Box::new(png)))
            }
            _ => Err("is no JPEG or PNG image".into()),
        }
    }

    fn allow(&self, (width, height): (u64, u64)) -> Result<(), String> {
        if width * height > self.max_pixels {
            return Err(format!(
                "is {width}×{height} pixels, more than the {} megapixels that `max_megapixels` allows",
                self.max_pixels / 1_000_000
            ));
        }
        Ok(())
    }
}

impl Opened<'_> {
    fn is_turned(&mut self) -> bool {
        let orientation = match self {
            Self::Jpeg(jpeg) => jpeg.orientation(),
            Self::Png(png) => png.orientation().ok(),
        };
        orientation.is_some_and(|orientation| orientation != Orientation::NoTransforms)
    }
}

fn has_colored_pixels(image: &DynamicImage) -> bool {
    if !image.color().has_color() {
        return false;
    }
    let pixels = image.to_rgb8();
    let is_colored = |&[r, g, b]: &[u8; 3]| r.max(g).max(b) - r.min(g).min(b) >= LEAST_CHROMA;
    let (pixels, _) = pixels.as_chunks();
    let colored = pixels.iter().filter(|pixel| is_colored(pixel)).count();
    colored * PIXELS_PER_COLORED > pixels.len()
}

/// Returns the image size from the header of a PNG file. The header comes first in the file.
fn png_size(bytes: &[u8]) -> Option<(u64, u64)> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")?;
    let (width, rest) = header.split_first_chunk()?;
    let (height, _) = rest.split_first_chunk()?;
    Some((
        u32::from_be_bytes(*width).into(),
        u32::from_be_bytes(*height).into(),
    ))
}

#[cfg(test)]
mod tests {
    use image::codecs::jpeg::JpegEncoder;
    use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};

    use super::*;

    const GRAY: ImageShape = ImageShape {
        height: 8,
        width: 8,
        channels: 1,
    };
    const DECODER: Decoder = Decoder {
        max_pixels: 1_000_000,
    };

    /// Reads a file with these bytes, which is the same with and without a description of the original.
    fn original(name: &str, bytes: &[u8]) -> Original {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut resizer = Resizer::new();
        let (pixels, original) = DECODER
            .read_with_original(&path, GRAY, &mut resizer)
            .unwrap();
        assert_eq!(pixels, DECODER.read(&path, GRAY, &mut resizer).unwrap());
        original
    }

    fn jpeg(image: &RgbImage, exif: Option<Vec<u8>>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
        if let Some(exif) = exif {
            encoder.set_exif_metadata(exif).unwrap();
        }
        let (width, height) = image.dimensions();
        encoder
            .write_image(image, width, height, ExtendedColorType::Rgb8)
            .unwrap();
        bytes
    }

    fn png(image: &RgbImage) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn colors_are_found_and_gray_in_rgb_is_not_a_color() {
        let gray = RgbImage::from_fn(64, 40, |x, y| [(x * 3 + y) as u8; 3].into());
        let mut marked = gray.clone();
        for x in 0..20 {
            marked.put_pixel(x, 3, Rgb([255, 0, 0]));
        }
        let tinted = RgbImage::from_fn(64, 40, |x, _| [x as u8, 20 + x as u8, 50 + x as u8].into());
        for (image, loses_color) in [(&gray, false), (&marked, true), (&tinted, true)] {
            for (name, bytes) in [("a.jpeg", jpeg(image, None)), ("a.png", png(image))] {
                let expected = Original {
                    width: 64,
                    height: 40,
                    loses_color,
                    is_turned: false,
                };
                assert_eq!(original(name, &bytes), expected, "{name}");
            }
        }
    }

    #[test]
    fn the_orientation_in_exif_data_is_found() {
        let image = RgbImage::new(8, 8);
        for (orientation, is_turned) in [(1, false), (3, true), (6, true)] {
            // A TIFF header, and a directory with one entry: the tag 0x0112, a short.
            let exif = [
                b"II*\0\x08\0\0\0\x01\0" as &[u8],
                &[0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0],
                &[0; 4],
            ]
            .concat();
            let bytes = jpeg(&image, Some(exif));
            assert_eq!(original("a.jpg", &bytes).is_turned, is_turned);
        }
    }
}
