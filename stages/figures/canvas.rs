//! A page to draw on. It becomes a PNG or an SVG.
//!
//! Figures are laid out at twice the size at which they are usually shown, so that a PNG stays sharp on paper and on
//! dense screens. They are drawn finer still: coordinates are in [`FINE`]ths of a pixel ([`px`]) from the top left
//! corner. A pixel of a PNG is the mean of its parts, which gives smooth lines at any slope.

use std::borrow::Cow;
use std::path::Path;

use contract::{Failure, ImageShape};

use super::bitmap::{self, Bitmap};
use super::color::Color;
use super::svg::Drawing;

/// Drawn pixels per saved pixel, on each side.
pub(super) const FINE: i32 = 3;

/// Longest name that an SVG shows, in characters.
const LONGEST: usize = 60;

/// Converts saved pixels to the units of drawing.
pub(super) const fn px(pixels: i32) -> i32 {
    pixels * FINE
}

/// Horizontal position of a text relative to its point.
#[derive(Clone, Copy)]
pub(super) enum Align {
    Left,
    Center,
    Right,
}

/// The kind of file that a page becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    Png,
    /// Fonts belong to the reader's machine, so widths of text are estimates. The page is smaller, because it must be
    /// readable on a telephone without being enlarged.
    Svg,
}

impl Medium {
    /// Returns the value for this medium.
    pub(super) fn pick<T>(self, png: T, svg: T) -> T {
        match self {
            Self::Png => png,
            Self::Svg => svg,
        }
    }

    /// Returns the width of a line of text.
    pub(super) fn text_width(self, text: &str, size: i32) -> Result<i32, Failure> {
        let width = bitmap::text_width(text, size)?;
        // Common fonts of screens are up to an eighth wider than the built-in one.
        Ok(self.pick(width, width + width / 8))
    }

    /// Returns the text, and the largest size up to `size` at which it is at most `available` wide. An SVG shortens
    /// text that would become too small to be read.
    pub(super) fn fitted<'a>(
        self,
        text: &'a str,
        size: i32,
        available: i32,
    ) -> Result<(Cow<'a, str>, i32), Failure> {
        let mut text = self.shortened(text);
        let mut width = self.text_width(&text, size)?;
        let smallest = self.pick(0, size * 3 / 4);
        while width > available && size * available / width < smallest {
            let length = text.chars().count();
            if length <= 4 {
                break;
            }
            text = Cow::Owned(cut(&text, length - length.div_ceil(8)));
            width = self.text_width(&text, size)?;
        }
        let size = if width > available {
            (size * available / width).max(smallest)
        } else {
            size
        };
        Ok((text, size))
    }

    /// Returns a name as the medium shows it. PNGs have names of classes and trials only, which are never long.
    pub(super) fn shortened(self, name: &str) -> Cow<'_, str> {
        self.pick(Cow::Borrowed(name), shortened(name))
    }
}

/// Returns a name of at most [`LONGEST`] characters.
pub(super) fn shortened(name: &str) -> Cow<'_, str> {
    if name.chars().nth(LONGEST).is_some() {
        Cow::Owned(cut(name, LONGEST))
    } else {
        Cow::Borrowed(name)
    }
}

