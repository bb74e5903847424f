//! Comparison with PyTorch.
//!
//! The expected values are those of PyTorch 2.15.0 in float64, for a network with the same weights in evaluation mode:
//! `conv2d`, `relu`, `batch_norm`, `max_pool2d`, `conv2d`, `leaky_relu` and then either `flatten` or the mean over
//! pixels, and `linear`. Grad-CAM was computed with autograd from the formula in the paper and enlarged with
//! `interpolate(mode="bilinear", align_corners=False)`; occlusion with a loop over the patches.

use serde_json::{Value, json};

use super::{Technique, maps_of, network};
use crate::nets::{Feature, Network};

const INPUT: Feature = Feature {
    channels: 2,
    height: 8,
    width: 8,
};

/// Returns an image with values that differ along rows, columns and channels.
fn image() -> Vec<u8> {
    let pixels = (0..8).flat_map(|y| (0..8).map(move |x| (y, x)));
    let values = pixels
        .flat_map(|(y, x)| [0, 1].map(|c| (y * 37 + x * 11 + c * 101 + y * x % 7 * 13) % 256));
    values.map(|value| value as u8).collect()
}

/// Returns the values of tensor number `t`.
fn tensor(t: usize, len: usize, base: f32, factor: f32) -> Vec<f32> {
    let value = |i: usize| ((i * 7 + t * 3) % 11) as f32 - 5.0;
    (0..len).map(|i| base + factor * value(i)).collect()
}

fn reference(end: Value, features: usize, outputs: usize) -> Network<dfdx::tensor::Cpu> {
    let mut layers = vec![
        json!({ "conv": { "filters": 3 } }),
        json!("batch_norm"),
        json!({ "max_pool": 2 }),
        json!({ "conv": { "filters": 4, "activation": "leaky_relu" } }),
    ];
    layers.push(end);
    layers.push(json!({ "dense": { "units": outputs } }));
    let mut network = network(INPUT, json!(layers));
    // In the order of the state: parameters by layer, then running statistics.
    network.set_state(vec![
        tensor(0, 3 * 2 * 9, 0.0, 0.1),
        tensor(1, 3, 0.0, 0.1),
        tensor(2, 3, 1.0, 0.1),
        tensor(3, 3, 0.0, 0.1),
        tensor(4, 4 * 3 * 9, 0.0, 0.1),
        tensor(5, 4, 0.0, 0.1),
        tensor(6, outputs * features, 0.0, 10.0),
        tensor(7, outputs, 0.0, 0.1),
        tensor(8, 3, 0.0, 0.1),
        tensor(9, 3, 1.0, 0.1),
    ]);
    network
}

fn sigmoid() -> Network<dfdx::tensor::Cpu> {
    reference(json!("flatten"), 64, 1)
}

fn softmax() -> Network<dfdx::tensor::Cpu> {
    reference(json!("global_avg_pool"), 4, 3)
}

/// Compares the two diagonals of a map, from the top left and from the top right, and the sum of all values.
#[track_caller]
fn assert_map(
    mut network: Network<dfdx::tensor::Cpu>,
    class: usize,
    technique: Technique,
    diagonals: [[f64; 8]; 2],
    sum: f64,
) {
    let map = &maps_of(&mut network, &[image()], class, technique)[0];
    let largest = f64::from(
        map.values
            .iter()
            .fold(0.0, |most: f32, v| most.max(v.abs())),
    );
    let tolerance = 1e-5 * largest.max(1.0);
    let value = |row: usize, column: usize| f64::from(map.values[row * 8 + column]);
    for at in 0..8 {
        let found = [value(at, at), value(at, 7 - at)];
        for (found, expected) in found.into_iter().zip(diagonals.map(|d| d[at])) {
            let difference = (found - expected).abs();
            assert!(
                difference < tolerance,
                "row {at}: {found} is not {expected}"
            );
        }
    }
    let found: f64 = map.values.iter().copied().map(f64::from).sum();
    assert!(
        (found - sum).abs() < 64.0 * tolerance,
        "the sum {found} is not {sum}"
    );
}

