//! Brightness of the values of a gray DICOM image.

use super::attributes::{Attributes, Function, Photometric};

/// Table with the brightness of each stored value.
///
/// A value is shifted and scaled to the unit of the modality (rescale slope and intercept), and then mapped to a
/// brightness by the file's first window. Without a window, all values that could be stored are mapped linearly, so that
/// the same value has the same brightness in every image. Formulas are those of DICOM PS3.3, section C.11.2.1.2.
pub(super) struct Gray {
    /// By the stored bits of a value.
    brightness: Vec<u16>,
    shift: u32,
    mask: u16,
}

/// A window of values that become distinguishable.
enum Window {
    Linear {
        center: f64,
        width: f64,
    },
    LinearExact {
        center: f64,
        width: f64,
    },
    Sigmoid {
        center: f64,
        width: f64,
    },
    /// From the least to the greatest value. They are equal if the values have one bit and a sign.
    Full {
        least: f64,
        greatest: f64,
    },
}

impl Gray {
    pub(super) fn of(attributes: &Attributes) -> Result<Self, String> {
        let slope = attributes.slope.unwrap_or(1.0);
        let intercept = attributes.intercept.unwrap_or(0.0);
        if slope == 0.0 {
            return Err("has a rescale slope of 0".into());
        }
        let stored = u32::from(attributes.stored);
        let rescaled = |bits: u32| {
            let value = match attributes.signed && bits >> (stored - 1) == 1 {
                true => f64::from(bits) - f64::from(1u32 << stored),
                false => f64::from(bits),
            };
            value * slope + intercept
        };
        let count = 1u32 << stored;
        // The stored bits of the least and the greatest value.
        let ends = match attributes.signed {
            true => [count / 2, count / 2 - 1],
            false => [0, count - 1],
        };
        let window = Window::of(attributes, ends.map(rescaled))?;
        let inverted = attributes.photometric == Photometric::Gray { inverted: true };
        let brightness = |bits: u32| {
            let shown = (window.apply(rescaled(bits)) * 65_535.0 + 0.5) as u16;
            match inverted {
                true => u16::MAX - shown,
                false => shown,
            }
        };
        Ok(Self {
            brightness: (0..count).map(brightness).collect(),
            shift: u32::from(attributes.high_bit + 1) - stored,
            mask: (count - 1) as u16,
        })
    }

    /// Returns the brightness of a value as it is stored, from 0 (black) to 65535 (white).
    pub(super) fn shown(&self, value: u16) -> u16 {
        self.brightness[usize::from((value >> self.shift) & self.mask)]
    }
}

impl Window {
    fn of(attributes: &Attributes, [one, other]: [f64; 2]) -> Result<Self, String> {
        let (Some(center), Some(width)) = (attributes.center, attributes.width) else {
            return Ok(Self::Full {
                least: one.min(other),
                greatest: one.max(other),
            });
        };
        let least = match attributes.function {
            Function::Linear => 1.0,
            Function::LinearExact | Function::Sigmoid => f64::MIN_POSITIVE,
        };
        if width < least {
            return Err(format!("has a window with an impossible width of {width}"));
        }
        Ok(match attributes.function {
            Function::Linear => Self::Linear { center, width },
            Function::LinearExact => Self::LinearExact { center, width },
            Function::Sigmoid => Self::Sigmoid { center, width },
        })
    }

    /// Returns the brightness of a value, from 0 to 1.
    fn apply(&self, value: f64) -> f64 {
        let ramp = |from: f64, to: f64| {
            if value <= from {
                0.0
            } else if value > to {
                1.0
            } else {
                (value - from) / (to - from)
            }
        };
        match *self {
            Self::Linear { center, width } => {
                let (middle, half) = (center - 0.5, (width - 1.0) / 2.0);
                ramp(middle - half, middle + half)
            }
            Self::LinearExact { center, width } => ramp(center - width / 2.0, center + width / 2.0),
            Self::Sigmoid { center, width } => {
                1.0 / (1.0 + libm::exp(-4.0 * (value - center) / width))
            }
            Self::Full { least, greatest } => ramp(least, greatest),
        }
    }
}
