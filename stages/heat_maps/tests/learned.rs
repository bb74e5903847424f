//! Checks on trained networks that heat maps show what was learned.

use contract::random;
use dfdx::tensor::{Cpu, Trace};
use ops::optimizer::{Optimizer, OptimizerConfig, SecondMoment};
use ops::{Tensor4, Wanted};
use rand::RngExt;
use serde_json::json;

use super::{HeatMap, Technique, drawn, maps_of, network};
use crate::nets::{Feature, Mode, Network};

const SIDE: usize = 16;
const IMAGES: usize = 48;
/// Number of draws of random weights.
const SEEDS: u64 = 8;
/// Side of the square that an image of the second class has.
const MARK: usize = 4;

/// Images and their classes.
struct Examples {
    images: Vec<Vec<u8>>,
    labels: Vec<usize>,
}

/// Draws a square of stripes, horizontal or vertical.
fn stripes(image: &mut [u8], (top, left): (usize, usize), is_horizontal: bool) {
    for y in 0..MARK {
        for x in 0..MARK {
            let line = if is_horizontal { y } else { x };
            image[(top + y) * SIDE + left + x] = if line % 2 == 0 { 250 } else { 20 };
        }
    }
}

/// Returns images of noise. Every second image is of the second class. `draw` adds what distinguishes the classes.
fn examples(draw: impl Fn(&mut [u8], usize, &mut dyn FnMut(usize) -> usize)) -> Examples {
    let mut rng = random::stream(3, "images", [0, 0]);
    let labels: Vec<usize> = (0..IMAGES).map(|at| at % 2).collect();
    let images = labels.iter().map(|&label| {
        let mut image: Vec<u8> = (0..SIDE * SIDE)
            .map(|_| rng.random_range(100..140))
            .collect();
        draw(&mut image, label, &mut |end| rng.random_range(0..end));
        image
    });
    Examples {
        images: images.collect(),
        labels,
    }
}

/// Trains until all examples are classified correctly with a margin, and returns the network.
fn trained(mut network: Network<Cpu>, examples: &Examples) -> Network<Cpu> {
    let config = OptimizerConfig::Adam {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-7,
        epsilon_added_to: SecondMoment::default(),
    };
    let pixels = examples.images.iter().flatten();
    let pixels: Vec<f32> = pixels.map(|&byte| f32::from(byte) / 255.0).collect();
    let truth: Vec<f32> = examples.labels.iter().map(|&label| label as f32).collect();
    let mut optimizer = Optimizer::new(config, network.parameters());
    for step in 0..600 {
        let shape = (IMAGES, 1, SIDE, SIDE);
        let images: Tensor4<Cpu> = ops::from_host(network.device(), pixels.clone(), shape);
        let wanted = Wanted {
            input: false,
            parameters: true,
        };
        let mode = Mode::Train {
            seed: 1,
            step,
            wanted,
        };
        let logits = network.forward(images.trace(optimizer.no_gradients()), mode);
        let loss = ops::binary_cross_entropy(logits, &truth, &[1.0; IMAGES]);
        let value = dfdx::tensor::AsArray::array(&loss);
        let mut gradients = ops::backward(loss);
        if value < 0.02 {
            return network;
        }
        let (parameters, options) = network.parameters_mut();
        optimizer.step(0.01, parameters, &mut gradients, options);
    }
    panic!("the network did not learn its examples");
}

fn input() -> Feature {
    Feature::new(1, SIDE, SIDE)
}

/// Returns the share of the positive values of a map that is within `border` pixels of a square.
fn share_within(map: &HeatMap, (top, left): (usize, usize), border: usize) -> f32 {
    let near = |at: usize, start: usize| at + border >= start && at < start + MARK + border;
    let values = map.values.iter().enumerate();
    let positive = values.map(|(at, value)| (at / SIDE, at % SIDE, value.max(0.0)));
    let all: f32 = positive.clone().map(|(_, _, value)| value).sum();
    let inside = positive.filter(|&(y, x, _)| near(y, top) && near(x, left));
    inside.map(|(_, _, value)| value).sum::<f32>() / all
}

