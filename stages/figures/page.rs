//! Units of drawing, and texts of a page.
//!
//! Figures are laid out at twice the size at which they are usually shown, so that a PNG stays sharp on paper and on
//! dense screens. They are drawn finer still: coordinates are in [`FINE`]ths of a pixel ([`px`]) from the top left
//! corner. A pixel of a PNG is the mean of its parts, which gives smooth lines at any slope.

use std::borrow::Cow;

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

/// Returns a name of at most [`LONGEST`] characters.
pub(super) fn shortened(name: &str) -> Cow<'_, str> {
    if name.chars().nth(LONGEST).is_some() {
        Cow::Owned(cut(name, LONGEST))
    } else {
        Cow::Borrowed(name)
    }
}

/// Returns the first characters of a text and `…`: `length` characters in total.
pub(super) fn cut(text: &str, length: usize) -> String {
    let mut cut: String = text.chars().take(length.saturating_sub(1)).collect();
    cut.push('…');
    cut
}
