//! Reads the values of the first frame of a DICOM file.

use std::io::Cursor;

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};
use jpeg_decoder::{ColorTransform, PixelFormat};

use super::attributes::Photometric;
use super::reader::{Value, items};
use super::syntax::Compression;
use super::{Dicom, rle};
use crate::jpeg::Jpeg;

/// Last marker of a JPEG file.
const JPEG_END: [u8; 2] = [0xff, 0xd9];

/// Place of the number of bits, and of the sign, of the first component in a JPEG 2000 codestream (ISO/IEC 15444-1, annex A).
const JPEG_2000_DEPTH: usize = 42;

impl Dicom<'_> {
    /// Returns the values of the first frame as they are stored, with the samples of a pixel in sequence.
    ///
    /// # Errors
    /// The error is a fragment that follows the file's name.
    pub(super) fn first_frame(&self) -> Result<Vec<u16>, String> {
        let values = match (self.pixels, self.syntax.compression) {
            (Value::Bytes(bytes), Compression::None) => self.uncompressed(bytes)?,
            (Value::Items(bytes), Compression::Rle) => {
                let values = rle::decode(&self.compressed(bytes)?, &self.attributes);
                values.ok_or("is a DICOM file with damaged or truncated pixels")?
            }
            (Value::Items(bytes), Compression::Jpeg) => self.jpeg(&self.compressed(bytes)?)?,
            (Value::Items(bytes), Compression::LosslessJpeg) => {
                self.lossless_jpeg(&self.compressed(bytes)?)?
            }
            (Value::Items(bytes), Compression::Jpeg2000) => {
                self.jpeg_2000(&self.compressed(bytes)?)?
            }
            (Value::Bytes(_), _) | (Value::Items(_), Compression::None) => {
                return Err("is a DICOM file whose pixels are not stored as it says".into());
            }
        };
        match values.len() == self.count() {
            true => Ok(values),
            false => Err(other_size()),
        }
    }

    /// Number of values of a frame.
    fn count(&self) -> usize {
        let attributes = &self.attributes;
        let pixels = usize::from(attributes.rows) * usize::from(attributes.columns);
        pixels * usize::from(attributes.samples)
    }

    fn uncompressed(&self, bytes: &[u8]) -> Result<Vec<u16>, String> {
        let attributes = &self.attributes;
        let is_ybr = attributes.photometric == Photometric::Ybr;
        let width = usize::from(attributes.allocated / 8);
        let length = self.count() * width;
        let bytes = bytes.get(..length).ok_or_else(|| match is_ybr {
            // Chroma of every second pixel only.
            true if bytes.len() >= length / 3 * 2 => {
                "has subsampled colors that are not compressed, which are not read; convert it to RGB".to_owned()
            }
            _ => "is truncated".to_owned(),
        })?;
        let encoding = self.syntax.encoding;
        let values: Vec<u16> = match (width, encoding.big_endian && self.is_words) {
            (1, false) => bytes.iter().copied().map(u16::from).collect(),
            // Pairs of bytes are written as words.
            (1, true) => {
                let swapped = |i: usize| bytes.get(i ^ 1).copied().unwrap_or_default();
                (0..length).map(|i| u16::from(swapped(i))).collect()
            }
            (_, _) => {
                let word = |i: usize| encoding.short(bytes, 2 * i).unwrap_or_default();
                (0..self.count()).map(word).collect()
            }
        };
        match attributes.planar && attributes.samples == 3 {
            true => Ok(interleaved(&values)),
            false => Ok(values),
        }
    }

    /// Returns the bytes of the first compressed frame. It may be in several fragments, and there may be a table of the
    /// offsets of frames before.
    fn compressed(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut all = items(bytes).into_iter();
        let table = all.next().unwrap_or_default();
        let fragments: Vec<&[u8]> = all.collect();
        let second = table.get(4..).and_then(|rest| rest.first_chunk());
        let frame = match (self.attributes.frames, second) {
            (0 | 1, _) => fragments.concat(),
            (_, Some(&second)) => {
                let mut start = 0;
                let before = |fragment: &&&[u8]| {
                    let is_before = start < u32::from_le_bytes(second) as usize;
                    start += 8 + fragment.len();
                    is_before
                };
                let first: Vec<&[u8]> = fragments.iter().take_while(before).copied().collect();
                first.concat()
            }
            (frames, None) if fragments.len() as u64 == frames => {
                fragments.first().copied().unwrap_or_default().to_vec()
            }
            // Without a table, the end of a frame shows in its data.
            (_, None) => {
                let ends = |fragment: &&[u8]| {
                    let padded = fragment.strip_suffix(&[0]).unwrap_or(fragment);
                    padded.ends_with(&JPEG_END)
                };
                let last = fragments.iter().position(ends).unwrap_or_default();
                fragments
                    .iter()
                    .take(last + 1)
                    .copied()
                    .collect::<Vec<_>>()
                    .concat()
            }
        };
        match frame.is_empty() {
            true => Err("is truncated".to_owned()),
            false => Ok(frame),
        }
    }

    fn jpeg(&self, frame: &[u8]) -> Result<Vec<u16>, String> {
        let jpeg = Jpeg::open(frame).map_err(damaged)?;
        self.check_size(jpeg.size())?;
        if !jpeg.is_complete() {
            return Err("is truncated".into());
        }
        let image = match self.attributes.photometric {
            Photometric::Rgb => jpeg.decode_as_stored(),
            Photometric::Ybr => jpeg.decode(false),
            Photometric::Gray { .. } => jpeg.decode(true),
        };
        let image = image.map_err(damaged)?;
        Ok(image.into_bytes().into_iter().map(u16::from).collect())
    }

    fn lossless_jpeg(&self, frame: &[u8]) -> Result<Vec<u16>, String> {
        let mut decoder = jpeg_decoder::Decoder::new(Cursor::new(frame));
        // DICOM says what the values mean.
        decoder.set_color_transform(ColorTransform::None);
        decoder.read_info().map_err(damaged)?;
        let info = decoder.info().ok_or_else(other_size)?;
        self.check_size((info.width.into(), info.height.into()))?;
        let bytes = decoder.decode().map_err(damaged)?;
        Ok(match info.pixel_format {
            PixelFormat::L16 => {
                let words = bytes.as_chunks().0.iter();
                words.map(|&word| u16::from_ne_bytes(word)).collect()
            }
            PixelFormat::L8 | PixelFormat::RGB24 | PixelFormat::CMYK32 => {
                bytes.into_iter().map(u16::from).collect()
            }
        })
    }

    fn jpeg_2000(&self, frame: &[u8]) -> Result<Vec<u16>, String> {
        let image = Image::new(frame, &DecodeSettings::default()).map_err(damaged)?;
        self.check_size((image.width().into(), image.height().into()))?;
        let components =
            u16::from(image.color_space().num_channels()) + u16::from(image.has_alpha());
        if components != self.attributes.samples {
            return Err(other_size());
        }
        let mut context = DecoderContext::default();
        let decoded = image.decode(&mut context).map_err(damaged)?;
        let components = decoded.components();
        let samples = usize::from(self.attributes.samples);
        let pixels = self.count() / samples;
        if components.len() != samples || components.iter().any(|c| c.samples().len() != pixels) {
            return Err(other_size());
        }
        // The decoder treats signed values as unsigned, and so adds half of the range to them.
        let is_signed = frame
            .get(JPEG_2000_DEPTH)
            .is_some_and(|depth| depth & 0x80 != 0);
        let mut values = vec![0u16; self.count()];
        for (sample, component) in components.iter().enumerate() {
            let added = match is_signed {
                true => 1i32 << (component.bit_depth().clamp(1, 16) - 1),
                false => 0,
            };
            let targets = values[sample..].iter_mut().step_by(samples);
            for (target, &value) in targets.zip(component.samples()) {
                *target = ((value + 0.5).floor() as i32).wrapping_sub(added) as u16;
            }
        }
        Ok(values)
    }

    /// Checks the size of a compressed frame before it is decompressed: memory for more than the file's own size is not
    /// expected.
    fn check_size(&self, size: (u64, u64)) -> Result<(), String> {
        match size == self.size() {
            true => Ok(()),
            false => Err(other_size()),
        }
    }
}

/// Puts the values of each pixel in sequence, which are stored in one plane for each sample.
fn interleaved(planes: &[u16]) -> Vec<u16> {
    let pixels = planes.len() / 3;
    (0..planes.len())
        .map(|i| planes[i % 3 * pixels + i / 3])
        .collect()
}

fn other_size() -> String {
    "is a DICOM file whose compressed pixels have another size than it says".to_owned()
}

fn damaged(error: impl std::fmt::Display) -> String {
    format!("cannot be decoded: {error}")
}
