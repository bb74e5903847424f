//! A page to draw on. Plotters' rasteriser draws text, lines and boxes; images are copied; the page is saved
//! as PNG.
//!
//! Figures are laid out at twice the size at which they are usually shown, so that they stay sharp on
//! paper and on dense screens. They are drawn finer still: coordinates are in [`FINE`]ths of a pixel
//! ([`px`]) from the top left corner, and a saved pixel is the mean of its parts, which gives smooth
//! lines at any slope.

use std::path::Path;

use contract::{Failure, ImageShape, ShowPath};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, FontTransform, IntoFont, RGBColor, ShapeStyle, TextStyle};

pub(super) const BLACK: RGBColor = RGBColor(0x22, 0x22, 0x22);
pub(super) const GRAY: RGBColor = RGBColor(0x80, 0x80, 0x80);
pub(super) const LIGHT_GRAY: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
pub(super) const WHITE: RGBColor = RGBColor(0xff, 0xff, 0xff);

/// The colors of Okabe and Ito, which color-blind readers can tell apart too. Their yellow is left out,
/// because it is too faint on white.
pub(super) const PALETTE: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0xe6, 0x9f, 0x00),
];

/// Drawn pixels per saved pixel, on each side.
pub(super) const FINE: i32 = 3;

/// Converts saved pixels to the units of drawing.
pub(super) const fn px(pixels: i32) -> i32 {
    pixels * FINE
}

const FONT: &str = "figures";

/// Horizontal position of a text relative to its point.
#[derive(Clone, Copy)]
pub(super) enum Align {
    Left,
    Center,
    Right,
}

/// A white page of RGB pixels. Its sides are whole numbers of saved pixels.
pub(super) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    /// Creates a page of `width` by `height`, each rounded up to whole saved pixels.
    pub(super) fn new(width: i32, height: i32) -> Result<Self, Failure> {
        register_font()?;
        let [width, height] =
            [width, height].map(|side| (side.max(1) as usize).next_multiple_of(FINE as usize));
        Ok(Self {
            width,
            height,
            pixels: vec![0xff; width * height * 3],
        })
    }

    fn backend(&mut self) -> BitMapBackend<'_> {
        BitMapBackend::with_buffer(&mut self.pixels, (self.width as u32, self.height as u32))
    }

    /// Draws one line of text whose capitals are centred on `y`.
    pub(super) fn text(
        &mut self,
        text: &str,
        (x, y): (i32, i32),
        align: Align,
        size: i32,
        color: RGBColor,
    ) -> Result<(), Failure> {
        let style = style(size, align, color);
        // plotters centres a box that reaches below the baseline, so the capitals would be too high.
        self.backend()
            .draw_text(text, &style, (x, y + size / 5))
            .map_err(drawing_failed)
    }

    /// Draws one line of text that reads upwards, centred on the point.
    pub(super) fn vertical_text(
        &mut self,
        text: &str,
        (x, y): (i32, i32),
        size: i32,
        color: RGBColor,
    ) -> Result<(), Failure> {
        let style = style(size, Align::Center, color).transform(FontTransform::Rotate270);
        self.backend()
            .draw_text(text, &style, (x + size / 5, y))
            .map_err(drawing_failed)
    }

    pub(super) fn line(
        &mut self,
        from: (i32, i32),
        to: (i32, i32),
        color: RGBColor,
        width: i32,
    ) -> Result<(), Failure> {
        self.backend()
            .draw_line(from, to, &stroke(color, width))
            .map_err(drawing_failed)
    }

    pub(super) fn path(
        &mut self,
        points: &[(i32, i32)],
        color: RGBColor,
        width: i32,
    ) -> Result<(), Failure> {
        self.backend()
            .draw_path(points.iter().copied(), &stroke(color, width))
            .map_err(drawing_failed)
    }

    /// Like [`Canvas::line`], but what is below shows through. `opacity` is between 0 and 1.
    pub(super) fn faint_line(
        &mut self,
        from: (i32, i32),
        to: (i32, i32),
        (color, opacity): (RGBColor, f64),
        width: i32,
    ) -> Result<(), Failure> {
        let style = color.mix(opacity).stroke_width(width.unsigned_abs());
        self.backend()
            .draw_line(from, to, &style)
            .map_err(drawing_failed)
    }

    pub(super) fn dot(
        &mut self,
        center: (i32, i32),
        radius: i32,
        color: RGBColor,
    ) -> Result<(), Failure> {
        self.backend()
            .draw_circle(center, radius.unsigned_abs(), &color.filled(), true)
            .map_err(drawing_failed)
    }

    /// Fills the rectangle from `from` to just before `to`.
    pub(super) fn fill(
        &mut self,
        from: (i32, i32),
        to: (i32, i32),
        color: RGBColor,
    ) -> Result<(), Failure> {
        self.backend()
            .draw_rect(from, (to.0 - 1, to.1 - 1), &color.filled(), true)
            .map_err(drawing_failed)
    }

    /// Makes the content of a rectangle fainter, so that text on top of it can be read.
    pub(super) fn veil(&mut self, from: (i32, i32), to: (i32, i32)) -> Result<(), Failure> {
        let style = WHITE.mix(0.88).filled();
        self.backend()
            .draw_rect(from, (to.0 - 1, to.1 - 1), &style, true)
            .map_err(drawing_failed)
    }

    /// Copies an image (height × width × channels bytes) with its top left corner at `(left, top)`. Each of
    /// its pixels becomes a square of `factor` × `factor`. The image must lie on the page.
    pub(super) fn image(
        &mut self,
        image: &[u8],
        shape: ImageShape,
        (left, top): (i32, i32),
        factor: i32,
    ) -> Result<(), Failure> {
        if image.len() != shape.len() || !matches!(shape.channels, 1 | 3) {
            return Err(Failure::Internal(format!(
                "an image of {} bytes does not have the shape {shape}",
                image.len()
            )));
        }
        let [left, top, factor] = [left, top, factor].map(|length| length as usize);
        for (y, row) in image.chunks_exact(shape.width * shape.channels).enumerate() {
            let line: Vec<u8> = row
                .chunks_exact(shape.channels)
                .flat_map(|pixel| std::iter::repeat_n(pixel, factor))
                .flat_map(|pixel| [pixel[0], pixel[pixel.len() / 2], pixel[pixel.len() - 1]])
                .collect();
            for y in top + y * factor..top + (y + 1) * factor {
                let start = (y * self.width + left) * 3;
                self.pixels[start..start + line.len()].copy_from_slice(&line);
            }
        }
        Ok(())
    }

    /// Writes the page as a PNG. The same page always gives the same bytes.
    pub(super) fn save(&self, path: &Path) -> Result<(), Failure> {
        let (width, height) = (self.width / FINE as usize, self.height / FINE as usize);
        let mut bytes = Vec::new();
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive)
            .write_image(
                &self.shrunk(),
                width as u32,
                height as u32,
                ExtendedColorType::Rgb8,
            )
            .map_err(|e| Failure::Internal(format!("failed to encode `{}`: {e}", path.shown())))?;
        std::fs::write(path, bytes).map_err(|e| Failure::io("write", path, e))
    }

    /// Returns the saved pixels, which are means of squares of drawn pixels.
    fn shrunk(&self) -> Vec<u8> {
        const PARTS: u32 = (FINE * FINE) as u32;
        let mut saved = Vec::with_capacity(self.pixels.len() / PARTS as usize);
        for rows in self.pixels.chunks_exact(self.width * 3 * FINE as usize) {
            let mut sums = vec![0u32; self.width / FINE as usize * 3];
            for row in rows.chunks_exact(self.width * 3) {
                for (sum, pixels) in sums
                    .chunks_exact_mut(3)
                    .zip(row.chunks_exact(3 * FINE as usize))
                {
                    for pixel in pixels.chunks_exact(3) {
                        for (sum, &value) in sum.iter_mut().zip(pixel) {
                            *sum += u32::from(value);
                        }
                    }
                }
            }
            saved.extend(sums.iter().map(|sum| ((sum + PARTS / 2) / PARTS) as u8));
        }
        saved
    }
}

