use dfdx::tensor::Cpu;

use super::upsample_nearest2d;
use crate::check::{any_threads, backward, close, gradients, noise, noisy, on_every_device, twice};
use crate::{Backend, from_host};

on_every_device!(
    squares_worked_by_hand,
    gradients_of_odd_sizes,
    the_same_bits_twice,
);

fn squares_worked_by_hand<B: Backend>(device: &B) {
    let x = from_host(device, vec![1.0, 2.0, 3.0, 4.0], (1, 2, 1, 2));
    let coefficients: Vec<f32> = (1..=16).map(|i| i as f32).collect();
    let (y, found) = backward(&[x], &coefficients, |x, _| upsample_nearest2d(x, 2));
    close(
        &y,
        &[
            1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 3.0, 3.0, 4.0, 4.0,
        ],
    );
    close(&found[0], &[14.0, 22.0, 46.0, 54.0]);
}

fn gradients_of_odd_sizes<B: Backend>(device: &B) {
    for factor in 1..=3 {
        let x = [noisy(device, (2, 3, 3, 5), 1)];
        gradients(&x, 0.5, 1e-5, |x, _| upsample_nearest2d(x, factor));
    }
}

fn results<B: Backend>(device: &B) -> Vec<Vec<f32>> {
    let x = [noisy(device, (3, 8, 16, 16), 1)];
    let (y, found) = backward(&x, &noise(3 * 8 * 48 * 48, 2), |x, _| {
        upsample_nearest2d(x, 3)
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
