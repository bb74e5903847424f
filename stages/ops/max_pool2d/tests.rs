use dfdx::tensor::Cpu;

use super::max_pool2d;
use crate::check::{any_threads, backward, close, gradients, noise, noisy, on_every_device, twice};
use crate::{Backend, Pool2d, from_host, to_host};

on_every_device!(
    maxima_worked_by_hand,
    overlapping_windows_add_their_gradients,
    a_window_of_minus_infinity_keeps_its_gradient,
    gradients_of_odd_sizes,
    nan_is_the_maximum,
    the_same_bits_twice,
);

const HALVE: Pool2d = Pool2d::square(2, 2);

const OBLONG: Pool2d = Pool2d {
    kernel: [2, 3],
    stride: [3, 1],
};

fn maxima_worked_by_hand<B: Backend>(device: &B) {
    let x = vec![1.0, 5.0, 2.0, 2.0, 9.0, 3.0, 4.0, 2.0, 2.0, 9.0];
    let x = [from_host(device, x, (1, 1, 2, 5))];
    let (y, found) = backward(&x, &[10.0, 20.0], |x, _| max_pool2d(x, HALVE));
    close(&y, &[5.0, 2.0]);
    // The last column is dropped. The first of four equal values gets the gradient.
    close(
        &found[0],
        &[0.0, 10.0, 20.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    );
}

fn overlapping_windows_add_their_gradients<B: Backend>(device: &B) {
    let x = [from_host(
        device,
        vec![0.0, 3.0, 1.0, 2.0, 0.0, 1.0],
        (1, 1, 2, 3),
    )];
    let (y, found) = backward(&x, &[1.0, 2.0], |x, _| max_pool2d(x, Pool2d::square(2, 1)));
    close(&y, &[3.0, 3.0]);
    close(&found[0], &[0.0, 3.0, 0.0, 0.0, 0.0, 0.0]);
}

fn a_window_of_minus_infinity_keeps_its_gradient<B: Backend>(device: &B) {
    let x = vec![1.0, 1.0, f32::NEG_INFINITY, f32::NEG_INFINITY];
    let x = [from_host(device, [x.clone(), x].concat(), (1, 1, 2, 4))];
    let (_, found) = backward(&x, &[1.0; 2], |x, _| max_pool2d(x, HALVE));
    close(&found[0], &[1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn sizes_of_the_output() {
    assert_eq!(HALVE.output_size(0, 5), Some(2));
    assert_eq!(HALVE.output_size(1, 1), None);
    assert_eq!(Pool2d::square(3, 1).output_size(0, 3), Some(1));
}

fn gradients_of_odd_sizes<B: Backend>(device: &B) {
    // The values are so far apart that no step changes which one is largest.
    let mut order: Vec<(f32, usize)> = noise(210, 1).into_iter().zip(0..).collect();
    order.sort_by(|left, right| left.0.total_cmp(&right.0));
    let mut apart = vec![0.0; 210];
    order
        .into_iter()
        .enumerate()
        .for_each(|(rank, (_, index))| apart[index] = rank as f32 / 16.0);
    let x = [from_host(device, apart, (2, 3, 5, 7))];
    for kernel in 1..=4 {
        for stride in 1..=3 {
            gradients(&x, 1.0 / 64.0, 1e-3, |x, _| {
                max_pool2d(x, Pool2d::square(kernel, stride))
            });
        }
    }
    gradients(&x, 1.0 / 64.0, 1e-3, |x, _| max_pool2d(x, OBLONG));
}

fn nan_is_the_maximum<B: Backend>(device: &B) {
    for place in 0..4 {
        let mut x = vec![1.0; 4];
        x[place] = f32::NAN;
        let x = from_host(device, x, (1, 1, 2, 2));
        assert!(to_host(&max_pool2d(x, HALVE))[0].is_nan(), "{place}");
    }
}

fn results<B: Backend>(device: &B) -> Vec<Vec<f32>> {
    let x = [noisy(device, (5, 8, 21, 21), 1)];
    let (y, found) = backward(&x, &noise(5 * 8 * 361, 2), |x, _| {
        max_pool2d(x, Pool2d::square(3, 1))
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