/// Two methods that have nothing in common find the place that distinguishes the classes.
#[test]
fn both_methods_find_the_corner_that_matters() {
    let examples = examples(|image, label, _| {
        if label == 1 {
            stripes(image, (0, SIDE - MARK), true);
        }
    });
    let layers = json!([
        { "conv": { "filters": 6 } }, { "max_pool": 2 },
        { "conv": { "filters": 6 } }, "flatten", { "dense": { "units": 1 } },
    ]);
    let mut network = trained(network(input(), layers), &examples);
    let marked: Vec<Vec<u8>> = examples
        .images
        .into_iter()
        .skip(1)
        .step_by(2)
        .take(6)
        .collect();
    for technique in [
        Technique::GradCam { layer: 1 },
        Technique::GradCam { layer: 3 },
        Technique::Occlusion { size: 4, stride: 2 },
    ] {
        for map in maps_of(&mut network, &marked, 1, technique) {
            let share = share_within(&map, (0, SIDE - MARK), 2);
            // The region is 6 × 6 of 16 × 16 pixels: 14 %.
            assert!(
                share > 0.6,
                "{technique}: {share} of the map is in the corner"
            );
        }
    }
}

fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let mean = |v: &[f32]| v.iter().copied().map(f64::from).sum::<f64>() / v.len() as f64;
    let (a_mean, b_mean) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (&a, &b) in a.iter().zip(b) {
        let (a, b) = (f64::from(a) - a_mean, f64::from(b) - b_mean);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    // A constant map says nothing about places.
    if aa == 0.0 || bb == 0.0 {
        0.0
    } else {
        ab / (aa * bb).sqrt()
    }
}

/// Repeats the check of Adebayo et al. ("Sanity Checks for Saliency Maps", NeurIPS 2018): layers lose their weights one
/// after the other, from the output to the input. A map that would not change could not show what was learned.
#[test]
fn maps_change_when_weights_are_random() {
    // Every image has both kinds of stripes, but only vertical ones come with the second class in a second place.
    let examples = examples(|image, label, random| {
        let row = random(4) * MARK;
        stripes(image, (row, 0), true);
        let row = random(4) * MARK;
        stripes(image, (row, 12), label == 0);
    });
    let layers = json!([
        { "conv": { "filters": 8 } }, { "max_pool": 2 },
        { "conv": { "filters": 8 } }, "global_avg_pool", { "dense": { "units": 1 } },
    ]);
    let mut learned = trained(network(input(), layers.clone()), &examples);
    let images: Vec<Vec<u8>> = examples
        .images
        .into_iter()
        .skip(1)
        .step_by(2)
        .take(12)
        .collect();
    let technique = Technique::GradCam { layer: 3 };
    let before = maps_of(&mut learned, &images, 1, technique);
    // Weights and biases of dense, of the second convolution and of the first one.
    let groups = [4..6, 2..4, 0..2];
    let mut sums = [0.0; 3];
    for seed in 100..100 + SEEDS {
        let mut state = learned.snapshot();
        let random = drawn(input(), layers.clone(), seed).snapshot();
        for (tensors, sum) in groups.iter().zip(&mut sums) {
            state[tensors.clone()].clone_from_slice(&random[tensors.clone()]);
            let mut randomized = drawn(input(), layers.clone(), seed);
            randomized.set_state(state.clone());
            let after = maps_of(&mut randomized, &images, 1, technique);
            let pairs = before.iter().zip(&after);
            *sum += pairs
                .map(|(a, b)| correlation(&a.values, &b.values))
                .sum::<f64>();
        }
    }
    let means = sums.map(|sum| sum / (images.len() as u64 * SEEDS) as f64);
    assert!(means.iter().all(|mean| *mean < 0.5), "{means:?}");
}
