//! Decodes DICOM files (DICOM PS3.3 and PS3.5) to gray or color images, as a viewer shows them.
//!
//! Only the elements that describe pixels are read. Names of patients and other elements are passed over, and occur
//! neither in results nor in messages.

mod attributes;
mod frame;
mod gray;
mod reader;
mod rle;
mod syntax;
#[cfg(test)]
pub(crate) mod tests;

use image::{DynamicImage, ImageBuffer, RgbImage};

use self::attributes::{Attributes, Photometric};
use self::gray::Gray;
use self::reader::{META, Reader, Tag, Value};
use self::syntax::{Compression, Syntax};

/// The mark of a file, after 128 bytes that may contain anything.
const MARK: &[u8] = b"DICM";
const MARK_START: usize = 128;
pub(crate) const MARK_END: usize = MARK_START + MARK.len();

const TRANSFER_SYNTAX: Tag = (0x0002, 0x0010);
const PIXELS: Tag = (0x7fe0, 0x0010);
/// Pixels as floating-point numbers.
const FLOAT_PIXELS: [Tag; 2] = [(0x7fe0, 0x0008), (0x7fe0, 0x0009)];

/// Returns whether the first bytes of a file have the mark of a DICOM file.
pub(crate) fn has_mark(bytes: &[u8]) -> bool {
    bytes.get(MARK_START..MARK_END) == Some(MARK)
}

/// A DICOM file whose elements before the pixels have been read.
pub(crate) struct Dicom<'a> {
    syntax: Syntax,
    attributes: Attributes,
    pixels: Value<'a>,
    is_words: bool,
}

impl<'a> Dicom<'a> {
    /// Reads the elements before the pixels of a file that has the mark.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let mut meta = Reader::new(bytes.get(MARK_END..).unwrap_or_default(), META);
        let mut identifier = None;
        while let Some(element) = meta.peek().map_err(|_| truncated())? {
            if element.tag.0 != TRANSFER_SYNTAX.0 {
                break;
            }
            if let (TRANSFER_SYNTAX, Value::Bytes(bytes)) = (element.tag, element.value) {
                identifier = Some(attributes::text(bytes));
            }
            meta.pass().map_err(|_| truncated())?;
        }
        let identifier = identifier.ok_or("is a DICOM file without a transfer syntax")?;
        let syntax = Syntax::of(&identifier)?;
        let mut data = Reader::new(meta.rest(), syntax.encoding);
        let mut attributes = Attributes::default();
        loop {
            let element = data.peek().map_err(|_| truncated())?;
            let element = element.ok_or("is a DICOM file without pixels")?;
            if FLOAT_PIXELS.contains(&element.tag) {
                return Err(
                    "is a DICOM file with floating-point pixels, which are not read".into(),
                );
            }
            if element.tag == PIXELS {
                attributes.check()?;
                if syntax.compression == Compression::Jpeg && attributes.allocated != 8 {
                    return Err(syntax::not_read("JPEG with more than 8 bits"));
                }
                return Ok(Self {
                    syntax,
                    attributes,
                    pixels: element.value,
                    is_words: element.vr == *b"OW",
                });
            }
            attributes.add(&element, syntax.encoding)?;
            data.pass().map_err(|_| truncated())?;
        }
    }

    /// Width and height.
    pub(crate) fn size(&self) -> (u64, u64) {
        let Attributes { columns, rows, .. } = self.attributes;
        (columns.into(), rows.into())
    }

    /// Returns whether the file has several frames.
    pub(crate) fn has_several(&self) -> bool {
        self.attributes.frames > 1
    }

    /// Decodes the first frame. A gray image has 16 bits per value, whatever the file has.
    pub(crate) fn decode(&self) -> Result<DynamicImage, String> {
        let values = self.first_frame()?;
        let Attributes { columns, rows, .. } = self.attributes;
        let (width, height) = (u32::from(columns), u32::from(rows));
        let image = match self.attributes.photometric {
            Photometric::Gray { .. } => {
                let gray = Gray::of(&self.attributes)?;
                let values = values.into_iter().map(|value| gray.shown(value)).collect();
                ImageBuffer::from_raw(width, height, values).map(DynamicImage::ImageLuma16)
            }
            Photometric::Rgb | Photometric::Ybr => {
                let mut bytes: Vec<u8> = values.into_iter().map(|value| value as u8).collect();
                if self.attributes.photometric == Photometric::Ybr && !self.syntax.converts_colors {
                    bytes.as_chunks_mut().0.iter_mut().for_each(to_rgb);
                }
                RgbImage::from_raw(width, height, bytes).map(DynamicImage::ImageRgb8)
            }
        };
        image.ok_or_else(|| "is a DICOM file with the wrong number of pixels".to_owned())
    }
}

/// Converts a pixel from the color space YBR_FULL (PS3.3, section C.7.6.3.1.2).
fn to_rgb(pixel: &mut [u8; 3]) {
    let [y, b, r] = pixel.map(f32::from);
    let (b, r) = (b - 128.0, r - 128.0);
    // The conversion to bytes saturates.
    let byte = |value: f32| (value + 0.5) as u8;
    *pixel = [
        byte(y + 1.402 * r),
        byte(y - 0.344_136 * b - 0.714_136 * r),
        byte(y + 1.772 * b),
    ];
}

fn truncated() -> String {
    "is a truncated or damaged DICOM file".to_owned()
}
