//! A random healthy chest, seen from the front.
//!
//! Coordinates run from -1 to 1, `x` to the right of the picture (the patient's left) and `y` down.
//! Values are brightness: 0 for air, about 0.6 for soft tissue, more where bone adds to it.

use rand::{Rng, RngExt};

use super::shape::{Ellipse, Noise, between, bump, bump_squared, smoothstep};

/// One lung. In its methods, `a` is the distance from the midline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lung {
    /// -1 on the left of the picture, 1 on its right.
    pub side: f32,
    /// Largest distance of the outer border from the midline.
    pub width: f32,
    pub apex: f32,
    /// `y` of the top of the diaphragm's dome.
    pub dome: f32,
    /// Distance of the dome's top from the midline.
    dome_at: f32,
    /// Steepness of the diaphragm towards the side.
    fall: f32,
    /// Distance of the inner border from the midline.
    pub inner: f32,
    /// Darkness of the lung.
    air: f32,
}

impl Lung {
    /// Returns how far a point is inside the lung's outline; negative outside.
    #[inline]
    fn depth(&self, a: f32, y: f32) -> f32 {
        let rest = 1.0 - ((y - self.apex) / (self.dome + 0.12 - self.apex)).clamp(0.0, 1.0);
        let outer = self.width * (1.0 - 0.62 * rest * rest * rest);
        let from_top = a - 0.36 * self.width;
        let top = self.apex + 1.1 * from_top * from_top;
        let off = a - self.dome_at;
        let steep = if off > 0.0 { self.fall } else { 0.45 };
        let base = self.dome + steep * off * off;
        (outer - a).min(a - self.inner).min(y - top).min(base - y)
    }

    /// Returns the diaphragm's `y` at a distance from the midline.
    #[inline]
    fn base(&self, a: f32) -> f32 {
        let off = a - self.dome_at;
        self.dome + if off > 0.0 { self.fall } else { 0.45 } * off * off
    }
}

/// The ribs of one side, as parallel curves. At the back they run outward from the spine; in front they run
/// inward.
#[derive(Clone, Copy, Debug)]
struct Ribs {
    first: f32,
    pitch: f32,
    half_width: f32,
    rise: f32,
    curl: f32,
    strength: f32,
    front: f32,
    front_slope: f32,
}

pub(super) struct Anatomy {
    pub lungs: [Lung; 2],
    ribs: Ribs,
    heart: Ellipse,
    heart_strength: f32,
    arch: Ellipse,
    thymus: [f32; 2],
    mediastinum: f32,
    trachea: f32,
    trachea_at: f32,
    clavicles: f32,
    clavicle_slope: f32,
    clavicle_strength: f32,
    trunk: f32,
    shoulders: f32,
    bubble: Ellipse,
    bubble_strength: f32,
    /// Soft tissue over the lower lungs.
    overlap: [Ellipse; 2],
    overlap_strength: f32,
    mottle: f32,
    pub noise: Noise,
}

/// Appearance of a point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    /// Brightness without vessels and disease.
    pub value: f32,
    /// Share of visible lung, 0 to 1. Vessels and opacities are added in proportion to it.
    pub lung: f32,
}

impl Anatomy {
    /// Draws a chest from `rng`.
    pub(super) fn draw(rng: &mut impl Rng) -> Self {
        let mut r = |low, high| between(rng, low, high);
        let (width, apex, dome) = (r(0.72, 0.84), r(-0.78, -0.66), r(0.38, 0.54));
        let air = r(0.40, 0.47);
        let mut lung = |side: f32, lower: f32| Lung {
            side,
            width: width + r(-0.03, 0.03),
            apex: apex + r(-0.02, 0.02),
            dome: dome + lower + r(-0.02, 0.02),
            dome_at: r(0.34, 0.46),
            fall: r(0.9, 1.9),
            inner: r(0.09, 0.14),
            air: air + r(-0.02, 0.02),
        };
        // The patient's left dome is a little lower than the right one.
        let lungs = [lung(-1.0, 0.0), lung(1.0, 0.035)];
        let ribs = Ribs {
            first: apex + r(-0.04, 0.06),
            pitch: r(0.140, 0.175),
            half_width: r(0.030, 0.042),
            rise: r(-0.26, -0.08),
            curl: r(0.45, 0.75),
            strength: r(0.06, 0.12),
            front: r(0.02, 0.055),
            front_slope: r(0.45, 0.8),
        };
        let heart = Ellipse {
            x: r(0.10, 0.19),
            y: dome - r(0.14, 0.24),
            rx: r(0.29, 0.40),
            ry: r(0.26, 0.35),
            sin: r(0.25, 0.55),
        };
        let arch = Ellipse {
            x: r(0.08, 0.13),
            y: apex + r(0.36, 0.48),
            rx: r(0.07, 0.12),
            ry: r(0.14, 0.24),
            sin: r(-0.2, 0.1),
        };
        let mut anatomy = Self {
            lungs,
            ribs,
            heart,
            heart_strength: r(0.80, 0.97),
            arch,
            thymus: [r(-0.4, 0.25), r(-0.5, 0.2)],
            mediastinum: r(0.14, 0.22),
            trachea: r(0.05, 0.12),
            trachea_at: r(-0.03, 0.03),
            clavicles: apex + r(0.04, 0.16),
            clavicle_slope: r(-0.36, -0.10),
            clavicle_strength: r(0.08, 0.15),
            trunk: r(0.90, 1.06),
            shoulders: r(-0.95, -0.70),
            bubble: Ellipse {
                x: r(0.28, 0.45),
                y: dome + r(0.20, 0.30),
                rx: r(0.10, 0.22),
                ry: r(0.07, 0.14),
                sin: r(-0.3, 0.3),
            },
            bubble_strength: r(-0.15, 0.24).max(0.0),
            overlap: [-1.0, 1.0].map(|side: f32| Ellipse {
                x: side * r(0.40, 0.62),
                y: dome - r(0.05, 0.30),
                rx: r(0.22, 0.40),
                ry: r(0.18, 0.36),
                sin: r(-0.3, 0.3),
            }),
            overlap_strength: r(-0.04, 0.05).max(0.0),
            mottle: r(0.01, 0.04),
            noise: Noise::new(rng),
        };
        // Some chests of small children have a sail-shaped thymus, which looks like a consolidation.
        if rng.random_bool(0.75) {
            anatomy.thymus = [0.0, 0.0];
        }
        anatomy
    }