/// Returns the width of a line of text.
pub(super) fn text_width(text: &str, size: i32) -> Result<i32, Failure> {
    register_font()?;
    let (width, _) = (FONT, size)
        .into_font()
        .box_size(text)
        .map_err(drawing_failed)?;
    Ok(width as i32)
}

/// Returns the largest size up to `size` at which a line of text is at most `available` wide.
pub(super) fn fitting_size(text: &str, size: i32, available: i32) -> Result<i32, Failure> {
    let width = text_width(text, size)?;
    Ok(if width > available {
        size * available / width
    } else {
        size
    })
}

fn style(size: i32, align: Align, color: RGBColor) -> TextStyle<'static> {
    let h_pos = match align {
        Align::Left => HPos::Left,
        Align::Center => HPos::Center,
        Align::Right => HPos::Right,
    };
    TextStyle {
        font: (FONT, size).into_font(),
        color: color.to_backend_color(),
        pos: Pos::new(h_pos, VPos::Center),
    }
}

fn stroke(color: RGBColor, width: i32) -> ShapeStyle {
    color.stroke_width(width.unsigned_abs())
}

/// Registers the built-in font, so that figures are the same on a machine without any fonts.
fn register_font() -> Result<(), Failure> {
    static ONCE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let registered = *ONCE.get_or_init(|| {
        plotters::style::register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
            .is_ok()
    });
    if registered {
        Ok(())
    } else {
        Err(Failure::Internal("the built-in font cannot be read".into()))
    }
}

fn drawing_failed(cause: impl std::fmt::Display) -> Failure {
    Failure::Internal(format!("failed to draw a figure: {cause}"))
}
