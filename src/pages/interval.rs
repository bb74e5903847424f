//! [`IntervalScale`]: draws values with their intervals, so that readers see which ones overlap.

use std::fmt::Write;

/// Width and height of a drawing, in pixels.
const SIZE: [f64; 2] = [120.0, 14.0];
/// Distance of the ends of the scale from the border, in pixels.
const MARGIN: f64 = 4.0;

/// A scale that the drawings of several values share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct IntervalScale {
    low: f64,
    high: f64,
}

impl IntervalScale {
    /// Creates a scale that covers intervals. `None` if there are fewer than two, or if they have no extent.
    pub(crate) fn covering(intervals: impl Iterator<Item = [f64; 2]>) -> Option<Self> {
        let (mut count, mut low, mut high) = (0, f64::INFINITY, f64::NEG_INFINITY);
        for [from, to] in intervals {
            count += 1;
            low = low.min(from);
            high = high.max(to);
        }
        let is_useful = count > 1 && high > low && (high - low).is_finite();
        is_useful.then_some(Self { low, high })
    }

    /// Draws a value and its interval as SVG. Screen readers skip it, because both are in the table as numbers.
    pub(crate) fn drawing(&self, value: f64, [low, high]: [f64; 2]) -> String {
        let [width, height] = SIZE;
        let x = |value: f64| {
            let share = (value - self.low) / (self.high - self.low);
            MARGIN + share.clamp(0.0, 1.0) * (width - 2.0 * MARGIN)
        };
        let middle = height / 2.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"interval\" width=\"{width}\" height=\"{height}\" \
             aria-hidden=\"true\">"
        );
        // Writing to a string cannot fail.
        let _ = write!(
            svg,
            "<path d=\"M{:.1} {middle}H{:.1}\"/><circle cx=\"{:.1}\" cy=\"{middle}\" r=\"3.5\"/></svg>",
            x(low),
            x(high),
            x(value)
        );
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_covers_all_intervals() {
        let scale = IntervalScale::covering([[0.5, 0.7], [0.6, 0.9]].into_iter()).unwrap();
        let drawn = scale.drawing(0.7, [0.5, 0.9]);
        assert!(drawn.contains("M4.0 7H116.0"), "{drawn}");
        assert!(drawn.contains("cx=\"60.0\""), "{drawn}");
        assert_eq!(IntervalScale::covering([[0.5, 0.7]].into_iter()), None);
        assert_eq!(
            IntervalScale::covering([[0.5, 0.5], [0.5, 0.5]].into_iter()),
            None
        );
        assert_eq!(
            IntervalScale::covering([[f64::NAN; 2], [f64::NAN; 2]].into_iter()),
            None
        );
    }
}
