//! Initial values of weights.

use contract::random;
use rand::RngExt;
use rand_distr::{Distribution, Normal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Distribution of the initial weights of convolutions and dense layers. Biases start at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Initializer {
    /// Uniform in ±√(6 / (fan in + fan out)), Keras' default (Glorot and Bengio, 2010).
    #[default]
    GlorotUniform,
    /// Normal with variance 2 / fan in (He et al., 2015).
    HeNormal,
    /// Normal with standard deviation 0.02, as in DCGAN (Radford et al., 2016).
    Dcgan,
}

impl Initializer {
    /// Draws the `len` weights of a layer. The random numbers depend only on `seed` and the layer's `position`: its index,
    /// and its number among the layers inside of the layer with that index, or 0 for that layer itself.
    pub(super) fn draw(
        self,
        len: usize,
        [fan_in, fan_out]: [usize; 2],
        seed: u64,
        position: [usize; 2],
    ) -> Vec<f32> {
        let mut rng = random::stream(seed, "initialize", position.map(|place| place as u64));
        let normal = |deviation: f64| Normal::new(0.0, deviation).expect("the deviation is finite");
        match self {
            Self::GlorotUniform => {
                let limit = (6.0 / (fan_in + fan_out) as f64).sqrt() as f32;
                (0..len)
                    .map(|_| (2.0 * rng.random::<f32>() - 1.0) * limit)
                    .collect()
            }
            Self::HeNormal => {
                let normal = normal((2.0 / fan_in as f64).sqrt());
                (0..len).map(|_| normal.sample(&mut rng) as f32).collect()
            }
            Self::Dcgan => {
                let normal = normal(0.02);
                (0..len).map(|_| normal.sample(&mut rng) as f32).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Initializer;

    #[test]
    fn weights_have_the_stated_spread() {
        for (initializer, expected) in [
            (Initializer::GlorotUniform, (6.0f64 / 300.0 / 3.0).sqrt()),
            (Initializer::HeNormal, (2.0f64 / 100.0).sqrt()),
            (Initializer::Dcgan, 0.02),
        ] {
            let weights = initializer.draw(20_000, [100, 200], 7, [3, 0]);
            let mean = weights.iter().map(|&w| f64::from(w)).sum::<f64>() / 20_000.0;
            let variance = weights
                .iter()
                .map(|&w| (f64::from(w) - mean).powi(2))
                .sum::<f64>()
                / 20_000.0;
            assert!(
                mean.abs() < 4.0 * expected / 20_000f64.sqrt(),
                "{initializer:?}: mean {mean}"
            );
            assert!(
                (variance.sqrt() / expected - 1.0).abs() < 0.03,
                "{initializer:?}: {variance}"
            );
        }
    }
}
