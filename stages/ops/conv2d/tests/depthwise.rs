//! Depthwise convolutions with one filter for each channel, for which the CPU has kernels of its own.

use dfdx::tensor::Cpu;

use super::{BOTH, agrees, linear};
use crate::check::{gradients, noisy};
use crate::{Conv2d, Nchw, Padding, conv2d};

fn sides(top: usize, bottom: usize, left: usize, right: usize) -> Padding {
    Padding {
        top,
        bottom,
        left,
        right,
    }
}

/// Shape of the input and the weight of `channels` channels, and the convolution.
fn case(
    (images, channels, height, width): Nchw,
    [rows, columns]: [usize; 2],
    stride: [usize; 2],
    padding: Padding,
) -> (Nchw, Nchw, Conv2d) {
    let op = Conv2d {
        stride,
        padding,
        groups: channels,
        ..linear(1, 0)
    };
    let weight = (channels, 1, rows, columns);
    ((images, channels, height, width), weight, op)
}

#[test]
fn every_stride_and_kernel_agrees_with_the_definition() {
    let device = &Cpu::default();
    for kernel in [[3, 3], [5, 5], [3, 1], [5, 4], [3, 6]] {
        for stride in [[1, 1], [2, 2], [1, 2], [2, 1]] {
            for padding in [Padding::all(0), Padding::all(1), sides(2, 1, 0, 3)] {
                // Fewer and more rows than are computed at once, and more columns than a vector has lanes.
                for size in [(5, 7), (14, 6), (17, 40)] {
                    let shape = (2, 3, size.0, size.1);
                    let (x, weight, op) = case(shape, kernel, stride, padding);
                    agrees(device, x, weight, op, 2e-6);
                }
            }
        }
    }
}

#[test]
fn large_and_small_images_agree_with_the_definition() {
    let device = &Cpu::default();
    for (x, weight, op) in [
        // Copied in bands.
        case((1, 2, 61, 90), [3, 3], [1, 1], Padding::all(1)),
        case((2, 1, 75, 100), [5, 5], [2, 2], sides(1, 2, 1, 2)),
        case((1, 2, 300, 17), [5, 3], [2, 1], Padding::all(1)),
        // More images than partial sums of the weight's gradient, and more channels than are read one after another.
        case((11, 37, 7, 7), [5, 5], [1, 1], Padding::all(2)),
        // One pixel, images that are smaller than the kernel, and windows that meet zeros only.
        case((3, 20, 1, 1), [3, 3], [1, 1], Padding::all(1)),
        case((2, 4, 2, 1), [5, 5], [2, 2], Padding::all(2)),
        case((2, 4, 3, 3), [3, 3], [2, 2], sides(3, 4, 2, 5)),
        // More padding than the kernel reaches.
        case((2, 4, 3, 3), [3, 3], [1, 1], Padding::all(4)),
        // Rows and columns that are in no window.
        case((2, 4, 8, 36), [3, 3], [2, 2], Padding::all(0)),
    ] {
        agrees(device, x, weight, op, 2e-6);
    }
}

#[test]
fn gradients_agree_with_differences() {
    let device = &Cpu::default();
    for stride in 1..=2 {
        for kernel in [3, 5] {
            let padding = Padding::all(kernel / 2);
            let (x, weight, op) = case((2, 3, 6, 5), [kernel; 2], [stride; 2], padding);
            let inputs = [
                noisy(device, x, 1),
                noisy(device, weight, 2),
                noisy(device, (1, weight.0, 1, 1), 3),
            ];
            gradients(&inputs, 0.5, 1e-5, |x, p| conv2d(x, &p[0], &p[1], op, BOTH));
        }
    }
}
