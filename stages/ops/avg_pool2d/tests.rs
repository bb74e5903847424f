use dfdx::tensor::Cpu;

use super::{avg_pool2d, global_avg_pool2d};
use crate::check::{any_threads, backward, close, gradients, noise, noisy, on_every_device, twice};
use crate::{Backend, Pool2d, from_host};

on_every_device!(
    means_worked_by_hand,
    means_of_channels_worked_by_hand,
    gradients_of_odd_sizes,
    the_same_bits_twice,
);

fn means_worked_by_hand<B: Backend>(device: &B) {
    let x = from_host(device, (1..=10).map(|i| i as f32).collect(), (1, 1, 2, 5));
    let (y, found) = backward(&[x], &[4.0, 8.0], |x, _| {
        avg_pool2d(x, Pool2d::square(2, 2))
    });
    close(&y, &[4.0, 6.0]);
    close(
        &found[0],
        &[1.0, 1.0, 2.0, 2.0, 0.0, 1.0, 1.0, 2.0, 2.0, 0.0],
    );
}

fn means_of_channels_worked_by_hand<B: Backend>(device: &B) {
    let x = from_host(device, vec![1.0, 2.0, 6.0, 0.0, -1.0, 4.0], (1, 2, 1, 3));
    let (y, found) = backward(&[x], &[3.0, 6.0], |x, _| global_avg_pool2d(x));
    close(&y, &[3.0, 1.0]);
    close(&found[0], &[1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
}

fn gradients_of_odd_sizes<B: Backend>(device: &B) {
    let x = [noisy(device, (2, 3, 5, 7), 1)];
    for kernel in 1..=4 {
        for stride in 1..=3 {
            gradients(&x, 0.5, 1e-5, |x, _| {
                avg_pool2d(x, Pool2d::square(kernel, stride))
            });
        }
    }
    let oblong = Pool2d {
        kernel: [2, 3],
        stride: [3, 1],
    };
    gradients(&x, 0.5, 1e-5, |x, _| avg_pool2d(x, oblong));
    gradients(&x, 0.5, 1e-5, |x, _| global_avg_pool2d(x));
}

fn results<B: Backend>(device: &B) -> Vec<Vec<f32>> {
    let x = [noisy(device, (4, 8, 31, 31), 1)];
    let (y, found) = backward(&x, &noise(4 * 8 * 15 * 15, 2), |x, _| {
        avg_pool2d(x, Pool2d::square(3, 2))
    });
    let (means, of_means) = backward(&x, &noise(32, 2), |x, _| global_avg_pool2d(x));
    vec![y, found[0].clone(), means, of_means[0].clone()]
}

#[test]
fn threads_do_not_change_a_bit() {
    any_threads(|| results(&Cpu::default()));
}

fn the_same_bits_twice<B: Backend>(device: &B) {
    twice(|| results(device));
}
