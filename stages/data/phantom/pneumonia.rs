//! Opacities in the lungs: dense patches (consolidations) and diffuse ones.

use rand::{Rng, RngExt};

use super::anatomy::{Anatomy, Lung};
use super::shape::{Ellipse, Noise, between, bump_squared, smoothstep};

/// The opacities of a chest, in addition to its healthy anatomy.
pub(super) struct Opacities {
    patches: Vec<Patch>,
    diffuse: Option<Diffuse>,
    noise: Noise,
}

struct Patch {
    ellipse: Ellipse,
    strength: f32,
    /// Raggedness of the edge.
    ragged: f32,
}

struct Diffuse {
    strength: f32,
    /// Number of noise cells per unit of length.
    grain: f32,
    /// Value of the noise up to which the lung is spared.
    sparing: f32,
    /// Excess in the lower lungs over the upper ones.
    basal: f32,
    /// Relative strength in each lung.
    sides: [f32; 2],
}

impl Opacities {
    /// Returns no opacities.
    pub(super) fn none(rng: &mut impl Rng) -> Self {
        Self {
            patches: Vec::new(),
            diffuse: None,
            noise: Noise::new(rng),
        }
    }

    /// Draws opacities that a healthy chest may have too: faint, small shadows of a scar, a joint of two ribs
    /// or a fold of skin.
    pub(super) fn innocent(anatomy: &Anatomy, rng: &mut impl Rng) -> Self {
        let mut opacities = Self::none(rng);
        for lung in &anatomy.lungs {
            if rng.random_bool(0.2) {
                let strength = between(rng, 0.03, 0.07);
                opacities
                    .patches
                    .push(Patch::draw(lung, rng, [0.07, 0.15], strength));
            }
        }
        opacities
    }

    /// Draws pneumonia. A `subtle` one is easily missed.
    pub(super) fn pneumonia(anatomy: &Anatomy, rng: &mut impl Rng, subtle: bool) -> Self {
        let mut opacities = Self::none(rng);
        let strength = |rng: &mut _| {
            if subtle {
                between(rng, 0.12, 0.20)
            } else {
                between(rng, 0.28, 0.46)
            }
        };
        let diffuse = rng.random_bool(0.45);
        if diffuse {
            let weaker = rng.random::<f32>();
            let first = usize::from(rng.random::<bool>());
            let mut sides = [1.0; 2];
            sides[first] = 0.5 + 0.5 * weaker;
            opacities.diffuse = Some(Diffuse {
                strength: 1.1 * strength(rng),
                grain: between(rng, 4.0, 8.0),
                sparing: between(rng, 0.08, 0.26),
                basal: between(rng, -0.2, 0.9),
                sides,
            });
        }
        if !diffuse || rng.random_bool(0.5) {
            let lung = anatomy.lungs[usize::from(rng.random::<bool>())];
            let radii = if subtle { [0.15, 0.26] } else { [0.22, 0.42] };
            for _ in 0..if subtle { 1 } else { rng.random_range(2..=4) } {
                let strength = strength(rng);
                opacities
                    .patches
                    .push(Patch::draw(&lung, rng, radii, strength));
            }
        }
        opacities
    }

    /// Returns the brightness to add at a point that shows only lung.
    #[inline]
    pub(super) fn at(&self, x: f32, y: f32) -> f32 {
        let patches: f32 = self
            .patches
            .iter()
            .map(|patch| patch.at(x, y, &self.noise))
            .sum();
        let diffuse = self.diffuse.as_ref();
        let sum = patches + diffuse.map_or(0.0, |diffuse| diffuse.at(x, y, &self.noise));
        // Lung without air is as bright as other soft tissue, not brighter.
        sum - sum.min(0.7) * sum.min(0.7) / 1.4 - (sum - 0.7).max(0.0)
    }
}

impl Patch {
    /// Draws a patch in `lung`, more often low than high.
    fn draw(lung: &Lung, rng: &mut impl Rng, radii: [f32; 2], strength: f32) -> Self {
        let height = 1.0 - between(rng, 0.0, 0.9) * between(rng, 0.3, 1.0);
        // The heart hides much of the inner lung on the right of the picture.
        let innermost = if lung.side > 0.0 { 0.5 } else { 0.3 };
        let out = between(rng, innermost, 0.85);
        let ellipse = Ellipse {
            x: lung.side * (lung.inner + out * (lung.width - lung.inner)),
            y: lung.apex + 0.15 + height * (lung.dome - lung.apex - 0.2),
            rx: between(rng, radii[0], radii[1]),
            ry: between(rng, radii[0], radii[1]),
            sin: between(rng, -0.7, 0.7),
        };
        Self {
            ellipse,
            strength,
            ragged: between(rng, 0.4, 1.3),
        }
    }

    #[inline]
    fn at(&self, x: f32, y: f32, noise: &Noise) -> f32 {
        let square = self.ellipse.squared(x, y);
        if square > 2.0 {
            return 0.0;
        }
        let texture = noise.cloud(9.0 * x, 9.0 * y);
        let edge = square * 0.6 + self.ragged * (texture - 0.5) * square.min(1.0);
        self.strength * (0.75 + 0.5 * texture) * bump_squared(edge.max(0.0))
    }
}

impl Diffuse {
    #[inline]
    fn at(&self, x: f32, y: f32, noise: &Noise) -> f32 {
        let (x, y, right) = (self.grain * x, self.grain * y, x > 0.0);
        // Bending the coordinates hides the lattice of the noise.
        let bend = noise.at(0.6 * x + 5.3, 0.6 * y + 11.9) - 0.5;
        let cloud = noise.cloud(x + 1.5 * bend + 0.4 * y, y + 1.1 * bend - 0.4 * x);
        let dense = smoothstep(self.sparing, self.sparing + 0.5, cloud);
        let height = 1.0 + self.basal * (y / self.grain + 0.1).clamp(-0.7, 0.7);
        self.strength * self.sides[usize::from(right)] * dense * height.max(0.0)
    }
}
