//! The colors of states. Blue, orange and grey differ in both hue and lightness, so that people with any
//! of the usual kinds of color vision can tell them apart.

use super::NodeState;

/// Colors of a box.
pub struct Palette {
    pub fill: &'static str,
    pub stroke: &'static str,
    pub text: &'static str,
}

impl NodeState {
    pub const ALL: [Self; 3] = [Self::Cached, Self::Runs, Self::Waits];

    /// Colors for a light page.
    pub fn light(self) -> Palette {
        let (fill, stroke) = match self {
            Self::Cached => ("#d6e8f7", "#0b62a4"),
            Self::Runs => ("#fde3b8", "#b35c00"),
            Self::Waits => ("#eeeeee", "#6b6b6b"),
        };
        let text = "#1a1a1a";
        Palette { fill, stroke, text }
    }

    /// Colors for a dark page.
    pub fn dark(self) -> Palette {
        let (fill, stroke) = match self {
            Self::Cached => ("#12324f", "#6cb4ee"),
            Self::Runs => ("#4f3208", "#f5a742"),
            Self::Waits => ("#2f2f2f", "#a0a0a0"),
        };
        let text = "#f2f2f2";
        Palette { fill, stroke, text }
    }

    /// Width of the border, in pixels.
    pub fn stroke_width(self) -> f64 {
        match self {
            Self::Runs => 2.5,
            Self::Cached | Self::Waits => 1.2,
        }
    }

    /// Lengths of the dashes and gaps of the border, in pixels; `None` for a solid border.
    pub fn dashes(self) -> Option<&'static str> {
        match self {
            Self::Waits => Some("5 3"),
            Self::Cached | Self::Runs => None,
        }
    }
}
