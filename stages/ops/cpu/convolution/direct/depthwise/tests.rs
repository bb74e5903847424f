//! Compares each pass with `groups`, for every kind of vectors that this processor has.

use super::{correlate, spread, takes, weight_gradient};
use crate::Activation;
use crate::check::{archs, noise};
use crate::cpu::convolution::Finish;
use crate::cpu::convolution::direct::groups;
use crate::geometry::Windows;

/// A convolution with half of the kernel as padding.
fn windows(
    [images, channels]: [usize; 2],
    input: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
) -> Windows {
    let before = kernel.map(|size| size / 2);
    let output = |axis: usize| (input[axis] + 2 * before[axis] - kernel[axis]) / stride[axis] + 1;
    Windows {
        images,
        groups: channels,
        channels: 1,
        filters: 1,
        input,
        kernel,
        stride,
        dilation: [1; 2],
        before,
        output: [output(0), output(1)],
    }
}

fn close(found: &[f32], expected: &[f32]) {
    let largest = expected.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 2e-6 * largest, "{found} is not {expected}");
    }
}

#[test]
fn every_pass_agrees_with_groups() {
    for windows in [
        windows([2, 3], [7, 7], [5, 5], [1, 1]),
        windows([2, 18], [14, 14], [3, 3], [2, 2]),
        windows([3, 2], [29, 41], [5, 3], [2, 1]),
        windows([1, 2], [64, 75], [3, 5], [1, 2]),
    ] {
        let channel_len = windows.input[0] * windows.input[1];
        let positions = windows.output[0] * windows.output[1];
        let count = windows.images * windows.groups;
        let images = noise(count * channel_len, 1);
        let outputs = noise(count * positions, 2);
        let weight = noise(windows.groups * windows.kernel[0] * windows.kernel[1], 3);
        let bias = noise(windows.groups, 4);
        let finish = Finish::Activate {
            bias: &bias,
            function: Activation::LeakyRelu,
        };
        for arch in archs() {
            if !takes(arch, &windows) {
                continue;
            }
            close(
                &correlate(arch, &windows, &images, &weight, finish),
                &groups::correlate(&windows, &images, &weight, finish),
            );
            let mut to_images = [images.clone(), images.clone()];
            spread(arch, &windows, &outputs, &weight, &mut to_images[0]);
            groups::spread(&windows, &outputs, &weight, &mut to_images[1]);
            close(&to_images[0], &to_images[1]);
            let mut to_weight = [weight.clone(), weight.clone()];
            weight_gradient(arch, &windows, &images, &outputs, &mut to_weight[0]);
            groups::weight_gradient(&windows, &images, &outputs, &mut to_weight[1]);
            close(&to_weight[0], &to_weight[1]);
        }
    }
}
