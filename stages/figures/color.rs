//! The colors of figures: their values in a PNG, and the CSS variables that stand for them in an SVG.

use contract::analysis::ThemeColor;
use plotters::style::RGBColor;
use plotters::style::colors::colormaps::{ColorMap, ViridisRGB};

/// Number of colors of the scale in an SVG.
pub(super) const STEPS: u8 = 12;

/// Brightest part of the color scale that is used, for the worst objective. Brighter colors cannot be seen on white.
const BRIGHTEST: f64 = 0.92;

/// A color, by its use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Color {
    /// Text.
    Ink,
    /// Axes, and text of less importance.
    Muted,
    /// Lines behind the data.
    Grid,
    /// Marks that should attract little attention.
    Faint,
    /// The page.
    Paper,
    /// One of the colors of [`PALETTE`], by its position.
    Series(u8),
    /// Color of a scale from the worst value, 0, to the best, 1.
    Scale(f64),
    /// A cell of a matrix, from 0 to 1.
    Shade(f64),
    /// Text on a cell of a matrix.
    OnShade(f64),
}

pub(super) const BLACK: Color = Color::Ink;
pub(super) const GRAY: Color = Color::Muted;
pub(super) const LIGHT_GRAY: Color = Color::Grid;
pub(super) const WHITE: Color = Color::Paper;

/// The colors of Okabe and Ito, which color-blind readers can tell apart too. Their yellow is left out,
/// because it is too faint on white.
pub(super) const PALETTE: [Color; 6] = [
    Color::Series(0),
    Color::Series(1),
    Color::Series(2),
    Color::Series(3),
    Color::Series(4),
    Color::Series(5),
];

/// The palette on a light and on a dark page. On a dark page, the dark colors are lighter.
const SERIES: [(RGBColor, RGBColor); 6] = [
    (RGBColor(0x00, 0x72, 0xb2), RGBColor(0x4d, 0xa6, 0xdf)),
    (RGBColor(0xd5, 0x5e, 0x00), RGBColor(0xf0, 0x82, 0x2d)),
    (RGBColor(0x00, 0x9e, 0x73), RGBColor(0x2c, 0xbf, 0x95)),
    (RGBColor(0xcc, 0x79, 0xa7), RGBColor(0xdd, 0x92, 0xbb)),
    (RGBColor(0x56, 0xb4, 0xe9), RGBColor(0x9a, 0xd5, 0xf7)),
    (RGBColor(0xe6, 0x9f, 0x00), RGBColor(0xf2, 0xc1, 0x4e)),
];

impl Color {
    /// Returns the color in a PNG, and in an SVG whose page sets no variables.
    pub(super) fn rgb(self) -> RGBColor {
        match self {
            Self::Ink => RGBColor(0x22, 0x22, 0x22),
            Self::Muted => RGBColor(0x80, 0x80, 0x80),
            Self::Grid => RGBColor(0xdd, 0xdd, 0xdd),
            Self::Faint => RGBColor(0xb4, 0xb4, 0xb4),
            Self::Paper => RGBColor(0xff, 0xff, 0xff),
            Self::Series(at) => SERIES[usize::from(at) % SERIES.len()].0,
            Self::Scale(good) => ViridisRGB.get_color((1.0 - good) * BRIGHTEST),
            Self::Shade(share) => shade(share),
            Self::OnShade(share) if share > 0.5 => Self::Paper.rgb(),
            Self::OnShade(_) => Self::Ink.rgb(),
        }
    }

    /// Returns the color as the value of an SVG attribute.
    pub(super) fn css(self) -> String {
        let steps = f64::from(STEPS - 1);
        match self {
            Self::Scale(good) => {
                let step = (good.clamp(0.0, 1.0) * steps).round();
                let color = Self::Scale(step / steps).rgb();
                format!("var(--figure-scale-{step},{})", hex(color))
            }
            // The text of a cell must keep its contrast, so cells look the same on all pages.
            Self::Shade(_) => hex(self.rgb()),
            // Each has a contrast of at least 4.5 to its shades. The text of PNGs, which must not change, has less.
            Self::OnShade(share) => if share > 0.92 { "#fff" } else { "#000" }.to_owned(),
            Self::Muted => format!("var(--figure-muted,{})", hex(MUTED_IN_SVG)),
            _ => format!("var(--figure-{},{})", self.name(), hex(self.rgb())),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Ink | Self::OnShade(_) => "ink".to_owned(),
            Self::Muted => "muted".to_owned(),
            Self::Grid => "grid".to_owned(),
            Self::Faint => "faint".to_owned(),
            Self::Paper | Self::Shade(_) => "paper".to_owned(),
            Self::Series(at) => format!("series-{}", at + 1),
            Self::Scale(good) => format!("scale-{}", (good * f64::from(STEPS - 1)).round()),
        }
    }
}

/// A darker gray than that of PNGs, whose bytes must not change: text needs more contrast.
const MUTED_IN_SVG: RGBColor = RGBColor(0x66, 0x66, 0x66);

/// Returns all variables.
pub(super) fn theme() -> Vec<ThemeColor> {
    let entry = |color: Color, light: RGBColor, dark: RGBColor| ThemeColor {
        variable: format!("--figure-{}", color.name()),
        light: hex(light),
        dark: hex(dark),
    };
    let fixed = [
        (Color::Ink, RGBColor(0xe8, 0xe8, 0xe8)),
        (Color::Grid, RGBColor(0x3c, 0x3f, 0x44)),
        (Color::Faint, RGBColor(0x6b, 0x6f, 0x76)),
        (Color::Paper, RGBColor(0x18, 0x1a, 0x1d)),
    ];
    let muted = entry(Color::Muted, MUTED_IN_SVG, RGBColor(0xa8, 0xac, 0xb3));
    let series = SERIES
        .iter()
        .zip(0..)
        .map(|(&(light, dark), at)| entry(Color::Series(at), light, dark));
    // On a dark page the best is bright, because it must stand out.
    let scale = (0..STEPS).map(|step| {
        let good = f64::from(step) / f64::from(STEPS - 1);
        let dark = ViridisRGB.get_color(0.3 + 0.7 * good);
        entry(Color::Scale(good), Color::Scale(good).rgb(), dark)
    });
    fixed
        .map(|(color, dark)| entry(color, color.rgb(), dark))
        .into_iter()
        .chain([muted])
        .chain(series)
        .chain(scale)
        .collect()
}

/// Returns a color of viridis, from dark violet at 0 to yellow at 1.
pub(crate) fn heat(value: f64) -> [u8; 3] {
    let RGBColor(r, g, b) = ViridisRGB.get_color(value.clamp(0.0, 1.0));
    [r, g, b]
}

fn hex(RGBColor(r, g, b): RGBColor) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Returns a color from nearly white at 0 to blue at 1.
fn shade(share: f64) -> RGBColor {
    let (from, to) = (RGBColor(0xf0, 0xf4, 0xf8), SERIES[0].0);
    let mix = |a: u8, b: u8| (f64::from(a) + share * (f64::from(b) - f64::from(a))).round() as u8;
    RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}
