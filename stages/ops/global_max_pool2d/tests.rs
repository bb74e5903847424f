use dfdx::tensor::Cpu;

use super::global_max_pool2d;
use crate::check::{any_threads, backward, close, gradients, noise, noisy, on_every_device, twice};
use crate::{Backend, from_host, to_host};

on_every_device!(
    maxima_worked_by_hand,
    the_maximum_is_found_wherever_it_is,
    gradients_of_odd_sizes,
    nan_is_the_largest,
    the_same_bits_twice,
);

fn maxima_worked_by_hand<B: Backend>(device: &B) {
    let values = vec![1.0, 4.0, 4.0, -2.0, -1.0, f32::NEG_INFINITY, -1.0, -3.0];
    let x = [from_host(device, values, (1, 2, 2, 2))];
    let (y, found) = backward(&x, &[2.0, 3.0], |x, _| global_max_pool2d(x));
    close(&y, &[4.0, -1.0]);
    // The first of the equal maxima gets the gradient.
    close(&found[0], &[0.0, 2.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0]);
}

fn the_maximum_is_found_wherever_it_is<B: Backend>(device: &B) {
    // More pixels than a block of a GPU has threads, and fewer.
    for (height, width) in [(23, 29), (3, 5)] {
        let pixels = height * width;
        let mut values = noise(pixels * pixels, 1);
        for channel in 0..pixels {
            values[channel * pixels + channel] = 2.0;
        }
        let x = [from_host(device, values, (1, pixels, height, width))];
        let (y, found) = backward(&x, &vec![1.0; pixels], |x, _| global_max_pool2d(x));
        assert_eq!(y, vec![2.0; pixels]);
        for (at, &gradient) in found[0].iter().enumerate() {
            let expected = if at / pixels == at % pixels { 1.0 } else { 0.0 };
            assert_eq!(gradient, expected);
        }
    }
}

fn gradients_of_odd_sizes<B: Backend>(device: &B) {
    for shape in [(2, 3, 3, 5), (3, 1, 1, 1)] {
        gradients(&[noisy(device, shape, 1)], 1e-3, 1e-3, |x, _| {
            global_max_pool2d(x)
        });
    }
}

fn nan_is_the_largest<B: Backend>(device: &B) {
    let values = vec![1.0, f32::NAN, 3.0, f32::INFINITY];
    let x = from_host(device, values, (1, 1, 2, 2));
    assert!(to_host(&global_max_pool2d(x))[0].is_nan());
}

fn results<B: Backend>(device: &B) -> Vec<Vec<f32>> {
    let x = [noisy(device, (9, 70, 31, 33), 1)];
    let (y, found) = backward(&x, &noise(9 * 70, 2), |x, _| global_max_pool2d(x));
    vec![y, found[0].clone()]
}

#[test]
fn threads_do_not_change_a_bit() {
    any_threads(|| results(&Cpu::default()));
}

fn the_same_bits_twice<B: Backend>(device: &B) {
    twice(|| results(device));
}