    pub(super) fn at(&self, x: f32, y: f32) -> Point {
        let lung = &self.lungs[usize::from(x > 0.0)];
        let a = x.abs();

        let body = self.body(a, y);
        let depth = lung.depth(a, y);
        let inside = smoothstep(-0.012, 0.035, depth);
        let heart = self.heart(x, y, a);
        let clear = inside * (1.0 - heart);

        let mottle = self.mottle * (self.noise.cloud(6.0 * x, 6.0 * y) - 0.5);
        let mut value = body * (0.60 + mottle);
        // The belly (below the diaphragm) and the spine are thicker than the chest wall.
        value += body * 0.10 * smoothstep(0.0, 0.25, y - lung.base(a));
        value += body * 0.17 * bump(x / (2.2 * self.mediastinum)) * smoothstep(-1.2, -0.3, y);
        value += body * self.spine(x, y);
        value -=
            self.trachea * bump((x - self.trachea_at) / 0.075) * smoothstep(-0.15, -0.45, y) * body;
        value -= self.bubble_strength
            * bump_squared(self.bubble.squared(x, y) * 0.8)
            * smoothstep(0.02, 0.08, y - lung.base(a));
        value -= lung.air * clear * (0.62 + 0.38 * smoothstep(0.0, 0.26, depth));
        value += self.overlap_strength * self.overlapping(x, y);
        value += body * self.bones(lung, a, y, smoothstep(-0.10, 0.0, depth));
        Point { value, lung: clear }
    }

    /// Returns the extent of neck, shoulders and trunk: 1 inside, 0 outside.
    #[inline]
    fn body(&self, a: f32, y: f32) -> f32 {
        let shoulder = smoothstep(self.shoulders - 0.28, self.shoulders + 0.14, y);
        let trunk = smoothstep(-0.55, 0.15, y);
        let half = 0.30 + 0.92 * shoulder + (self.trunk - 1.22) * trunk;
        smoothstep(0.0, 0.16, half - a)
    }

    /// Returns how much the heart, the great vessels and the thymus hide the lung, from 0 to 1.
    #[inline]
    fn heart(&self, x: f32, y: f32, a: f32) -> f32 {
        // The fields of the heart and the arch add up where they meet, which gives both a common smooth outline.
        let heart = bump_squared(0.5 * self.heart.squared(x, y));
        let arch = bump_squared(0.4 * self.arch.squared(x, y));
        let heart = smoothstep(0.15, 0.37, heart + 0.8 * arch);
        let sail = self.thymus[usize::from(x > 0.0)].max(0.0);
        let sail = sail * smoothstep(-0.62, -0.50, y) * smoothstep(-0.05, -0.14, y);
        let thymus = smoothstep(0.05, -0.02, a - 0.14 - 1.1 * sail * (1.0 + y));
        let wall = smoothstep(0.05, -0.05, a - self.mediastinum * 0.8);
        (heart * self.heart_strength)
            .max(0.8 * wall)
            .max(if sail > 0.0 { 0.7 * thymus } else { 0.0 })
    }

    /// Returns the brightness of the vertebrae and the discs between them.
    #[inline]
    fn spine(&self, x: f32, y: f32) -> f32 {
        let level = y / 0.13 + 64.0;
        let disc = bump(((level - level.floor()) - 0.5) / 0.5);
        bump(x / 0.11) * (0.03 + 0.025 * disc)
    }

    #[inline]
    fn overlapping(&self, x: f32, y: f32) -> f32 {
        bump_squared(self.overlap[usize::from(x > 0.0)].squared(x, y) * 0.8)
    }

    /// Returns the brightness of ribs and clavicles.
    #[inline]
    fn bones(&self, lung: &Lung, a: f32, y: f32, cage: f32) -> f32 {
        let ribs = &self.ribs;
        let behind = rib(
            (y - ribs.first - a * (ribs.rise + ribs.curl * a)) / ribs.pitch,
            ribs,
        );
        let front = rib(
            (y - ribs.first - 0.08 - ribs.front_slope * (lung.width - a)) / (1.15 * ribs.pitch),
            ribs,
        );
        let front = front * smoothstep(0.22, 0.42, a);
        let off = y - self.clavicles - a * (self.clavicle_slope + 0.30 * (a - 0.3) * (a - 0.75));
        let clavicle = bump(off / 0.048) * smoothstep(0.02, 0.12, a) * smoothstep(0.98, 0.80, a);
        cage * (ribs.strength * behind + ribs.front * front) + self.clavicle_strength * clavicle
    }
}

/// Returns the brightness at a position across the ribs. The ribs are at the whole numbers from 0 to 9.
#[inline]
fn rib(position: f32, ribs: &Ribs) -> f32 {
    let nearest = (position + 0.5).floor().clamp(0.0, 9.0);
    let across = (position - nearest) * ribs.pitch / ribs.half_width;
    let square = across * across;
    // The edges of a rib are denser bone.
    bump_squared(0.55 * square) * (0.75 + 0.6 * square.min(1.0))
}
