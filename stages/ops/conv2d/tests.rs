use dfdx::tensor::Cpu;

use super::{Conv2d, Padding, conv2d};
#[cfg(feature = "cuda")]
use crate::check::on_gpu_within_bounds;
use crate::check::{any_threads, backward, close, gradients, noise, noisy, on_every_device, twice};
use crate::reference::{Definition, convolution};
use crate::{Activation, Backend, Nchw, Wanted, from_host, to_host};

const BOTH: Wanted = Wanted {
    input: true,
    parameters: true,
};

on_every_device!(
    an_image_worked_by_hand,
    padding_and_stride_worked_by_hand,
    gradients_of_one_image_and_one_channel_and_of_oblong_kernels,
    gradients_of_groups_gaps_and_different_strides,
    gradients_through_every_activation,
    sizes_that_need_several_tiles_agree_with_the_definition,
    the_same_bits_twice,
);

fn linear(stride: usize, padding: usize) -> Conv2d {
    Conv2d::square(stride, padding)
}

/// Convolutions that are not plain, with the shapes of input and weight.
fn general() -> Vec<(Nchw, Nchw, Conv2d)> {
    let plain = linear(1, 0);
    let sides = |top, bottom, left, right| Padding {
        top,
        bottom,
        left,
        right,
    };
    let with = |stride, dilation, padding, groups| Conv2d {
        stride,
        dilation,
        padding,
        groups,
        ..plain
    };
    vec![
        // Different strides in both directions, and a kernel of one row.
        (
            (2, 3, 6, 7),
            (4, 3, 2, 3),
            with([2, 1], [1, 1], sides(1, 0, 0, 1), 1),
        ),
        (
            (1, 2, 5, 9),
            (3, 2, 1, 4),
            with([1, 3], [1, 1], sides(0, 0, 2, 1), 1),
        ),
        // Gaps.
        (
            (2, 2, 9, 8),
            (3, 2, 3, 2),
            with([1, 1], [2, 3], sides(2, 1, 0, 2), 1),
        ),
        (
            (1, 1, 9, 9),
            (2, 1, 3, 3),
            with([2, 2], [3, 2], sides(1, 1, 1, 1), 1),
        ),
        // Groups.
        (
            (2, 6, 5, 4),
            (4, 3, 3, 3),
            with([1, 1], [1, 1], Padding::all(1), 2),
        ),
        (
            (1, 4, 4, 4),
            (6, 2, 1, 1),
            with([1, 1], [1, 1], Padding::all(0), 2),
        ),
        // Depthwise, with one and with two filters for each channel; the padding that TensorFlow gives to a stride of 2.
        (
            (3, 5, 12, 20),
            (5, 1, 3, 3),
            with([1, 1], [1, 1], Padding::all(1), 5),
        ),
        (
            (2, 4, 8, 10),
            (8, 1, 5, 5),
            with([2, 2], [1, 1], sides(1, 2, 1, 2), 4),
        ),
        (
            (1, 3, 7, 7),
            (3, 1, 3, 3),
            with([2, 2], [2, 2], Padding::all(2), 3),
        ),
        // One pixel, an image that is smaller than the kernel, a stride longer than the kernel, and long rows.
        (
            (2, 2, 1, 1),
            (2, 1, 3, 3),
            with([1, 1], [1, 1], Padding::all(1), 2),
        ),
        (
            (1, 2, 2, 2),
            (2, 1, 5, 5),
            with([1, 1], [1, 1], sides(2, 2, 1, 3), 2),
        ),
        (
            (1, 2, 7, 8),
            (2, 1, 1, 2),
            with([3, 4], [1, 1], Padding::all(0), 2),
        ),
        (
            (1, 2, 3, 75),
            (2, 1, 3, 3),
            with([1, 1], [1, 1], Padding::all(1), 2),
        ),
    ]
}

fn gradients_of_groups_gaps_and_different_strides<B: Backend>(device: &B) {
    for (x, weight, op) in general() {
        let inputs = [
            noisy(device, x, 4),
            noisy(device, weight, 5),
            noisy(device, (1, weight.0, 1, 1), 6),
        ];
        gradients(&inputs, 0.5, 1e-5, |x, p| conv2d(x, &p[0], &p[1], op, BOTH));
    }
}

#[test]
fn plain_convolutions_may_have_unequal_padding() {
    let device = &Cpu::default();
    for stride in 1..=2 {
        for kernel in 2..=4 {
            let plain = Conv2d {
                padding: Padding {
                    top: 0,
                    bottom: 1,
                    left: 1,
                    right: 0,
                },
                ..linear(stride, 0)
            };
            let (x, weight) = ((2, 8, 12, 13), (8, 8, kernel, kernel));
            agrees(device, x, weight, plain, 4e-6);
        }
    }
}

