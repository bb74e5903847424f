//! A page to draw on. It becomes a PNG or an SVG.

use std::path::Path;

use contract::{Failure, ImageShape};

use super::bitmap::Bitmap;
use super::color::Color;
use super::medium::Medium;
use super::page::Align;
use super::svg::Drawing;

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
