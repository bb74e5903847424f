//! The vessels of the lungs: branches that leave the hilum and taper outward.

use rand::{Rng, RngExt};

use super::anatomy::Anatomy;
use super::shape::{between, bump_squared};

/// A piece of a vessel.
struct Segment {
    from: [f32; 2],
    to: [f32; 2],
    half_width: f32,
    strength: f32,
}

/// Draws the vessels as a picture of `side` × `side` values.
pub(super) fn draw(anatomy: &Anatomy, rng: &mut impl Rng, side: usize) -> Vec<f32> {
    let mut segments = Vec::new();
    let prominence = between(rng, 0.04, 0.09);
    for lung in &anatomy.lungs {
        let hilum = [
            lung.side * (lung.inner + between(rng, 0.06, 0.12)),
            0.5 * (lung.apex + lung.dome) + between(rng, -0.02, 0.14),
        ];
        let branches = 7;
        for branch in 0..branches {
            // The direction goes outward, from straight up to straight down. Its length need not be 1.
            let turn = (branch as f32 + between(rng, 0.1, 0.9)) / branches as f32 * 2.0 - 1.0;
            let direction = [lung.side * (1.05 - turn * turn), turn];
            let root = Branch {
                at: hilum,
                direction,
                half_width: between(rng, 0.018, 0.030),
                strength: prominence,
            };
            root.grow(4, &mut segments, rng);
        }
    }
    let mut picture = vec![0.0; side * side];
    segments
        .iter()
        .for_each(|segment| segment.add(&mut picture, side));
    picture
}

/// The growing tip of a vessel.
#[derive(Clone, Copy)]
struct Branch {
    at: [f32; 2],
    direction: [f32; 2],
    half_width: f32,
    strength: f32,
}

impl Branch {
    /// Adds `pieces` segments and their side branches.
    fn grow(mut self, pieces: u32, segments: &mut Vec<Segment>, rng: &mut impl Rng) {
        for left in (0..pieces).rev() {
            let reach = between(rng, 0.10, 0.17);
            let from = self.at;
            self.at = [
                from[0] + reach * self.direction[0],
                from[1] + reach * self.direction[1],
            ];
            segments.push(Segment {
                from,
                to: self.at,
                half_width: self.half_width,
                strength: self.strength,
            });
            if left > 1 && rng.random_bool(0.55) {
                let lean = if rng.random::<bool>() { 0.6 } else { -0.6 };
                let aside = self.turned(lean).thinner(0.7, 0.75);
                aside.grow(left - 1, segments, rng);
            }
            let bend = between(rng, -0.25, 0.25);
            self = self.turned(bend).thinner(0.8, 0.8);
        }
    }

    fn turned(self, by: f32) -> Self {
        let [x, y] = self.direction;
        Self {
            direction: [x - by * y, y + by * x],
            ..self
        }
    }

    fn thinner(self, width: f32, strength: f32) -> Self {
        Self {
            half_width: width * self.half_width,
            strength: strength * self.strength,
            ..self
        }
    }
}

impl Segment {
    fn add(&self, picture: &mut [f32], side: usize) {
        let pixel = 2.0 / side as f32;
        // A vessel that is thinner than a pixel is drawn a pixel wide and fainter.
        let half_width = self.half_width.max(pixel);
        let strength = self.strength * self.half_width / half_width;
        let range = |axis: usize| {
            let (a, b) = (self.from[axis], self.to[axis]);
            let bound = |v: f32| ((v + 1.0) / pixel).clamp(0.0, side as f32) as usize;
            bound(a.min(b) - half_width)..bound(a.max(b) + half_width + pixel)
        };
        let along = [self.to[0] - self.from[0], self.to[1] - self.from[1]];
        let square = along[0] * along[0] + along[1] * along[1];
        let columns = range(0);
        for row in range(1) {
            let y = (row as f32 + 0.5) * pixel - 1.0 - self.from[1];
            for column in columns.clone() {
                let x = (column as f32 + 0.5) * pixel - 1.0 - self.from[0];
                let t = ((x * along[0] + y * along[1]) / square).clamp(0.0, 1.0);
                let (dx, dy) = (x - t * along[0], y - t * along[1]);
                let value =
                    strength * bump_squared((dx * dx + dy * dy) / (half_width * half_width));
                let at = &mut picture[row * side + column];
                *at = at.max(value);
            }
        }
    }
}
