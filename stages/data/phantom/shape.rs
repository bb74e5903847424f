//! Soft-edged shapes. They use only additions, multiplications, divisions and square roots, which every machine
//! rounds in the same way, so the phantom is the same everywhere.

use rand::{Rng, RngExt};

/// Returns 0 below `low`, 1 above `high`, and a smooth transition between them.
#[inline]
pub(super) fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Returns 1 at 0, falling smoothly to 0 at ±1.
#[inline]
pub(super) fn bump(x: f32) -> f32 {
    bump_squared(x * x)
}

/// Returns [`bump`] of the square root of `x2`.
#[inline]
pub(super) fn bump_squared(x2: f32) -> f32 {
    let t = (1.0 - x2).max(0.0);
    t * t
}

/// Draws a number from `low` to `high`.
pub(super) fn between(rng: &mut impl Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.random::<f32>()
}

/// An ellipse. Its axes are turned by the angle with the sine `sin`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ellipse {
    pub x: f32,
    pub y: f32,
    pub rx: f32,
    pub ry: f32,
    pub sin: f32,
}

impl Ellipse {
    /// Returns the squared distance from the centre, which is 1 on the outline.
    #[inline]
    pub(super) fn squared(&self, x: f32, y: f32) -> f32 {
        let cos = (1.0 - self.sin * self.sin).sqrt();
        let (dx, dy) = (x - self.x, y - self.y);
        let u = (cos * dx + self.sin * dy) / self.rx;
        let v = (cos * dy - self.sin * dx) / self.ry;
        u * u + v * v
    }
}

/// Smooth noise: random values on a lattice, interpolated.
pub(super) struct Noise {
    lattice: [f32; Self::SIDE * Self::SIDE],
}

impl Noise {
    const SIDE: usize = 32;

    /// Creates noise with values from 0 to 1.
    pub(super) fn new(rng: &mut impl Rng) -> Self {
        let mut bytes = [0; Self::SIDE * Self::SIDE];
        rng.fill_bytes(&mut bytes);
        Self {
            lattice: bytes.map(|byte| f32::from(byte) / 255.0),
        }
    }

    /// Returns the value at a point. The lattice has a pitch of 1 and a period of 32.
    #[inline]
    pub(super) fn at(&self, x: f32, y: f32) -> f32 {
        // The offset keeps the coordinates of the picture, a few hundred at most, positive.
        let (x, y) = (x + 1024.0, y + 1024.0);
        let (column, row) = (x as usize, y as usize);
        let (fx, fy) = (x - column as f32, y - row as f32);
        let (sx, sy) = (fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy));
        let value = |r: usize, c: usize| self.lattice[r % Self::SIDE * Self::SIDE + c % Self::SIDE];
        let top = value(row, column) + sx * (value(row, column + 1) - value(row, column));
        let low =
            value(row + 1, column) + sx * (value(row + 1, column + 1) - value(row + 1, column));
        top + sy * (low - top)
    }

    /// Returns the sum of two octaves, about 0.5 on average.
    #[inline]
    pub(super) fn cloud(&self, x: f32, y: f32) -> f32 {
        0.65 * self.at(x, y) + 0.35 * self.at(2.3 * x + 7.7, 2.3 * y + 3.1)
    }
}
