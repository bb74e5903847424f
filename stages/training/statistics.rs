//! The pass over the training images that estimates the statistics of `batch_norm` layers.

use contract::{Context, Failure, ImageShape};
use ops::{Backend, Staged};

use super::examples::Examples;
use super::features::AllFeatures;
use crate::nets::{Network, estimate_statistics};

/// Sets the running statistics of `network` to those of all images of epoch `epoch` (from 0), without augmentation
/// and dropout. The images are in the order of the epoch, because datasets may be ordered by class. `features` are those
/// of the frozen layers.
pub(super) fn estimate<B: Backend>(
    network: &mut Network<B>,
    examples: &Examples,
    features: &AllFeatures,
    epoch: usize,
    batch_size: usize,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let ImageShape {
        height,
        width,
        channels,
    } = examples.image();
    let order = examples.order(epoch as u64);
    estimate_statistics(network, order.chunks(batch_size), |network, batch| {
        context.check_cancelled()?;
        if let Some(features) = features.batch(batch, network.device()) {
            return Ok(features);
        }
        let shape = (batch.len(), channels, height, width);
        let mut images = Staged::new(network.device(), shape);
        examples.unaugmented(batch, &mut images);
        Ok(network.forward_frozen(images.upload()))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use contract::random;
    use dfdx::tensor::Cpu;
    use ops::{Tensor4, Wanted};
    use rand::RngExt;
    use serde_json::json;

    use super::*;
    use crate::data::Dataset;
    use crate::nets::{Head, Layer, Mode};
    use crate::training::testing::{augmented, dataset, network, request, train};
    use crate::training::validation::validate;

    /// Expected values from numpy 2.4.6, in float64:
    /// ```python
    /// i, j = np.arange(37)[:, None], np.arange(12)[None, :]
    /// x = ((i * i * 7 + i * 13 * j + 31 * j) % 256).reshape(37, 2, 2, 3) / 255
    /// x.mean((0, 1, 2)), x.var((0, 1, 2))
    /// ```
    #[test]
    fn the_first_layer_gets_mean_and_variance_of_all_images() {
        let shape = ImageShape {
            height: 2,
            width: 2,
            channels: 3,
        };
        let images = (0..37).map(|i| {
            let pixels = (0..12).map(|j| ((i * i * 7 + i * 13 * j + 31 * j) % 256) as u8);
            (u32::from(i > 20), pixels.collect())
        });
        // The transforms would change the values, as would the dropout.
        let policy = json!({ "shear": 0.4, "zoom": 0.4 });
        let examples = Examples::new(augmented(shape, images, Some(policy)), 1);
        let layers: Vec<Layer> = serde_json::from_value(
            json!([{ "dropout": 0.5 }, "batch_norm", "flatten", { "dense": { "units": 1 } }]),
        )
        .unwrap();
        let mut network = network(&layers, shape);
        let (request, cancelled) = (request(), AtomicBool::new(false));
        let context = Context::new(&request, &|_| {}, &cancelled);
        // The last batch is smaller than the others.
        let none = AllFeatures::default();
        estimate(&mut network, &examples, &none, 0, 8, &context).unwrap();
        let state = network.state();
        let values = |wanted: &str| {
            let (_, tensor) = state.iter().find(|(name, _)| name == wanted).unwrap();
            ops::to_host(tensor)
        };
        for (name, expected) in [
            (
                "1.batch_norm.mean",
                [0.501_589_825, 0.482_617_912, 0.538_261_791],
            ),
            (
                "1.batch_norm.variance",
                [0.079_143_019_4, 0.096_196_818_7, 0.084_642_730_3],
            ),
        ] {
            for (value, expected) in values(name).into_iter().zip(expected) {
                assert!((value - expected as f32).abs() < 1e-7, "{name}: {value}");
            }
        }
    }

    const SIDE: usize = 8;

    /// Returns images of noise; those of class `b` have a brighter square.
    fn noisy(count: usize, seed: u64) -> Dataset {
        let shape = ImageShape {
            height: SIDE,
            width: SIDE,
            channels: 1,
        };
        let images = (0..count).map(|image| {
            let mut rng = random::stream(seed, "noisy", [image as u64, 0]);
            let label = (image >= count / 2) as u32;
            let brightness: u32 = rng.random_range(0..100);
            let pixels = (0..SIDE * SIDE).map(|pixel| {
                let in_square = pixel % SIDE < 3 && pixel / SIDE < 3;
                let signal = if in_square { 30 * label } else { 0 };
                (brightness + signal + rng.random_range(0..100)) as u8
            });
            (label, pixels.collect())
        });
        dataset(shape, images)
    }

    /// Predicts the same images with the same weights and with the statistics of batches that are drawn differently
    /// each time. The reference are running statistics.
    #[test]
    fn redrawn_batches_hardly_change_the_loss() {
        const BATCH: usize = 8;
        let model = json!([
            { "conv": { "filters": 8 } }, "batch_norm", { "max_pool": 2 }, { "conv": { "filters": 8 } },
            "batch_norm", { "max_pool": 2 }, "flatten", { "dense": { "units": 8 } }, "batch_norm",
            { "dense": { "units": 1 } }
        ]);
        let recipe = json!({ "model": model, "epochs": 4, "batch_size": BATCH });
        let examples = Examples::new(noisy(640, 1), 1);
        let validation = noisy(100, 2);
        let (request, cancelled) = (request(), AtomicBool::new(false));
        let context = Context::new(&request, &|_| {}, &cancelled);
        let (mut network, fitted) = train(recipe, &examples, Some(&validation), &context);
        fitted.unwrap();

        let losses = |network: &mut Network<Cpu>, refresh: &dyn Fn(&mut Network<Cpu>, usize)| {
            let losses = (10..20).map(|draw| {
                refresh(network, draw);
                let validated = validate(network, Head::Sigmoid, &validation, None, &context);
                validated.unwrap().measures.loss
            });
            losses.collect::<Vec<f64>>()
        };
        let estimated = losses(&mut network, &|network, draw| {
            let none = AllFeatures::default();
            estimate(network, &examples, &none, draw, BATCH, &context).unwrap();
        });
        let running = losses(&mut network, &|network, draw| {
            let wanted = Wanted {
                input: false,
                parameters: false,
            };
            let mode = Mode::Train {
                seed: 0,
                step: 0,
                wanted,
            };
            for batch in examples.order(draw as u64).chunks(BATCH) {
                let mut images = Staged::new(network.device(), (batch.len(), 1, SIDE, SIDE));
                examples.unaugmented(batch, &mut images);
                let images: Tensor4<Cpu> = images.upload();
                network.forward(images, mode);
            }
        });
        let range = |losses: &[f64]| {
            let highest = losses.iter().copied().fold(f64::MIN, f64::max);
            highest - losses.iter().copied().fold(f64::MAX, f64::min)
        };
        assert!(
            range(&estimated) < range(&running) / 4.0,
            "estimated {estimated:.4?}, running {running:.4?}"
        );
    }
}
