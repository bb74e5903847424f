//! A page of pixels. Plotters' rasterizer draws text, lines and boxes; images are copied; the page is saved as PNG.

use std::path::Path;

use contract::{Failure, ImageShape, ShowPath};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontStyle, FontTransform, IntoFont, ShapeStyle, TextStyle};

use super::canvas::{Align, FINE};
use super::color::Color;

const FONT: &str = "figures";

/// A white page of RGB pixels. Its sides are whole numbers of saved pixels.
pub(super) struct Bitmap {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Bitmap {
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
        color: Color,
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
        color: Color,
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
        color: Color,
        width: i32,
    ) -> Result<(), Failure> {
        self.backend()
            .draw_line(from, to, &stroke(color, width))
            .map_err(drawing_failed)
    }

    pub(super) fn path(
        &mut self,
        points: &[(i32, i32)],
        color: Color,
        width: i32,
    ) -> Result<(), Failure> {
        self.backend()
            .draw_path(points.iter().copied(), &stroke(color, width))
            .map_err(drawing_failed)
    }

    /// Like [`Bitmap::line`], but what is below shows through. `opacity` is between 0 and 1.
    pub(super) fn faint_line(
        &mut self,
        from: (i32, i32),
        to: (i32, i32),
        (color, opacity): (Color, f64),
        width: i32,
    ) -> Result<(), Failure> {
        let style = color.rgb().mix(opacity).stroke_width(width.unsigned_abs());
        self.backend()
            .draw_line(from, to, &style)
            .map_err(drawing_failed)
    }

    /// Draws a dashed line through `points`. The dashes continue around corners.
    pub(super) fn dashes(
        &mut self,
        points: &[(i32, i32)],
        color: Color,
        width: i32,
        (dash, period): (i32, i32),
    ) -> Result<(), Failure> {
        let (dash, period) = (f64::from(dash), f64::from(period));
        let mut run = 0.0;
        for pair in points.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
            let length = dx.hypot(dy);
            let at = |distance: f64| {
                let t = distance / length;
                (
                    (f64::from(from.0) + t * dx).round() as i32,
                    (f64::from(from.1) + t * dy).round() as i32,
                )
            };
            let mut start = -(run % period);
            while start < length {
                let end = (start + dash).min(length);
                if end > 0.0 {
                    self.line(at(start.max(0.0)), at(end), color, width)?;
                }
                start += period;
            }
            run += length;
        }
        Ok(())
    }

    pub(super) fn dot(
        &mut self,
        center: (i32, i32),
        radius: i32,
        color: Color,
    ) -> Result<(), Failure> {
        self.backend()
            .draw_circle(center, radius.unsigned_abs(), &color.rgb().filled(), true)
            .map_err(drawing_failed)
    }

    /// Fills the rectangle from `from` to just before `to`.
    pub(super) fn fill(
        &mut self,
        from: (i32, i32),
        to: (i32, i32),
        color: Color,
    ) -> Result<(), Failure> {
        self.backend()
            .draw_rect(from, (to.0 - 1, to.1 - 1), &color.rgb().filled(), true)
            .map_err(drawing_failed)
    }

    /// Makes the content of a rectangle fainter, so that text on top of it can be read.
    pub(super) fn veil(&mut self, from: (i32, i32), to: (i32, i32)) -> Result<(), Failure> {
        let style = Color::Paper.rgb().mix(0.88).filled();
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

fn style(size: i32, align: Align, color: Color) -> TextStyle<'static> {
    let h_pos = match align {
        Align::Left => HPos::Left,
        Align::Center => HPos::Center,
        Align::Right => HPos::Right,
    };
    TextStyle {
        font: (FONT, size).into_font(),
        color: color.rgb().to_backend_color(),
        pos: Pos::new(h_pos, VPos::Center),
    }
}

fn stroke(color: Color, width: i32) -> ShapeStyle {
    color.rgb().stroke_width(width.unsigned_abs())
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
