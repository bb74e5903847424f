use dfdx::tensor::Cpu;

use super::{Activation, activation};
use crate::check::{any_threads, backward, close, gradients, noise, noisy, on_every_device, twice};
use crate::{Backend, from_host, to_host};

on_every_device!(
    values_and_derivatives_worked_by_hand,
    gradients_away_from_the_kinks,
    nan_stays_nan,
    the_same_bits_twice,
);

const ALL: [Activation; 6] = [
    Activation::Linear,
    Activation::Relu,
    Activation::LeakyRelu,
    Activation::Elu,
    Activation::Sigmoid,
    Activation::Tanh,
];

fn values_and_derivatives_worked_by_hand<B: Backend>(device: &B) {
    let x = [from_host(device, vec![-2.0, 0.0, 3.0], (1, 3, 1, 1))];
    let expected: [([f32; 3], [f32; 3]); 6] = [
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
    ];
    for (function, (values, derivatives)) in ALL.into_iter().zip(expected) {
        let (y, found) = backward(&x, &[1.0; 3], |x, _| activation(x, function));
        close(&y, &values);
        close(&found[0], &derivatives);
    }
}

fn gradients_away_from_the_kinks<B: Backend>(device: &B) {
    let away: Vec<f32> = noise(60, 1)
        .into_iter()
        .map(|x| 2.0 * x + x.signum() * 0.1)
        .collect();
    let x = [from_host(device, away, (2, 3, 2, 5))];
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
        r#""linear" "relu" "leaky_relu" "elu" "sigmoid" "tanh""#
    );
}

fn results<B: Backend>(device: &B) -> Vec<Vec<f32>> {
    let x = [noisy(device, (3, 8, 40, 40), 1)];
    let (y, found) = backward(&x, &noise(3 * 8 * 1600, 2), |x, _| {
        activation(x, Activation::Tanh)
    });
    vec![y, found[0].clone()]
}

#[test]
fn threads_do_not_change_a_bit() {
    any_threads(|| results(&Cpu::default()));
}

fn the_same_bits_twice<B: Backend>(device: &B) {
    twice(|| results(device));
}
