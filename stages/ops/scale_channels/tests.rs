use dfdx::tensor::{Cpu, Trace};

use super::scale_channels;
use crate::check::{any_threads, backward, close, gradients, noise, noisy, on_every_device, twice};
use crate::{Backend, from_host};

on_every_device!(
    products_worked_by_hand,
    products_are_those_of_double_precision,
    gradients_of_odd_sizes,
    the_same_bits_twice,
);

fn products_worked_by_hand<B: Backend>(device: &B) {
    let inputs = [
        from_host(
            device,
            vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
            (2, 2, 1, 2),
        ),
        from_host(device, vec![1.0, -2.0, 0.5, 0.0], (2, 2, 1, 1)),
    ];
    let (y, found) = backward(&inputs, &[1.0; 8], |x, p| {
        scale_channels(x, p[0].leaky_trace())
    });
    close(&y, &[1.0, 2.0, -6.0, -8.0, 2.5, 3.0, 0.0, 0.0]);
    close(&found[0], &[1.0, 1.0, -2.0, -2.0, 0.5, 0.5, 0.0, 0.0]);
    close(&found[1], &[3.0, 7.0, 11.0, 15.0]);
}

/// More pixels than a block of a GPU has threads.
fn products_are_those_of_double_precision<B: Backend>(device: &B) {
    let (channels, pixels) = (6, 23 * 29);
    let inputs = [
        noisy(device, (2, 3, 23, 29), 1),
        noisy(device, (2, 3, 1, 1), 2),
    ];
    let incoming = noise(channels * pixels, 3);
    let (y, found) = backward(&inputs, &incoming, |x, p| {
        scale_channels(x, p[0].leaky_trace())
    });
    let [x, factors] = [noise(channels * pixels, 1), noise(channels, 2)];
    let product = |a: f32, b: f32| f64::from(a) * f64::from(b);
    for channel in 0..channels {
        let range = channel * pixels..(channel + 1) * pixels;
        let mut sum = 0.0;
        for at in range {
            sum += product(incoming[at], x[at]);
            close(&[y[at]], &[product(factors[channel], x[at]) as f32]);
            let to_x = product(factors[channel], incoming[at]) as f32;
            close(&[found[0][at]], &[to_x]);
        }
        let error = (f64::from(found[1][channel]) - sum).abs();
        assert!(error < 1e-5 * sum.abs().max(1.0), "{error}");
    }
}

fn gradients_of_odd_sizes<B: Backend>(device: &B) {
    for shape in [(2, 3, 3, 5), (1, 1, 1, 1), (3, 2, 1, 7)] {
        let inputs = [
            noisy(device, shape, 1),
            noisy(device, (shape.0, shape.1, 1, 1), 2),
        ];
        gradients(&inputs, 0.1, 1e-3, |x, p| {
            scale_channels(x, p[0].leaky_trace())
        });
    }
}

#[test]
#[should_panic(expected = "the shape of the factors of scale_channels")]
fn factors_for_other_channels_are_refused() {
    let cpu = Cpu::default();
    scale_channels(noisy(&cpu, (1, 2, 3, 3), 1), noisy(&cpu, (1, 3, 1, 1), 1));
}

fn results<B: Backend>(device: &B) -> Vec<Vec<f32>> {
    let inputs = [
        noisy(device, (3, 70, 31, 33), 1),
        noisy(device, (3, 70, 1, 1), 2),
    ];
    let (y, found) = backward(&inputs, &noise(3 * 70 * 31 * 33, 3), |x, p| {
        scale_channels(x, p[0].leaky_trace())
    });
    [vec![y], found].concat()
}

#[test]
fn threads_do_not_change_a_bit() {
    any_threads(|| results(&Cpu::default()));
}

fn the_same_bits_twice<B: Backend>(device: &B) {
    twice(|| results(device));
}
