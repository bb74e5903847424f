//! Bilinear interpolation of a map to another size.

/// Returns the map at size `to`; sizes are (height, width). Pixels are squares whose values hold at their centers, and
/// values at the edge continue outwards: `align_corners=False` in PyTorch.
pub(super) fn resample(
    values: &[f32],
    (height, width): (usize, usize),
    to: (usize, usize),
) -> Vec<f32> {
    let columns = places(width, to.1);
    let mut resampled = Vec::with_capacity(to.0 * to.1);
    for row in places(height, to.0) {
        let upper = &values[row.low * width..][..width];
        let lower = &values[row.high * width..][..width];
        resampled.extend(
            columns
                .iter()
                .map(|column| row.between(column.at(upper), column.at(lower)) as f32),
        );
    }
    resampled
}

/// A place between two neighbouring pixels of a side.
struct Place {
    low: usize,
    high: usize,
    /// Distance from `low`, from 0 to 1.
    share: f64,
}

impl Place {
    fn between(&self, low: f64, high: f64) -> f64 {
        low + self.share * (high - low)
    }

    fn at(&self, values: &[f32]) -> f64 {
        self.between(f64::from(values[self.low]), f64::from(values[self.high]))
    }
}

/// Returns the place of each of `to` pixels on a side of `from` pixels.
fn places(from: usize, to: usize) -> Vec<Place> {
    let scale = from as f64 / to as f64;
    let place = |at: usize| {
        let center = ((at as f64 + 0.5) * scale - 0.5).max(0.0);
        let low = (center as usize).min(from - 1);
        Place {
            low,
            high: (low + 1).min(from - 1),
            share: center - low as f64,
        }
    };
    (0..to).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::resample;

    fn close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
        }
    }

    /// Expected values from PyTorch 2.15.0: `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)` in
    /// float64.
    #[test]
    fn values_are_those_of_pytorch() {
        let map = [1.0, -2.0, 4.0, 0.5, 8.0, 3.0];
        let expected = [
            1.0, -0.875, 0.25, 4.0, 0.95, -0.26875, 0.8375, 3.9, 0.75, 2.15625, 3.1875, 3.5, 0.55,
            4.58125, 5.5375, 3.1, 0.5, 5.1875, 6.125, 3.0,
        ];
        close(&resample(&map, (2, 3), (5, 4)), &expected);
        close(&resample(&map, (2, 3), (1, 2)), &[1.3125, 3.375]);
        assert_eq!(resample(&map, (2, 3), (2, 3)), map);
        assert_eq!(resample(&[7.0], (1, 1), (2, 3)), [7.0; 6]);
    }
}
