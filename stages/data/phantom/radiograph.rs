//! Takes the picture: pose, exposure, markers and noise.

use rand::{Rng, RngExt};

use super::anatomy::Anatomy;
use super::pneumonia::Opacities;
use super::shape::{between, smoothstep};
use super::vessels;

/// Pose of the patient and settings of the picture.
struct Exposure {
    sin: f32,
    scale: [f32; 2],
    shift: [f32; 2],
    /// Change of the brightness across and down the picture.
    tilt: [f32; 2],
    black: f32,
    gain: f32,
    gamma: f32,
    noise: f32,
    /// Position of the letter that marks the side, if there is one.
    marker: Option<[f32; 2]>,
    /// Cable of a patient monitor, if there is one: height, slope and curve.
    lead: Option<[f32; 3]>,
}

impl Exposure {
    fn draw(rng: &mut impl Rng) -> Self {
        let mut r = |low, high| between(rng, low, high);
        Self {
            sin: r(-0.06, 0.06),
            scale: [r(0.95, 1.10), r(0.95, 1.10)],
            shift: [r(-0.05, 0.05), r(-0.05, 0.05)],
            tilt: [r(-0.05, 0.05), r(-0.05, 0.05)],
            black: r(-0.01, 0.06),
            gain: r(0.94, 1.10),
            gamma: r(-0.24, 0.16),
            noise: r(0.006, 0.018),
            marker: Some([r(-0.93, -0.80), r(-0.93, -0.55)]),
            lead: Some([r(-0.5, 0.5), r(-0.6, 0.6), r(-0.5, 0.5)]),
        }
        .with_some(rng)
    }

    /// Removes the marker from 40 % of the pictures and the lead from 88 %.
    fn with_some(mut self, rng: &mut impl Rng) -> Self {
        self.marker = self.marker.filter(|_| rng.random_bool(0.6));
        self.lead = self.lead.filter(|_| rng.random_bool(0.12));
        self
    }

    /// Returns the brightness of what is drawn over the picture.
    #[inline]
    fn overlay(&self, x: f32, y: f32) -> f32 {
        let mut value = 0.0;
        if let Some([mx, my]) = self.marker {
            let (dx, dy) = ((x - mx).abs(), (y - my).abs());
            value += 0.5
                * smoothstep(0.055, 0.035, dx)
                * smoothstep(0.075, 0.055, dy)
                * smoothstep(0.01, 0.03, dx + 0.4 * dy);
        }
        if let Some([height, slope, curve]) = self.lead {
            let off = y - height - x * (slope + curve * x);
            value += 0.16 * smoothstep(0.022, 0.008, off.abs());
        }
        value
    }

    #[inline]
    fn expose(&self, value: f32) -> f32 {
        let linear = (self.black + self.gain * value).clamp(0.0, 1.0);
        linear + self.gamma * linear * (1.0 - linear)
    }
}

/// Samples per side of a pixel: enough to draw ribs at sizes where they are thinner than a pixel.
fn samples(size: usize) -> usize {
    match size {
        0..48 => 3,
        48..160 => 2,
        _ => 1,
    }
}

/// Takes a radiograph of `size` × `size` gray bytes.
pub(super) fn take(
    anatomy: &Anatomy,
    opacities: &Opacities,
    rng: &mut impl Rng,
    size: usize,
) -> Vec<u8> {
    let exposure = Exposure::draw(rng);
    let samples = samples(size);
    let side = size * samples;
    let vessels = vessels::draw(anatomy, rng, side);
    let pixel = 2.0 / side as f32;
    let cos = (1.0 - exposure.sin * exposure.sin).sqrt();

    let mut sums = vec![0.0f32; size * size];
    for row in 0..side {
        let v = (row as f32 + 0.5) * pixel - 1.0;
        for column in 0..side {
            let u = (column as f32 + 0.5) * pixel - 1.0;
            let (du, dv) = (u - exposure.shift[0], v - exposure.shift[1]);
            let x = (cos * du + exposure.sin * dv) / exposure.scale[0];
            let y = (cos * dv - exposure.sin * du) / exposure.scale[1];
            let point = anatomy.at(x, y);
            let mut value = point.value;
            if point.lung > 0.01 {
                value += point.lung * (nearest(&vessels, side, x, y) + opacities.at(x, y));
            }
            value *= 1.0 + exposure.tilt[0] * u + exposure.tilt[1] * v;
            value += exposure.overlay(u, v);
            sums[row / samples * size + column / samples] += exposure.expose(value);
        }
    }
    let mut grain = vec![0; 4 * size * size];
    rng.fill_bytes(&mut grain);
    let count = (samples * samples) as f32;
    sums.iter()
        .zip(grain.chunks_exact(4))
        .map(|(sum, grain)| {
            let value = sum / count + exposure.noise * normal(grain);
            (value * 255.0 + 0.5).clamp(0.0, 255.0) as u8
        })
        .collect()
}

/// Returns the value of a picture's pixel at a point in the patient's coordinates.
#[inline]
fn nearest(picture: &[f32], side: usize, x: f32, y: f32) -> f32 {
    let index = |v: f32| (((v + 1.0) * 0.5 * side as f32).max(0.0) as usize).min(side - 1);
    picture[index(y) * side + index(x)]
}

/// Returns a roughly normal number with standard deviation 1, from the sum of four uniform bytes.
#[inline]
fn normal(bytes: &[u8]) -> f32 {
    let sum: f32 = bytes.iter().map(|&byte| f32::from(byte)).sum();
    (sum - 510.0) / 147.8
}