/// Returns the first characters of a text and `…`: `length` characters in total.
fn cut(text: &str, length: usize) -> String {
    let mut cut: String = text.chars().take(length.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// A white or transparent page.
pub(super) struct Canvas {
    medium: Medium,
    surface: Surface,
}

enum Surface {
    Bitmap(Bitmap),
    Drawing(Drawing),
}

impl Canvas {
    /// Creates a page of `width` by `height`.
    pub(super) fn new(medium: Medium, width: i32, height: i32) -> Result<Self, Failure> {
        let surface = match medium {
            Medium::Png => Surface::Bitmap(Bitmap::new(width, height)?),
            Medium::Svg => Surface::Drawing(Drawing::new(width, height)),
        };
        Ok(Self { medium, surface })
    }

    pub(super) fn medium(&self) -> Medium {
        self.medium
    }

    /// Draws one line of text whose capitals are centered on `y`.
    pub(super) fn text(
        &mut self,
        text: &str,
        at: (i32, i32),
        align: Align,
        size: i32,
        color: Color,
    ) -> Result<(), Failure> {
        match &mut self.surface {
            Surface::Bitmap(bitmap) => bitmap.text(text, at, align, size, color),
            Surface::Drawing(drawing) => {
                drawing.text(text, at, align, size, color);
                Ok(())
            }
        }
    }

    /// Like [`Canvas::text`], but the text is made to fit into `available`.
    pub(super) fn fitted_text(
        &mut self,
        text: &str,
        (at, align): ((i32, i32), Align),
        (size, available): (i32, i32),
        color: Color,
    ) -> Result<(), Failure> {
        let (text, size) = self.medium.fitted(text, size, available)?;
        self.text(&text, at, align, size, color)
    }

    /// Draws one line of text that reads upwards, centered on the point.
    pub(super) fn vertical_text(
        &mut self,
        text: &str,
        at: (i32, i32),
        size: i32,
        color: Color,
    ) -> Result<(), Failure> {
        match &mut self.surface {
            Surface::Bitmap(bitmap) => bitmap.vertical_text(text, at, size, color),
            Surface::Drawing(drawing) => {
                drawing.vertical_text(text, at, size, color);
                Ok(())
            }
        }
    }

    pub(super) fn line(
        &mut self,
        from: (i32, i32),
        to: (i32, i32),
        color: Color,
        width: i32,
    ) -> Result<(), Failure> {
        match &mut self.surface {
            Surface::Bitmap(bitmap) => bitmap.line(from, to, color, width),
            Surface::Drawing(drawing) => {
                drawing.path(&[from, to], color, width, "");
                Ok(())
            }
        }
    }

    /// Draws a line through `points`.
    pub(super) fn path(
        &mut self,
        points: &[(i32, i32)],
        color: Color,
        width: i32,
    ) -> Result<(), Failure> {
        match &mut self.surface {
            Surface::Bitmap(bitmap) => bitmap.path(points, color, width),
            Surface::Drawing(drawing) => {
                drawing.path(points, color, width, "");
                Ok(())
            }
        }
    }

    /// Like [`Canvas::path`], but what is below shows through. `opacity` is between 0 and 1.
    pub(super) fn faint_path(
        &mut self,
        points: &[(i32, i32)],
        (color, opacity): (Color, f64),
        width: i32,
    ) -> Result<(), Failure> {
        match &mut self.surface {
            Surface::Bitmap(bitmap) => points
                .windows(2)
                .try_for_each(|pair| bitmap.faint_line(pair[0], pair[1], (color, opacity), width)),
            Surface::Drawing(drawing) => {
                let style = format!(" stroke-opacity=\"{opacity:.2}\"");
                drawing.path(points, color, width, &style);
                Ok(())
            }
        }
    }

    /// Like [`Canvas::path`], but with round corners and ends. A single point becomes a dot.
    pub(super) fn bold_path(
        &mut self,
        points: &[(i32, i32)],
        color: Color,
        width: i32,
    ) -> Result<(), Failure> {
        match &mut self.surface {
            Surface::Bitmap(bitmap) => {
                for pair in points.windows(2) {
                    bitmap.line(pair[0], pair[1], color, width)?;
                }
                points
                    .iter()
                    .try_for_each(|&point| bitmap.dot(point, width / 2, color))
            }
            Surface::Drawing(drawing) => {
                drawing.path(points, color, width, " stroke-linecap=\"round\"");
                Ok(())
            }
        }
    }

    /// Draws a dashed line through `points`. `dash` and `period` are lengths.
    pub(super) fn dashes(
        &mut self,
        points: &[(i32, i32)],
        color: Color,
        width: i32,
        (dash, period): (i32, i32),
    ) -> Result<(), Failure> {
        match &mut self.surface {
            Surface::Bitmap(bitmap) => bitmap.dashes(points, color, width, (dash, period)),
            Surface::Drawing(drawing) => {
                drawing.dashes(points, color, width, (dash, period));
                Ok(())
            }
        }
    }

    pub(super) fn dot(
        &mut self,
        center: (i32, i32),
        radius: i32,
        color: Color,
    ) -> Result<(), Failure> {
        match &mut self.surface {
            Surface::Bitmap(bitmap) => bitmap.dot(center, radius, color),
            Surface::Drawing(drawing) => {
                drawing.dot(center, radius, color);
                Ok(())
            }
        }
    }

    /// Fills the rectangle from `from` to just before `to`.
    pub(super) fn fill(
        &mut self,
        from: (i32, i32),
        to: (i32, i32),
        color: Color,
    ) -> Result<(), Failure> {
        match &mut self.surface {
            Surface::Bitmap(bitmap) => bitmap.fill(from, to, color),
            Surface::Drawing(drawing) => {
                drawing.fill(from, to, color, 1.0);
                Ok(())
            }
        }
    }

    /// Makes the content of a rectangle fainter, so that text on top of it can be read.
    pub(super) fn veil(&mut self, from: (i32, i32), to: (i32, i32)) -> Result<(), Failure> {
        match &mut self.surface {
            Surface::Bitmap(bitmap) => bitmap.veil(from, to),
            Surface::Drawing(drawing) => {
                drawing.fill(from, to, Color::Paper, 0.88);
                Ok(())
            }
        }
    }

    /// Copies an image onto the page, as [`Bitmap::image`] does.
    ///
    /// # Errors
    /// If the page becomes an SVG, which has no pixels.
    pub(super) fn image(
        &mut self,
        image: &[u8],
        shape: ImageShape,
        at: (i32, i32),
        factor: i32,
    ) -> Result<(), Failure> {
        match &mut self.surface {
            Surface::Bitmap(bitmap) => bitmap.image(image, shape, at, factor),
            Surface::Drawing(_) => {
                Err(Failure::Internal("an image was drawn on an SVG".to_owned()))
            }
        }
    }

    /// Gives attributes to the next path of an SVG, for the script of a page.
    pub(super) fn tag(&mut self, attributes: &[(&str, &str)]) {
        if let Surface::Drawing(drawing) = &mut self.surface {
            drawing.tag(attributes);
        }
    }

    /// Starts a group with attributes in an SVG, for the script of a page.
    pub(super) fn open(&mut self, attributes: &[(&str, &str)]) {
        if let Surface::Drawing(drawing) = &mut self.surface {
            drawing.open(attributes);
        }
    }

    /// Ends the group that was started last.
    pub(super) fn close(&mut self) {
        if let Surface::Drawing(drawing) = &mut self.surface {
            drawing.close();
        }
    }

    /// Writes the page as a PNG. The same page always gives the same bytes.
    pub(super) fn save(&self, path: &Path) -> Result<(), Failure> {
        match &self.surface {
            Surface::Bitmap(bitmap) => bitmap.save(path),
            Surface::Drawing(_) => Err(Failure::Internal("an SVG was saved as PNG".to_owned())),
        }
    }

    /// Returns the drawing, if the page becomes an SVG.
    pub(super) fn into_drawing(self) -> Result<Drawing, Failure> {
        match self.surface {
            Surface::Drawing(drawing) => Ok(drawing),
            Surface::Bitmap(_) => Err(Failure::Internal("a PNG was written as SVG".to_owned())),
        }
    }
}
