//! Decodes JPEG and PNG files to pixels of a given shape.

use std::fmt::Display;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use contract::{ImageShape, files};
use fast_image_resize::Resizer;
use image::codecs::png::PngDecoder;
use image::{DynamicImage, ImageFormat, Limits};

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
