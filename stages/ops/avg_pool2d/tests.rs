use dfdx::tensor::Cpu;

use super::{avg_pool2d, global_avg_pool2d};
use crate::ops::check::{any_threads, backward, close, gradients, noise, noisy};
use crate::ops::{Pool2d, from_host};

#[test]
fn means_worked_by_hand() {
    let x = from_host(
        &Cpu::default(),
        (1..=10).map(|i| i as f32).collect(),
        (1, 1, 2, 5),
    );
    let (y, found) = backward(&[x], &[4.0, 8.0], |x, _| {
        avg_pool2d(
            x,
            Pool2d {
                kernel: 2,
                stride: 2,
            },
        )
    });
    close(&y, &[4.0, 6.0]);
    close(
        &found[0],
        &[1.0, 1.0, 2.0, 2.0, 0.0, 1.0, 1.0, 2.0, 2.0, 0.0],
    );
}

#[test]
fn means_of_channels_worked_by_hand() {
    let x = from_host(
        &Cpu::default(),
        vec![1.0, 2.0, 6.0, 0.0, -1.0, 4.0],
        (1, 2, 1, 3),
    );
    let (y, found) = backward(&[x], &[3.0, 6.0], |x, _| global_avg_pool2d(x));
    close(&y, &[3.0, 1.0]);
    close(&found[0], &[1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
}

#[test]
fn gradients_of_odd_sizes() {
    let x = [noisy(&Cpu::default(), (2, 3, 5, 7), 1)];
    for kernel in 1..=4 {
        for stride in 1..=3 {
            gradients(&x, 0.5, 1e-5, |x, _| {
                avg_pool2d(x, Pool2d { kernel, stride })
            });
        }
    }
    gradients(&x, 0.5, 1e-5, |x, _| global_avg_pool2d(x));
}

#[test]
fn threads_do_not_change_a_bit() {
    any_threads(|| {
        let x = [noisy(&Cpu::default(), (4, 8, 31, 31), 1)];
        let (y, found) = backward(&x, &noise(4 * 8 * 15 * 15, 2), |x, _| {
            avg_pool2d(
                x,
                Pool2d {
                    kernel: 3,
                    stride: 2,
                },
            )
        });
        let (means, of_means) = backward(&x, &noise(32, 2), |x, _| global_avg_pool2d(x));
        vec![y, found[0].clone(), means, of_means[0].clone()]
    });
}
