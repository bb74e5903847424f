//! Random transforms of images during training, with parameters as in the `ImageDataGenerator` of Keras 3.

use contract::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ranges from which transforms are drawn, uniformly and independently for every image and epoch. The default
/// changes nothing. Pixels are interpolated linearly, and those beyond the border repeat the nearest one.
///
/// Transforms are those of the `ImageDataGenerator` of Keras 2.9 to 3, with `fill_mode="nearest"` and
/// `interpolation_order=1`, except that `width_shift` and `height_shift` are not exchanged.
/// [`transform`](super::transform) lists all differences, and those from older versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Rotation about the centre, drawn from `-rotation` to `rotation`. A positive angle turns the content
    /// counter-clockwise.
    #[schemars(range(min = 0, max = 180), extend("x-unit" = "degrees"))]
    pub rotation: f64,
    /// Shift to the side as a fraction of the width, drawn from `-width_shift` to `width_shift`. (Keras 2.9 to 3
    /// shift up or down by it.)
    #[schemars(range(min = 0, max = 1))]
    pub width_shift: f64,
    /// Shift up or down as a fraction of the height, drawn from `-height_shift` to `height_shift`. (Keras 2.9 to 3
    /// shift to the side by it.)
    #[schemars(range(min = 0, max = 1))]
    pub height_shift: f64,
    /// Shear angle, drawn from `-shear` to `shear`. A positive angle moves the top to the left and the bottom to
    /// the right. Keras up to 2.8 moves columns up or down instead.
    #[schemars(range(min = 0, max = 89), extend("x-unit" = "degrees"))]
    pub shear: f64,
    /// Zoom, drawn for each axis separately. A factor below 1 enlarges the image's content.
    pub zoom: Zoom,
    /// Mirror half of the images left to right.
    pub horizontal_flip: bool,
    /// Mirror half of the images top to bottom.
    pub vertical_flip: bool,
    /// Factor on the brightness, drawn from `[low, high]`. Results are clipped to white. Unlike in Keras, they are
    /// not rounded down to integers.
    #[schemars(inner(range(min = 0, max = 10)))]
    pub brightness: [f64; 2],
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            rotation: 0.0,
            width_shift: 0.0,
            height_shift: 0.0,
            shear: 0.0,
            zoom: Zoom::default(),
            horizontal_flip: false,
            vertical_flip: false,
            brightness: [1.0, 1.0],
        }
    }
}

/// A range of zoom factors, written as a fraction or as the range itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "ZoomSpec", into = "[f64; 2]")]
#[schemars(inline)]
pub struct Zoom {
    pub low: f64,
    pub high: f64,
}

impl Default for Zoom {
    fn default() -> Self {
        Self {
            low: 1.0,
            high: 1.0,
        }
    }
}

/// A zoom range as it is written.
#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(
    untagged,
    expecting = "expected a fraction such as `0.2` or a range such as `[0.8, 1.2]`"
)]
enum ZoomSpec {
    /// A fraction z, for factors from 1 − z to 1 + z.
    Fraction(#[schemars(range(min = 0), extend("exclusiveMaximum" = 1))] f64),
    /// The factors themselves: `[low, high]`.
    Range(
        #[schemars(extend("items" = { "type": "number", "exclusiveMinimum": 0, "maximum": 10 }))]
        [f64; 2],
    ),
}

impl From<ZoomSpec> for Zoom {
    fn from(spec: ZoomSpec) -> Self {
        match spec {
            ZoomSpec::Fraction(z) => Self {
                low: 1.0 - z,
                high: 1.0 + z,
            },
            ZoomSpec::Range([low, high]) => Self { low, high },
        }
    }
}

impl From<Zoom> for [f64; 2] {
    fn from(zoom: Zoom) -> Self {
        [zoom.low, zoom.high]
    }
}

impl Policy {
    /// Checks every range.
    pub fn check(&self) -> Result<(), Invalid> {
        within("rotation", self.rotation, 180.0)?;
        within("width_shift", self.width_shift, 1.0)?;
        within("height_shift", self.height_shift, 1.0)?;
        within("shear", self.shear, 89.0)?;
        let Zoom { low, high } = self.zoom;
        if !(low > 0.0 && low <= high && high <= 10.0) {
            return Err(Invalid::new(format!(
                "`zoom` must be a fraction (at least 0 and below 1) or a range (above 0, at most 10, lower end \
                 first), not {low} to {high}"
            ))
            .under("zoom"));
        }
        let [low, high] = self.brightness;
        if !(low >= 0.0 && low <= high && high <= 10.0) {
            return Err(Invalid::new(format!(
                "`brightness` must be a range between 0 and 10 with the lower end first, not {low} to {high}"
            ))
            .under("brightness"));
        }
        Ok(())
    }
}

fn within(name: &str, value: f64, high: f64) -> Result<(), Invalid> {
    if (0.0..=high).contains(&value) {
        return Ok(());
    }
    Err(Invalid::new(format!("`{name}` must be from 0 to {high}, not {value}")).under(name))
}