fn an_image_worked_by_hand<B: Backend>(device: &B) {
    let x = from_host(
        device,
        vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
        (1, 1, 3, 3),
    );
    let weight = from_host(device, vec![1.0, 2.0, 3.0, 4.0], (1, 1, 2, 2));
    let bias = from_host(device, vec![-50.0], (1, 1, 1, 1));
    let inputs = [x, weight, bias];
    let op = Conv2d {
        activation: Activation::Relu,
        ..linear(1, 0)
    };
    // Sums: 1·1 + 2·2 + 3·4 + 4·5 = 37, 47, 67, 77. With the bias of −50, the first two are negative.
    let (y, found) = backward(&inputs, &[1.0, 1.0, 1.0, 10.0], |x, p| {
        conv2d(x, &p[0], &p[1], op, BOTH)
    });
    close(&y, &[0.0, 0.0, 17.0, 27.0]);
    close(
        &found[0],
        &[0.0, 0.0, 0.0, 1.0, 12.0, 20.0, 3.0, 34.0, 40.0],
    );
    close(&found[1], &[54.0, 65.0, 87.0, 98.0]);
    close(&found[2], &[11.0]);
}

fn padding_and_stride_worked_by_hand<B: Backend>(device: &B) {
    let x = from_host(device, vec![1.0, 2.0, 3.0, 4.0], (1, 1, 2, 2));
    let weight = from_host(device, vec![1.0; 9], (1, 1, 3, 3));
    let bias = from_host(device, vec![0.5], (1, 1, 1, 1));
    // Windows start at rows and columns −2 and 0. They cover a corner, a row, a column, and the whole image.
    let strided = conv2d(x.clone(), &weight, &bias, linear(2, 2), BOTH);
    close(&to_host(&strided), &[1.5, 3.5, 4.5, 10.5]);
    let same = conv2d(x, &weight, &bias, linear(1, 1), BOTH);
    close(&to_host(&same), &[10.5; 4]);
}

#[test]
fn sizes_of_the_output() {
    let square = |op: Conv2d, side, kernel| op.output_size([side; 2], [kernel; 2]);
    assert_eq!(square(linear(1, 1), 64, 3), Some([64, 64]));
    assert_eq!(square(linear(2, 1), 64, 4), Some([32, 32]));
    assert_eq!(square(linear(3, 0), 7, 3), Some([2, 2]));
    assert_eq!(square(linear(1, 0), 2, 3), None);
    assert_eq!(square(linear(1, 1), 1, 3), Some([1, 1]));
    let gaps = Conv2d {
        dilation: [2, 3],
        padding: Padding {
            top: 1,
            ..Padding::default()
        },
        ..linear(1, 0)
    };
    assert_eq!(gaps.output_size([6, 8], [3, 3]), Some([3, 2]));
}

/// CPU only: on a GPU, every one of these cases would have to compile its own kernels.
#[test]
fn gradients_of_odd_sizes() {
    let device = &Cpu::default();
    for kernel in 1..=5 {
        for stride in 1..=3 {
            for padding in 0..=2 {
                let inputs = [
                    noisy(device, (2, 3, 5, 7), 1),
                    noisy(device, (2, 3, kernel, kernel), 2),
                    noisy(device, (1, 2, 1, 1), 3),
                ];
                gradients(&inputs, 0.5, 1e-5, |x, p| {
                    conv2d(x, &p[0], &p[1], linear(stride, padding), BOTH)
                });
            }
        }
    }
}

fn gradients_of_one_image_and_one_channel_and_of_oblong_kernels<B: Backend>(device: &B) {
    for (x, weight) in [
        ((1, 1, 4, 4), (1, 1, 3, 3)),
        ((1, 1, 1, 1), (3, 1, 1, 1)),
        ((3, 2, 6, 3), (2, 2, 3, 1)),
    ] {
        for stride in 1..=2 {
            let inputs = [
                noisy(device, x, 4),
                noisy(device, weight, 5),
                noisy(device, (1, weight.0, 1, 1), 6),
            ];
            gradients(&inputs, 0.5, 1e-5, |x, p| {
                conv2d(x, &p[0], &p[1], linear(stride, 1), BOTH)
            });
        }
    }
}

fn gradients_through_every_activation<B: Backend>(device: &B) {
    for activation in [Activation::Elu, Activation::Sigmoid, Activation::Tanh] {
        let op = Conv2d {
            activation,
            ..linear(1, 1)
        };
        let inputs = [
            noisy(device, (1, 2, 3, 3), 1),
            noisy(device, (2, 2, 3, 3), 2),
            noisy(device, (1, 2, 1, 1), 3),
        ];
        gradients(&inputs, 0.01, 1e-3, |x, p| {
            conv2d(x, &p[0], &p[1], op, BOTH)
        });
    }
}

