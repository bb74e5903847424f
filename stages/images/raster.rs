//! Decodes PNG, TIFF, BMP and WebP files with the crate `image`.

use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::tiff::TiffDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageResult, Limits};

/// Memory in bytes that a decoder may use in addition to the decoded image: for a line of pixels, and for a color
/// profile. A profile is compressed, so even the smallest image can contain a decompression bomb.
const MOST_BESIDE_PIXELS: u64 = 1 << 24;

/// Largest number of bytes of a pixel.
const MOST_PIXEL_BYTES: u64 = 16;

/// A file whose header has been read.
pub(crate) enum Raster<'a> {
    Png(Box<PngDecoder<Cursor<&'a [u8]>>>),
    Tiff {
        decoder: Box<TiffDecoder<Cursor<&'a [u8]>>>,
        has_more_pages: bool,
    },
    Bmp(Box<BmpDecoder<Cursor<&'a [u8]>>>),
    WebP(Box<WebPDecoder<Cursor<&'a [u8]>>>),
}

impl<'a> Raster<'a> {
    /// Reads the header of a PNG file. The caller checks the size ([`png_size`]) first, because the decoder allocates
    /// memory for a line of pixels.
    pub(crate) fn png(bytes: &'a [u8]) -> ImageResult<Self> {
        let mut limits = Limits::default();
        limits.max_alloc = Some(MOST_BESIDE_PIXELS);
        let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits)?;
        Ok(Self::Png(Box::new(decoder)))
    }

    pub(crate) fn tiff(bytes: &'a [u8]) -> ImageResult<Self> {
        let decoder = TiffDecoder::new(Cursor::new(bytes))?;
        // The crate `image` does not say whether there are more pages.
        let pages = tiff::decoder::Decoder::new(Cursor::new(bytes));
        let has_more_pages = pages.is_ok_and(|pages| pages.more_images());
        Ok(Self::Tiff {
            decoder: Box::new(decoder),
            has_more_pages,
        })
    }

    pub(crate) fn bmp(bytes: &'a [u8]) -> ImageResult<Self> {
        Ok(Self::Bmp(Box::new(BmpDecoder::new(Cursor::new(bytes))?)))
    }

    pub(crate) fn webp(bytes: &'a [u8]) -> ImageResult<Self> {
        Ok(Self::WebP(Box::new(WebPDecoder::new(Cursor::new(bytes))?)))
    }

    /// Width and height.
    pub(crate) fn size(&self) -> (u64, u64) {
        let (width, height) = match self {
            Self::Png(png) => png.dimensions(),
            Self::Tiff { decoder, .. } => decoder.dimensions(),
            Self::Bmp(bmp) => bmp.dimensions(),
            Self::WebP(webp) => webp.dimensions(),
        };
        (width.into(), height.into())
    }

    /// Returns whether the file has more images than the one that is decoded.
    pub(crate) fn has_several(&self) -> bool {
        match self {
            Self::Png(_) | Self::Bmp(_) => false,
            Self::Tiff { has_more_pages, .. } => *has_more_pages,
            Self::WebP(webp) => webp.has_animation(),
        }
    }

    /// Decodes the pixels. Also returns the orientation in the metadata.
    pub(crate) fn decode(self) -> Result<(DynamicImage, Orientation), String> {
        match self {
            Self::Png(png) => decoded(*png),
            Self::Tiff { mut decoder, .. } => {
                if matches!(decoder.color_type(), ColorType::Rgb32F | ColorType::Rgba32F) {
                    return Err(
                        "has floating-point values; convert it to 8 or 16 bits per value".into(),
                    );
                }
                let (width, height) = decoder.dimensions();
                let pixels = u64::from(width) * u64::from(height) * MOST_PIXEL_BYTES;
                let mut limits = Limits::default();
                limits.max_alloc = Some(pixels.saturating_add(MOST_BESIDE_PIXELS));
                decoder.set_limits(limits).map_err(undecodable)?;
                decoded(*decoder)
            }
            Self::Bmp(bmp) => decoded(*bmp),
            Self::WebP(webp) => decoded(*webp),
        }
    }
}

fn decoded(mut decoder: impl ImageDecoder) -> Result<(DynamicImage, Orientation), String> {
    // Damaged metadata are no reason to refuse the pixels.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(undecodable)?;
    Ok((image, orientation))
}

fn undecodable(error: image::ImageError) -> String {
    format!("cannot be decoded: {error}")
}

/// Returns the image size from the header of a PNG file. The header comes first in the file.
pub(crate) fn png_size(bytes: &[u8]) -> Option<(u64, u64)> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")?;
    let (width, rest) = header.split_first_chunk()?;
    let (height, _) = rest.split_first_chunk()?;
    Some((
        u32::from_be_bytes(*width).into(),
        u32::from_be_bytes(*height).into(),
    ))
}
