use dfdx::tensor::{Cpu, Trace};

use super::dense;
#[cfg(feature = "cuda")]
use crate::check::on_gpu_within_bounds;
use crate::check::{any_threads, backward, close, gradients, noise, noisy, on_every_device, twice};
use crate::reference::{Definition, convolution};
use crate::{Activation, Backend, Conv2d, Wanted, from_host, to_host, vector_jacobian};

const BOTH: Wanted = Wanted {
    input: true,
    parameters: true,
};

on_every_device!(
    two_examples_worked_by_hand,
    gradients_of_odd_sizes,
    only_wanted_gradients_are_computed,
    more_units_than_cuda_has_blocks_along_y,
    recording_does_not_change_the_output,
    the_same_bits_twice,
);

fn two_examples_worked_by_hand<B: Backend>(device: &B) {
    let inputs = [
        from_host(device, vec![1.0, 2.0, 3.0, -1.0, 0.0, 1.0], (2, 3, 1, 1)),
        from_host(device, vec![1.0, 0.0, -1.0, 2.0, 1.0, 0.5], (2, 3, 1, 1)),
        from_host(device, vec![1.0, -1.0], (1, 2, 1, 1)),
    ];
    let (y, found) = backward(&inputs, &[1.0, 2.0, 3.0, 4.0], |x, p| {
        dense(x, &p[0], &p[1], Activation::Relu, BOTH)
    });
    // Before the activation: −1, 4.5, −1, −2.5.
    close(&y, &[0.0, 4.5, 0.0, 0.0]);
    close(&found[0], &[4.0, 2.0, 1.0, 0.0, 0.0, 0.0]);
    close(&found[1], &[0.0, 0.0, 0.0, 2.0, 4.0, 6.0]);
    close(&found[2], &[0.0, 2.0]);
}

fn gradients_of_odd_sizes<B: Backend>(device: &B) {
    for (images, features, units) in [(1, 1, 1), (1, 7, 3), (5, 3, 1), (3, 17, 35), (2, 1030, 2)] {
        let inputs = [
            noisy(device, (images, features, 1, 1), 1),
            noisy(device, (units, features, 1, 1), 2),
            noisy(device, (1, units, 1, 1), 3),
        ];
        gradients(&inputs, 0.5, 2e-5, |x, p| {
            dense(x, &p[0], &p[1], Activation::Linear, BOTH)
        });
    }
}

fn more_units_than_cuda_has_blocks_along_y<B: Backend>(device: &B) {
    const UNITS: usize = (1 << 16) + 1;
    let (weight, bias) = (noise(UNITS, 1), noise(UNITS, 2));
    let inputs = [
        from_host(device, vec![2.0], (1, 1, 1, 1)),
        from_host(device, weight.clone(), (UNITS, 1, 1, 1)),
        from_host(device, bias.clone(), (1, UNITS, 1, 1)),
    ];
    let coefficients = noise(UNITS, 3);
    let (y, found) = backward(&inputs, &coefficients, |x, p| {
        dense(x, &p[0], &p[1], Activation::Linear, BOTH)
    });
    let expected: Vec<f32> = weight.iter().zip(&bias).map(|(w, b)| 2.0 * w + b).collect();
    close(&y, &expected);
    let doubled: Vec<f32> = coefficients.iter().map(|c| 2.0 * c).collect();
    close(&found[1], &doubled);
    close(&found[2], &coefficients);
}

fn only_wanted_gradients_are_computed<B: Backend>(device: &B) {
    let inputs = [
        noisy(device, (2, 3, 1, 1), 1),
        noisy(device, (4, 3, 1, 1), 2),
        noisy(device, (1, 4, 1, 1), 3),
    ];
    for (input, parameters) in [(true, false), (false, true), (false, false)] {
        let wanted = Wanted { input, parameters };
        let output = dense(
            inputs[0].leaky_trace(),
            &inputs[1],
            &inputs[2],
            Activation::Linear,
            wanted,
        );
        let mut gradients = vector_jacobian(output, vec![1.0; 8]);
        let mut nonzero = |tensor| {
            let gradient = gradients.get_or_alloc_mut(tensor).expect("memory");
            let values = device.read(gradient).expect("values");
            values.iter().any(|&g| g != 0.0)
        };
        assert_eq!(nonzero(&inputs[0]), input);
        assert_eq!(nonzero(&inputs[1]), parameters);
        assert_eq!(nonzero(&inputs[2]), parameters);
    }
}

fn agrees_with_the_definition<B: Backend>(device: &B, bound: f64) {
    for (images, features, units, activation) in [
        (1, 1, 1, Activation::Tanh),
        (1, 7, 3, Activation::Relu),
        (5, 3, 1, Activation::Sigmoid),
        (3, 17, 35, Activation::LeakyRelu),
        (9, 1030, 2, Activation::Linear),
        (33, 128, 128, Activation::Elu),
    ] {
        let (x, weight) = ((images, features, 1, 1), (units, features, 1, 1));
        let definition = Definition {
            sums: (images, units, 1, 1),
            products: &|product| convolution(x, weight, Conv2d::square(1, 0), product),
            activation,
            pool: None,
        };
        let inputs = [
            noisy(device, x, 1),
            noisy(device, weight, 2),
            noisy(device, (1, units, 1, 1), 3),
        ];
        definition.agrees(&inputs, bound, |x, p| {
            dense(x, &p[0], &p[1], activation, BOTH)
        });
    }
}

#[test]
fn the_cpu_agrees_with_the_definition() {
    agrees_with_the_definition(&Cpu::default(), 1e-6);
}

#[cfg(feature = "cuda")]
#[test]
fn a_gpu_agrees_with_the_definition() {
    on_gpu_within_bounds(agrees_with_the_definition);
}

fn results<B: Backend>(device: &B) -> Vec<Vec<f32>> {
    let inputs = [
        noisy(device, (9, 2500, 1, 1), 1),
        noisy(device, (100, 2500, 1, 1), 2),
        noisy(device, (1, 100, 1, 1), 3),
    ];
    let run = |x, p: &[_]| dense(x, &p[0], &p[1], Activation::Elu, BOTH);
    let (y, mut all) = backward(&inputs, &noise(900, 4), run);
    all.push(y);
    all
}

#[test]
fn threads_do_not_change_a_bit() {
    any_threads(|| results(&Cpu::default()));
}

fn the_same_bits_twice<B: Backend>(device: &B) {
    twice(|| results(device));
}

fn recording_does_not_change_the_output<B: Backend>(device: &B) {
    let (x, weight) = (
        noisy(device, (3, 50, 1, 1), 1),
        noisy(device, (7, 50, 1, 1), 2),
    );
    let bias = noisy(device, (1, 7, 1, 1), 3);
    let (recorded, _) = backward(
        &[x.clone(), weight.clone(), bias.clone()],
        &[1.0; 21],
        |x, p| dense(x, &p[0], &p[1], Activation::Relu, BOTH),
    );
    assert_eq!(
        recorded,
        to_host(&dense(x, &weight, &bias, Activation::Relu, BOTH))
    );
}
