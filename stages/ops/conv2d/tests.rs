use dfdx::tensor::Cpu;

use super::{Conv2d, conv2d};
#[cfg(feature = "cuda")]
use crate::check::on_gpu_within_bounds;
use crate::check::{any_threads, backward, close, gradients, noise, noisy, on_every_device, twice};
use crate::reference::{Definition, convolution};
use crate::{Activation, Backend, Wanted, from_host, to_host};

const BOTH: Wanted = Wanted {
    input: true,
    parameters: true,
};

on_every_device!(
    an_image_worked_by_hand,
    padding_and_stride_worked_by_hand,
    gradients_of_one_image_and_one_channel_and_of_oblong_kernels,
    gradients_through_every_activation,
    sizes_that_need_several_tiles_agree_with_the_definition,
    the_same_bits_twice,
);

fn linear(stride: usize, padding: usize) -> Conv2d {
    Conv2d {
        stride,
        padding,
        activation: Activation::Linear,
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
    assert_eq!(linear(1, 1).output_size(64, 3), Some(64));
    assert_eq!(linear(2, 1).output_size(64, 4), Some(32));
    assert_eq!(linear(3, 0).output_size(7, 3), Some(2));
    assert_eq!(linear(1, 0).output_size(2, 3), None);
    assert_eq!(linear(1, 1).output_size(1, 3), Some(1));
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
        let windows = [shape.2, shape.3].map(|size| op.output_size(size, k).expect("fits"));
        let mut expected = vec![0.0; shape.0 * filters * windows[0] * windows[1]];
        let values = to_host(&x);
        convolution(
            shape,
            (filters, shape.1, k, k),
            op.stride,
            op.padding,
            windows.into(),
            &mut |to, input, tap| {
                expected[to] += f64::from(values[input]) * f64::from(weight[tap]);
            },
        );
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
            stride,
            padding,
            activation,
        };
        let windows = (
            op.output_size(x.2, weight.2).expect("fits"),
            op.output_size(x.3, weight.3).expect("fits"),
        );
        let definition = Definition {
            sums: (x.0, weight.0, windows.0, windows.1),
            products: &|product| convolution(x, weight, stride, padding, windows, product),
            activation,
            pool: None,
        };
        let inputs = [
            noisy(device, x, 1),
            noisy(device, weight, 2),
            noisy(device, (1, weight.0, 1, 1), 3),
        ];
        definition.agrees(&inputs, bound, |x, p| conv2d(x, &p[0], &p[1], op, BOTH));
    }
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
