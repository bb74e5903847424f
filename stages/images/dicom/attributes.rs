//! The elements that describe the pixels of a DICOM file (DICOM PS3.3, sections C.7.6.3, C.11.1 and C.11.2).

use super::reader::{Element, Encoding, Value};

/// Description of the pixels.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes {
    pub samples: u16,
    pub photometric: Photometric,
    /// `true` if the values of a color are stored apart from those of the others.
    pub planar: bool,
    pub frames: u64,
    pub rows: u16,
    pub columns: u16,
    /// Number of bits in which a value is stored.
    pub allocated: u16,
    /// Number of bits that a value has.
    pub stored: u16,
    pub high_bit: u16,
    pub signed: bool,
    pub slope: Option<f64>,
    pub intercept: Option<f64>,
    pub center: Option<f64>,
    pub width: Option<f64>,
    pub function: Function,
    /// Name of a photometric interpretation that is not read.
    unknown: Option<String>,
    has_modality_table: bool,
    /// `true` if the file describes its frames in functional groups, as enhanced multi-frame files do.
    has_frame_groups: bool,
}

/// Meaning of the values of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Photometric {
    Gray {
        /// `true` if the smallest value is white.
        inverted: bool,
    },
    Rgb,
    /// Luma and two differences of colors.
    Ybr,
}

impl Default for Photometric {
    fn default() -> Self {
        Self::Gray { inverted: false }
    }
}

/// The way from a value to a brightness within the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Function {
    #[default]
    Linear,
    LinearExact,
    Sigmoid,
}

impl Attributes {
    /// Adds an element. Others than those that describe pixels are ignored.
    pub(super) fn add(&mut self, element: &Element<'_>, encoding: Encoding) -> Result<(), String> {
        let number = match element.tag {
            (0x0028, number) => number,
            (0x5200, 0x9229 | 0x9230) => {
                self.has_frame_groups = true;
                return Ok(());
            }
            _ => return Ok(()),
        };
        let bytes = match element.value {
            Value::Bytes(bytes) => bytes,
            Value::Items(_) => {
                self.has_modality_table |= number == 0x3000;
                return Ok(());
            }
        };
        let short = || encoding.short(bytes, 0).unwrap_or_default();
        match number {
            0x0002 => self.samples = short(),
            0x0004 => self.add_photometric(&text(bytes)),
            0x0006 => self.planar = short() == 1,
            0x0008 => self.frames = decimal(bytes, "number of frames")?.map_or(0, |n| n as u64),
            0x0010 => self.rows = short(),
            0x0011 => self.columns = short(),
            0x0100 => self.allocated = short(),
            0x0101 => self.stored = short(),
            0x0102 => self.high_bit = short(),
            0x0103 => self.signed = short() == 1,
            0x1050 => self.center = decimal(bytes, "window center")?,
            0x1051 => self.width = decimal(bytes, "window width")?,
            0x1052 => self.intercept = decimal(bytes, "rescale intercept")?,
            0x1053 => self.slope = decimal(bytes, "rescale slope")?,
            0x1056 => {
                self.function = match text(bytes).as_str() {
                    "" | "LINEAR" => Function::Linear,
                    "LINEAR_EXACT" => Function::LinearExact,
                    "SIGMOID" => Function::Sigmoid,
                    _ => return Err("has an unknown VOI LUT function".into()),
                }
            }
            0x3000 => self.has_modality_table |= !bytes.is_empty(),
            _ => {}
        }
        Ok(())
    }

    fn add_photometric(&mut self, name: &str) {
        self.unknown = None;
        self.photometric = match name {
            "MONOCHROME1" => Photometric::Gray { inverted: true },
            "MONOCHROME2" => Photometric::Gray { inverted: false },
            "RGB" => Photometric::Rgb,
            "YBR_FULL" | "YBR_FULL_422" | "YBR_ICT" | "YBR_RCT" => Photometric::Ybr,
            other => {
                // A damaged file may have any text here.
                let known = ["PALETTE COLOR", "YBR_PARTIAL_420", "YBR_PARTIAL_422", "XYB"];
                let name = known.iter().find(|known| **known == other);
                self.unknown = Some(name.map_or("unknown".to_owned(), |name| format!("`{name}`")));
                Photometric::Rgb
            }
        };
    }

    /// Checks that images of this description are read.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(name) = &self.unknown {
            return Err(format!(
                "has the photometric interpretation {name}, which is not read; convert it to RGB or gray"
            ));
        }
        if self.has_modality_table {
            return Err(
                "has a modality LUT, which is not read; only slope and intercept are".into(),
            );
        }
        let samples = match self.photometric {
            Photometric::Gray { .. } => 1,
            Photometric::Rgb | Photometric::Ybr => 3,
        };
        if self.has_frame_groups && samples == 1 {
            return Err(
                "is an enhanced multi-frame file, whose windows of each frame are not read; convert it to files of one \
                 frame, for example with `emf2sf` of dcm4che"
                    .into(),
            );
        }
        if self.samples != samples {
            return Err(format!(
                "has {} samples per pixel; its photometric interpretation has {samples}",
                self.samples
            ));
        }
        let is_read = match samples {
            1 => matches!(self.allocated, 8 | 16),
            _ => self.allocated == 8 && self.stored == 8,
        };
        if !is_read {
            return Err(format!(
                "has {} bits per value ({} allocated), which are not read; gray images may have up to 16, colors 8",
                self.stored, self.allocated
            ));
        }
        let fits = (1..=self.allocated).contains(&self.stored)
            && self.high_bit < self.allocated
            && self.high_bit + 1 >= self.stored;
        if !fits {
            return Err(format!(
                "says that {} bits of {} are stored up to bit {}, which is impossible",
                self.stored, self.allocated, self.high_bit
            ));
        }
        Ok(())
    }
}

/// Returns a text without the padding at its end.
pub(super) fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_matches(['\0', ' ']).to_owned()
}

/// Returns the first of the decimal numbers in a value; `None` if it is empty. An error does not repeat the value, which may
/// be anything in a damaged file.
fn decimal(bytes: &[u8], what: &str) -> Result<Option<f64>, String> {
    let text = text(bytes);
    let first = text.split('\\').next().unwrap_or_default().trim();
    if first.is_empty() {
        return Ok(None);
    }
    let number = first.parse().ok().filter(|number: &f64| number.is_finite());
    match number {
        Some(number) => Ok(Some(number)),
        None => Err(format!("has a {what} that is not a number")),
    }
}
