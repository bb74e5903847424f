//! The kind of file that a page becomes.

use std::borrow::Cow;

use contract::Failure;

use super::bitmap;
use super::page::{cut, shortened};

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
        // Common fonts of screens are up to a fifth wider than the built-in one.
        Ok(self.pick(width, width + width / 5))
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