#[test]
fn grad_cam_of_a_convolution_is_that_of_pytorch() {
    assert_map(
        sigmoid(),
        1,
        Technique::GradCam { layer: 4 },
        [
            [
                0.6349578, 0.6667946, 0.4496126, 0.1962057, 0.1628414, 0.0752993, 0.0083666, 0.0,
            ],
            [
                0.0, 0.0248212, 0.2233908, 0.2862824, 0.0891567, 0.2422927, 0.7424948, 1.003292,
            ],
        ],
        19.625478,
    );
    assert_map(
        softmax(),
        1,
        Technique::GradCam { layer: 4 },
        [
            [
                0.0727787, 0.2958119, 0.4785432, 0.4565074, 0.5582204, 0.5701462, 0.5166852,
                0.5347453,
            ],
            [
                0.2983555, 0.236071, 0.5399398, 0.7121603, 0.2591137, 0.4369871, 1.0179125,
                1.1618507,
            ],
        ],
        32.839082,
    );
}

/// The negative logit belongs to the first of two classes; each of several classes has its own.
#[test]
fn grad_cam_depends_on_the_class_as_in_pytorch() {
    assert_map(
        sigmoid(),
        0,
        Technique::GradCam { layer: 4 },
        [
            [
                0.0, 0.0562717, 0.0562717, 0.0, 0.0, 0.1029299, 0.2654385, 0.3250172,
            ],
            [
                0.2214877, 0.180205, 0.0694611, 0.0, 0.0, 0.0522627, 0.0522627, 0.0,
            ],
        ],
        7.450423,
    );
    assert_map(
        softmax(),
        0,
        Technique::GradCam { layer: 4 },
        [
            [
                0.8065432, 0.6600815, 0.2568099, 0.050245, 0.050245, 0.0, 0.0, 0.0,
            ],
            [
                0.0, 0.0167483, 0.1507349, 0.1507349, 0.0167483, 0.0, 0.0, 0.0,
            ],
        ],
        8.701286,
    );
}

/// Batch normalization and pooling are between the layer and the output.
#[test]
fn grad_cam_of_the_first_layer_is_that_of_pytorch() {
    assert_map(
        sigmoid(),
        1,
        Technique::GradCam { layer: 1 },
        [
            [0.0, 0.0, 0.0, 0.5018472, 1.4739476, 0.0, 0.3016795, 0.0],
            [
                0.0, 0.9060613, 0.4380141, 0.0, 0.4928299, 0.0854975, 0.0, 0.0,
            ],
        ],
        17.18546,
    );
    assert_map(
        softmax(),
        2,
        Technique::GradCam { layer: 1 },
        [
            [
                0.043143, 0.0188527, 0.0476722, 0.027472, 0.025868, 0.0404336, 0.0165471, 0.0205704,
            ],
            [
                0.0306556, 0.0458467, 0.0075751, 0.0429169, 0.0245589, 0.0019347, 0.0532314,
                0.0367213,
            ],
        ],
        1.941824,
    );
}

#[test]
fn occlusion_is_that_of_pytorch() {
    assert_map(
        sigmoid(),
        1,
        Technique::Occlusion { size: 3, stride: 2 },
        [
            [
                -17.563841, -17.563841, 13.04329, 20.870035, 30.924416, 15.435545, 15.435545,
                -5.782287,
            ],
            [
                -6.19681, 32.200026, 37.373515, 26.118986, 35.572861, 33.017821, 18.292631,
                10.996984,
            ],
        ],
        1406.96885,
    );
    assert_map(
        softmax(),
        2,
        Technique::Occlusion { size: 4, stride: 1 },
        [
            [
                0.070218, 0.378769, 0.960297, 1.354607, 1.668272, 1.265319, 0.419267, 0.085437,
            ],
            [
                2.872895, 2.750142, 2.081223, 1.844972, 1.397235, 1.696671, 1.540518, 0.792007,
            ],
        ],
        81.40993,
    );
}
