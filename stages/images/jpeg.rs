//! Decodes JPEG files, without color where only gray is needed.

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// A JPEG file whose header has been read.
pub(crate) struct Jpeg<'a> {
    bytes: &'a [u8],
    decoder: JpegDecoder<ZCursor<&'a [u8]>>,
    width: usize,
    height: usize,
}

impl<'a> Jpeg<'a> {
    /// Reads the header.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, DecodeErrors> {
        // The caller limits the size of images.
        let options = DecoderOptions::default()
            .set_strict_mode(false)
            .set_max_width(usize::MAX)
            .set_max_height(usize::MAX);
        Self::with_options(bytes, options)
    }

    fn with_options(bytes: &'a [u8], options: DecoderOptions) -> Result<Self, DecodeErrors> {
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
        decoder.decode_headers()?;
        let (width, height) = decoder
            .dimensions()
            .ok_or(DecodeErrors::FormatStatic("no size"))?;
        Ok(Self {
            bytes,
            decoder,
            width,
            height,
        })
    }

    /// Width and height.
    pub(crate) fn size(&self) -> (u64, u64) {
        (self.width as u64, self.height as u64)
    }

    /// Orientation in the EXIF data, if there is one.
    pub(crate) fn orientation(&self) -> Option<Orientation> {
        Orientation::from_exif_chunk(self.decoder.exif()?)
    }

    /// Returns whether the end marker follows the start of the last scan. The bytes of these two markers cannot occur
    /// within a scan's data.
    pub(crate) fn is_complete(&self) -> bool {
        let last = |marker: [u8; 2]| self.bytes.windows(2).rposition(|pair| pair == marker);
        last([0xff, 0xd9]) > last([0xff, 0xda])
    }

    /// Decodes the pixels. If `gray` pixels are enough and the file stores luma apart from color, as nearly
    /// all files do, the color is skipped: converting the colors to gray would give the luma again.
    pub(crate) fn decode(self, gray: bool) -> Result<DynamicImage, DecodeErrors> {
        let wanted = match self.decoder.input_colorspace() {
            Some(ColorSpace::Luma) => ColorSpace::Luma,
            Some(ColorSpace::YCbCr) if gray => ColorSpace::Luma,
            _ => ColorSpace::RGB,
        };
        self.decode_to(wanted)
    }

    /// Decodes three components as red, green and blue, whatever the file says about them.
    pub(crate) fn decode_as_stored(self) -> Result<DynamicImage, DecodeErrors> {
        let stored = self.decoder.input_colorspace().unwrap_or(ColorSpace::RGB);
        self.decode_to(stored)
    }

    fn decode_to(mut self, wanted: ColorSpace) -> Result<DynamicImage, DecodeErrors> {
        let options = self.decoder.options().jpeg_set_out_colorspace(wanted);
        self.decoder.set_options(options);
        let pixels = self.decoder.decode()?;
        let (width, height) = (self.width as u32, self.height as u32);
        let image = match wanted {
            ColorSpace::Luma => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
            _ => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
        };
        image.ok_or(DecodeErrors::FormatStatic("not as many pixels as it says"))
    }
}

#[cfg(test)]
mod tests {
    use image::codecs::jpeg::JpegEncoder;

    use super::*;

    /// Creates a file of colored noise.
    fn noise(quality: u8) -> Vec<u8> {
        let mut state = 1u32;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let image = RgbImage::from_fn(101, 67, |_, _| std::array::from_fn(|_| byte()).into());
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality)
            .encode_image(&image)
            .unwrap();
        bytes
    }

    #[test]
    fn every_processor_decodes_alike() {
        for bytes in [noise(50), noise(95)] {
            for gray in [true, false] {
                let plain = DecoderOptions::default().set_use_unsafe(false);
                let plain = Jpeg::with_options(&bytes, plain).unwrap();
                let quick = Jpeg::open(&bytes).unwrap();
                assert!(quick.decode(gray).unwrap() == plain.decode(gray).unwrap());
            }
        }
    }

    /// No color may be clipped, because the stored luma belongs to the colors before clipping.
    #[test]
    fn gray_is_the_luma_of_the_colors() {
        let pastel = |x: u32, y: u32| [90 + x as u8, 110 + y as u8, 160 - x as u8].into();
        let image = RgbImage::from_fn(64, 64, pastel);
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 90)
            .encode_image(&image)
            .unwrap();
        let decoded = |gray| Jpeg::open(&bytes).unwrap().decode(gray).unwrap();
        let gray = decoded(true).into_luma8();
        for (luma, color) in gray.pixels().zip(decoded(false).into_rgb8().pixels()) {
            let [r, g, b] = color.0.map(f32::from);
            let expected = 0.299 * r + 0.587 * g + 0.114 * b;
            assert!((f32::from(luma.0[0]) - expected).abs() < 1.5);
        }
    }
}
