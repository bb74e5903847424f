use dfdx::tensor::Cpu;

use super::upsample_nearest2d;
use crate::ops::check::{any_threads, backward, close, gradients, noise, noisy};
use crate::ops::from_host;

#[test]
fn squares_worked_by_hand() {
    let x = from_host(&Cpu::default(), vec![1.0, 2.0, 3.0, 4.0], (1, 2, 1, 2));
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

#[test]
fn gradients_of_odd_sizes() {
    for factor in 1..=3 {
        let x = [noisy(&Cpu::default(), (2, 3, 3, 5), 1)];
        gradients(&x, 0.5, 1e-5, |x, _| upsample_nearest2d(x, factor));
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    any_threads(|| {
        let x = [noisy(&Cpu::default(), (3, 8, 16, 16), 1)];
        let (y, found) = backward(&x, &noise(3 * 8 * 48 * 48, 2), |x, _| {
            upsample_nearest2d(x, 3)
        });
        vec![y, found[0].clone()]
    });
}
