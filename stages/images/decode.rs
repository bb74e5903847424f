//! Decodes image files to pixels of a given shape.

use std::fmt::Display;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use contract::{ImageShape, files};
use fast_image_resize::Resizer;
use image::metadata::Orientation;
use image::{DynamicImage, ImageResult};

use crate::depth;
use crate::dicom::Dicom;
use crate::format::{FORMATS, Format};
use crate::jpeg::Jpeg;
use crate::raster::{Raster, png_size};
use crate::resize::fit;

/// Number of bytes at the start of a file that contain the header of nearly every image.
const PREFIX: u64 = 1 << 16;

/// Decodes files of up to a given number of pixels, and resizes the images.
///
/// Images are turned and mirrored as the orientation in their EXIF data says. Only the first page, frame or picture of a
/// file is read.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    /// Images with more pixels are refused before any memory is allocated for them.
    pub max_pixels: u64,
    /// Number of bits that the values of PNG and TIFF files with 16 bits per value use (one of
    /// [`BITS`](crate::BITS)). The largest value of so many bits is white. An image with a larger value is refused.
    pub bits: u8,
}

/// Properties of a file that its resized pixels do not show, for remarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `true` if the file contains several pages, frames or pictures. Only the first is used.
    pub has_several: bool,
    /// The largest value of an image with 16 bits per value, except for DICOM files, which say how many bits they use.
    pub brightest: Option<u16>,
}

/// Properties of an image file that are lost when the image is fitted to a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original {
    /// Width and height of the image as viewers show it.
    pub width: u32,
    pub height: u32,
    /// `true` if colors are lost: the shape is gray, and the image is not.
    pub loses_color: bool,
    pub seen: Seen,
}

/// Least difference between the components of a pixel that counts as a color. Compression of gray images leaves
/// smaller ones.
const LEAST_CHROMA: u8 = 32;

/// An image is colored if it has more than one colored pixel in this many.
const PIXELS_PER_COLORED: usize = 200;

/// A file whose header has been read.
enum Opened<'a> {
    Jpeg(Box<Jpeg<'a>>),
    Raster(Raster<'a>),
    Dicom(Box<Dicom<'a>>),
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
    ) -> Result<(Vec<u8>, Seen), String> {
        let bytes =
            files::read(path, files::MOST_IMAGE).map_err(|e| format!("cannot be read: {e}"))?;
        let (image, seen) = self.decode(&bytes, shape.channels == 1)?;
        Ok((fit(image, shape, resizer), seen))
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
        let (image, seen) = self.decode(&bytes, shape.channels == 1)?;
        let original = Original {
            width: image.width(),
            height: image.height(),
            loses_color: shape.channels == 1 && self.is_colored(&bytes, &image)?,
            seen,
        };
        Ok((fit(image, shape, resizer), original))
    }

    /// Returns `true` if the file `bytes`, from which `image` was decoded, has colors. The colors of a JPEG file may have
    /// been skipped.
    fn is_colored(&self, bytes: &[u8], image: &DynamicImage) -> Result<bool, String> {
        if image.color().has_color() {
            return Ok(has_colored_pixels(image));
        }
        match Format::of(bytes) {
            Some(Format::Jpeg) => Ok(has_colored_pixels(&self.decode(bytes, false)?.0)),
            _ => Ok(false),
        }
    }

    /// Decodes a whole file from memory.
    #[cfg(test)]
    pub(crate) fn decode_bytes(&self, bytes: &[u8]) -> Result<DynamicImage, String> {
        Ok(self.decode(bytes, false)?.0)
    }

    /// Decodes a file, to gray pixels if `gray` is set and if that is less work.
    fn decode(&self, bytes: &[u8], gray: bool) -> Result<(DynamicImage, Seen), String> {
        let mut seen = Seen {
            has_several: false,
            brightest: None,
        };
        let (mut image, orientation) = match self.open(bytes)? {
            // The decoder would fill the missing pixels with gray.
            Opened::Jpeg(jpeg) if !jpeg.is_complete() => return Err("is truncated".into()),
            Opened::Jpeg(jpeg) => {
                let orientation = jpeg.orientation();
                let image = jpeg.decode(gray);
                let image = image.map_err(|e| format!("cannot be decoded: {e}"))?;
                (image, orientation.unwrap_or(Orientation::NoTransforms))
            }
            Opened::Raster(raster) => {
                seen.has_several = raster.has_several();
                let (image, orientation) = raster.decode()?;
                let (image, brightest) = depth::widened(image, self.bits)?;
                seen.brightest = brightest;
                (image, orientation)
            }
            Opened::Dicom(dicom) => {
                seen.has_several = dicom.has_several();
                (dicom.decode()?, Orientation::NoTransforms)
            }
        };
        image.apply_orientation(orientation);
        Ok((image, seen))
    }

    /// Reads the header, and refuses an image that is too large.
    fn open<'a>(&self, bytes: &'a [u8]) -> Result<Opened<'a>, String> {
        let format = Format::of(bytes);
        let format = format.ok_or_else(|| format!("is no image in the format {FORMATS}"))?;
        let no_image = |e: &dyn Display| {
            let why = e.to_string();
            format!("is no readable {} image: {}", format.name(), why.trim())
        };
        let raster = |raster: ImageResult<Raster<'a>>| match raster {
            Ok(raster) => Ok(Opened::Raster(raster)),
            Err(error) => Err(no_image(&error)),
        };
        let opened = match format {
            Format::Jpeg => {
                let jpeg = Jpeg::open(bytes).map_err(|e| no_image(&e))?;
                Opened::Jpeg(Box::new(jpeg))
            }
            Format::Dicom => Opened::Dicom(Box::new(Dicom::open(bytes)?)),
            Format::Png => {
                // Checked before the decoder allocates memory for a line of pixels.
                self.allow(png_size(bytes).unwrap_or_default())?;
                raster(Raster::png(bytes))?
            }
            Format::Tiff => raster(Raster::tiff(bytes))?,
            Format::Bmp => raster(Raster::bmp(bytes))?,
            Format::WebP => raster(Raster::webp(bytes))?,
        };
        let size = match &opened {
            Opened::Jpeg(jpeg) => jpeg.size(),
            Opened::Raster(raster) => raster.size(),
            Opened::Dicom(dicom) => dicom.size(),
        };
        if size.0 == 0 || size.1 == 0 {
            return Err(format!("is {}×{} pixels large", size.0, size.1));
        }
        self.allow(size)?;
        Ok(opened)
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::codecs::jpeg::JpegEncoder;
    use image::{ExtendedColorType, ImageEncoder, ImageFormat, Rgb, RgbImage};

    use super::*;

    const GRAY: ImageShape = ImageShape {
        height: 8,
        width: 8,
        channels: 1,
    };
    const DECODER: Decoder = Decoder {
        max_pixels: 1_000_000,
        bits: 16,
    };
    const PLAIN: Seen = Seen {
        has_several: false,
        brightest: None,
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
        let (same, seen) = DECODER.read(&path, GRAY, &mut resizer).unwrap();
        assert!(pixels == same && original.seen == seen);
        original
    }

    fn jpeg(image: &RgbImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
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
            for (name, bytes) in [("a.jpeg", jpeg(image)), ("a.png", png(image))] {
                let expected = Original {
                    width: 64,
                    height: 40,
                    loses_color,
                    seen: PLAIN,
                };
                assert_eq!(original(name, &bytes), expected, "{name}");
            }
        }
    }
}