fn sizes_that_need_several_tiles_agree_with_the_definition<B: Backend>(device: &B) {
    for (shape, filters, k, op) in [
        ((2, 40, 33, 37), 5, 3, linear(1, 1)),
        ((9, 16, 5, 5), 20, 4, linear(2, 1)),
        ((5, 3, 64, 64), 4, 5, linear(2, 2)),
        ((33, 30, 2, 2), 17, 2, linear(1, 0)),
    ] {
        let (x, weight) = (noisy(device, shape, 1), noise(filters * shape.1 * k * k, 2));
        let windows = op.output_size([shape.2, shape.3], [k; 2]).expect("fits");
        let mut expected = vec![0.0; shape.0 * filters * windows[0] * windows[1]];
        let values = to_host(&x);
        let kernels = (filters, shape.1, k, k);
        convolution(shape, kernels, op, &mut |to, input, tap| {
            expected[to] += f64::from(values[input]) * f64::from(weight[tap]);
        });
        let weight = from_host(device, weight, (filters, shape.1, k, k));
        let bias = from_host(device, vec![0.0; filters], (1, filters, 1, 1));
        let found = to_host(&conv2d(x, &weight, &bias, op, BOTH));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            let expected = expected as f32;
            assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
        }
    }
}

fn agrees_with_the_definition<B: Backend>(device: &B, bound: f64) {
    for (x, weight, stride, padding, activation) in [
        ((2, 3, 9, 7), (5, 3, 3, 3), 1, 1, Activation::Relu),
        ((1, 1, 6, 5), (1, 1, 1, 2), 1, 0, Activation::Tanh),
        ((3, 2, 6, 3), (2, 2, 3, 1), 2, 1, Activation::Sigmoid),
        ((2, 20, 11, 9), (70, 20, 4, 4), 2, 1, Activation::LeakyRelu),
        ((2, 33, 7, 7), (13, 33, 5, 3), 3, 2, Activation::Elu),
        // Some rows and columns, among them the last column, are in no window.
        ((2, 17, 4, 6), (9, 17, 1, 2), 3, 0, Activation::Linear),
        ((1, 3, 8, 8), (8, 3, 5, 5), 1, 2, Activation::Linear),
        (
            (1, 128, 9, 10),
            (128, 128, 3, 3),
            1,
            1,
            Activation::LeakyRelu,
        ),
    ] {
        let op = Conv2d {
            activation,
            ..linear(stride, padding)
        };
        agrees(device, x, weight, op, bound);
    }
    for (x, weight, op) in general() {
        let op = Conv2d {
            activation: Activation::LeakyRelu,
            ..op
        };
        agrees(device, x, weight, op, bound);
    }
}

fn agrees<B: Backend>(device: &B, x: Nchw, weight: Nchw, op: Conv2d, bound: f64) {
    let inputs = [
        noisy(device, x, 1),
        noisy(device, weight, 2),
        noisy(device, (1, weight.0, 1, 1), 3),
    ];
    let [rows, columns] = op
        .output_size([x.2, x.3], [weight.2, weight.3])
        .expect("fits");
    let definition = Definition {
        sums: (x.0, weight.0, rows, columns),
        products: &|product| convolution(x, weight, op, product),
        activation: op.activation,
        pool: None,
    };
    definition.agrees(&inputs, bound, |x, p| conv2d(x, &p[0], &p[1], op, BOTH));
}

#[test]
fn the_cpu_agrees_with_the_definition() {
    // Winograd's transforms lose a bit or two in sums over many channels. All else is within 10⁻⁶.
    agrees_with_the_definition(&Cpu::default(), 4e-6);
}

#[cfg(feature = "cuda")]
#[test]
fn a_gpu_agrees_with_the_definition() {
    on_gpu_within_bounds(agrees_with_the_definition);
}

/// Output and gradients of layers of different sizes.
fn results<B: Backend>(device: &B) -> Vec<Vec<f32>> {
    [
        ((9, 8, 24, 24), (16, 8, 3, 3), 1),
        ((9, 8, 24, 24), (16, 8, 4, 4), 2),
        ((20, 32, 4, 4), (24, 32, 3, 3), 1),
        ((9, 8, 24, 24), (16, 1, 3, 3), 2),
    ]
    .into_iter()
    .flat_map(|(x, weight, stride)| {
        let inputs = [
            noisy(device, x, 1),
            noisy(device, weight, 2),
            noisy(device, (1, weight.0, 1, 1), 3),
        ];
        let op = Conv2d {
            activation: Activation::LeakyRelu,
            groups: x.1 / weight.1,
            ..linear(stride, 1)
        };
        let count = to_host(&conv2d(inputs[0].clone(), &inputs[1], &inputs[2], op, BOTH)).len();
        let (y, mut all) = backward(&inputs, &noise(count, 4), |x, p| {
            conv2d(x, &p[0], &p[1], op, BOTH)
        });
        all.push(y);
        all
    })
    .collect()
}

#[test]
fn threads_do_not_change_a_bit() {
    any_threads(|| results(&Cpu::default()));
}

fn the_same_bits_twice<B: Backend>(device: &B) {
    twice(|| results(device));
}
