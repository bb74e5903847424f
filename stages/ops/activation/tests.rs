use dfdx::tensor::Cpu;

use super::{Activation, activation};
use crate::check::{any_threads, backward, close, gradients, noise, noisy, on_every_device, twice};
use crate::reference::activate;
use crate::{Backend, Wanted, from_host, to_host};

on_every_device!(
    values_and_derivatives_worked_by_hand,
    values_and_derivatives_are_those_of_double_precision,
    gradients_away_from_the_kinks,
    nan_stays_nan,
    the_same_bits_twice,
);

const ALL: [Activation; 11] = [
    Activation::Linear,
    Activation::Relu,
    Activation::LeakyRelu,
    Activation::Elu,
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Relu6,
    Activation::HardSigmoid,
    Activation::Silu,
    Activation::Gelu,
    Activation::HardSwish,
];

fn values_and_derivatives_worked_by_hand<B: Backend>(device: &B) {
    let x = [from_host(device, vec![-2.0, 0.0, 3.0], (1, 3, 1, 1))];
    let sixth = 1.0 / 6.0;
    let expected: [([f32; 3], [f32; 3]); 11] = [
        ([-2.0, 0.0, 3.0], [1.0, 1.0, 1.0]),
        ([0.0, 0.0, 3.0], [0.0, 0.0, 1.0]),
        ([-0.4, 0.0, 3.0], [0.2, 0.2, 1.0]),
        ([-0.864_664_7, 0.0, 3.0], [0.135_335_28, 1.0, 1.0]),
        (
            [0.119_202_92, 0.5, 0.952_574_13],
            [0.104_993_59, 0.25, 0.045_176_66],
        ),
        (
            [-0.964_027_6, 0.0, 0.995_054_7],
            [0.070_650_82, 1.0, 0.009_866_037],
        ),
        ([0.0, 0.0, 3.0], [0.0, 0.0, 1.0]),
        ([sixth, 0.5, 1.0], [sixth, sixth, 0.0]),
        (
            [-0.238_405_84, 0.0, 2.857_722_4],
            [-0.090_784_25, 0.5, 1.088_104_1],
        ),
        (
            [-0.045_500_264, 0.0, 2.995_950_3],
            [-0.085_231_8, 0.5, 1.011_945_6],
        ),
        ([-2.0 * sixth, 0.0, 3.0], [-sixth, 0.5, 1.0]),
    ];
    for (function, (values, derivatives)) in ALL.into_iter().zip(expected) {
        let (y, found) = backward(&x, &[1.0; 3], |x, _| activation(x, function));
        close(&y, &values);
        close(&found[0], &derivatives);
    }
}

/// From deep in the tails to beyond all kinks, and on both sides of every kink.
fn values_and_derivatives_are_those_of_double_precision<B: Backend>(device: &B) {
    let inputs: Vec<f32> = (-100..=100)
        .map(|i| i as f32 * 0.1)
        .chain(
            [-3.0, 3.0, 6.0]
                .into_iter()
                .flat_map(|kink: f32| [kink.next_down(), kink, kink.next_up()]),
        )
        .collect();
    let x = [from_host(device, inputs.clone(), (1, inputs.len(), 1, 1))];
    for function in ALL {
        let (y, found) = backward(&x, &vec![1.0; inputs.len()], |x, _| activation(x, function));
        for ((&x, y), derivative) in inputs.iter().zip(y).zip(&found[0]) {
            let expected = activate(function, x.into());
            let is_near = |found: f32, expected: f64| {
                (f64::from(found) - expected).abs() <= 2e-6 * expected.abs().max(0.1)
            };
            assert!(
                is_near(y, expected.0),
                "{function:?} of {x}: {y}, not {}",
                expected.0
            );
            // The derivative jumps where rounding may move a sum onto the other side of a kink.
            let at_kink = [0.0, -3.0, 3.0, 6.0]
                .iter()
                .any(|kink| (x - kink).abs() < 1e-6);
            assert!(
                at_kink || is_near(*derivative, expected.1),
                "{function:?}' of {x}: {derivative}, not {}",
                expected.1
            );
        }
    }
}

fn gradients_away_from_the_kinks<B: Backend>(device: &B) {
    let away: Vec<f32> = noise(60, 1)
        .into_iter()
        .map(|x| 8.0 * x)
        .filter(|x| {
            [-3.0, 0.0, 3.0, 6.0]
                .iter()
                .all(|kink| (x - kink).abs() > 0.1)
        })
        .take(48)
        .collect();
    let x = [from_host(device, away, (2, 3, 2, 4))];
    for function in ALL {
        gradients(&x, 0.01, 1e-3, |x, _| activation(x, function));
    }
}

fn nan_stays_nan<B: Backend>(device: &B) {
    for function in ALL {
        let x = from_host(device, vec![f32::NAN], (1, 1, 1, 1));
        assert!(
            to_host(&activation(x, function))[0].is_nan(),
            "{function:?}"
        );
    }
}

#[test]
fn names_in_files() {
    let names: Vec<String> = ALL
        .iter()
        .map(|name| serde_json::to_string(name).expect("a name"))
        .collect();
    assert_eq!(
        names.join(" "),
        r#""linear" "relu" "leaky_relu" "elu" "sigmoid" "tanh" "relu6" "hard_sigmoid" "silu" "gelu" "hard_swish""#
    );
}

#[test]
fn a_layer_refuses_an_activation_whose_derivative_needs_the_input() {
    let cpu = Cpu::default();
    for function in ALL {
        let layer = || {
            let (x, weight, bias) = (
                noisy(&cpu, (2, 3, 1, 1), 1),
                noisy(&cpu, (4, 3, 1, 1), 2),
                noisy(&cpu, (1, 4, 1, 1), 3),
            );
            let wanted = Wanted {
                input: true,
                parameters: true,
            };
            crate::dense(x, &weight, &bias, function, wanted)
        };
        let refused = std::panic::catch_unwind(layer).is_err();
        assert_eq!(refused, !function.is_fusible(), "{function:?}");
    }
}

fn results<B: Backend>(device: &B) -> Vec<Vec<f32>> {
    let x = [noisy(device, (3, 8, 40, 40), 1)];
    let all = [Activation::Tanh, Activation::Gelu, Activation::Silu];
    all.into_iter()
        .flat_map(|function| {
            let (y, found) = backward(&x, &noise(3 * 8 * 1600, 2), |x, _| activation(x, function));
            [y, found[0].clone()]
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
