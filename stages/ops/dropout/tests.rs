use dfdx::tensor::Cpu;

use super::{dropout, spatial_dropout};
use crate::check::{any_threads, backward, noise, noisy, on_every_device, twice};
use crate::{Backend, Nchw, from_host, to_host};

on_every_device!(
    keeps_the_expectation,
    neighbours_are_independent,
    the_mask_follows_from_seed_and_indices,
    the_mask_is_the_same_on_every_device,
    the_gradient_passes_where_the_value_passed,
    a_rate_of_zero_changes_nothing,
    whole_channels_are_dropped_as_single_values_would_be,
    the_same_bits_twice,
);

const SHAPE: Nchw = (10, 10, 31, 33);
const LEN: usize = 10 * 10 * 31 * 33;

fn of_ones<B: Backend>(device: &B, rate: f32, seed: u64, indices: [u64; 2]) -> Vec<f32> {
    to_host(&dropout(
        from_host(device, vec![1.0; LEN], SHAPE),
        rate,
        seed,
        indices,
    ))
}

fn keeps_the_expectation<B: Backend>(device: &B) {
    for rate in [0.1, 0.25, 0.5, 0.9] {
        let values = of_ones(device, rate, 1, [0, 0]);
        let kept = values.iter().filter(|&&value| value != 0.0).count() as f64 / LEN as f64;
        let expected = 1.0 - f64::from(rate);
        // Five standard deviations.
        assert!(
            (kept - expected).abs() < 5.0 * (expected * (1.0 - expected) / LEN as f64).sqrt(),
            "{kept}"
        );
        assert!(
            values
                .iter()
                .all(|&value| value == 0.0 || value == 1.0 / (1.0 - rate))
        );
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / LEN as f64;
        assert!((mean - 1.0).abs() < 0.05, "{mean}");
    }
}

fn neighbours_are_independent<B: Backend>(device: &B) {
    let kept: Vec<bool> = of_ones(device, 0.5, 2, [3, 4])
        .iter()
        .map(|&value| value != 0.0)
        .collect();
    for distance in [1, 2, 33, 31 * 33] {
        let equal = kept
            .iter()
            .zip(&kept[distance..])
            .filter(|(left, right)| left == right)
            .count();
        let share = equal as f64 / (LEN - distance) as f64;
        assert!(
            (share - 0.5).abs() < 5.0 * 0.5 / (LEN as f64).sqrt(),
            "{share} at distance {distance}"
        );
    }
}

fn the_mask_follows_from_seed_and_indices<B: Backend>(device: &B) {
    let mask = of_ones(device, 0.25, 1, [2, 3]);
    assert_eq!(mask, of_ones(device, 0.25, 1, [2, 3]));
    for (seed, indices) in [(2, [2, 3]), (1, [3, 3]), (1, [2, 4])] {
        assert_ne!(mask, of_ones(device, 0.25, seed, indices));
    }
}

fn the_mask_is_the_same_on_every_device<B: Backend>(device: &B) {
    assert_eq!(
        of_ones(device, 0.25, 1, [2, 3]),
        of_ones(&Cpu::default(), 0.25, 1, [2, 3])
    );
}

fn the_gradient_passes_where_the_value_passed<B: Backend>(device: &B) {
    let x = [from_host(device, vec![1.0; LEN], SHAPE)];
    let (y, found) = backward(&x, &vec![1.0; LEN], |x, _| dropout(x, 0.3, 5, [0, 1]));
    assert_eq!(y, found[0]);
}

fn a_rate_of_zero_changes_nothing<B: Backend>(device: &B) {
    let x = noisy(device, (2, 3, 4, 5), 1);
    assert_eq!(to_host(&dropout(x.clone(), 0.0, 1, [0, 0])), to_host(&x));
}

fn whole_channels_are_dropped_as_single_values_would_be<B: Backend>(device: &B) {
    for (images, channels, height, width) in [(10, 10, 31, 33), (3, 7, 1, 2), (9, 5, 1, 1)] {
        let pixels = height * width;
        let shape = (images, channels, height, width);
        let x = [from_host(
            device,
            noise(images * channels * pixels, 1),
            shape,
        )];
        let incoming = noise(images * channels * pixels, 2);
        let (y, found) = backward(&x, &incoming, |x, _| spatial_dropout(x, 0.3, 7, [8, 9]));
        let ones = from_host(
            device,
            vec![1.0; images * channels],
            (images, channels, 1, 1),
        );
        let factors = to_host(&dropout(ones, 0.3, 7, [8, 9]));
        assert!(factors.contains(&0.0) && factors.iter().any(|&factor| factor > 1.0));
        for (result, values) in [(y, noise(incoming.len(), 1)), (found[0].clone(), incoming)] {
            for (at, (result, value)) in result.into_iter().zip(values).enumerate() {
                assert_eq!(result, value * factors[at / pixels]);
            }
        }
    }
}

#[test]
#[should_panic(expected = "a dropout rate in [0, 1)")]
fn a_rate_of_one_is_refused() {
    dropout(noisy(&Cpu::default(), (1, 1, 1, 1), 1), 1.0, 1, [0, 0]);
}

fn results<B: Backend>(device: &B) -> Vec<Vec<f32>> {
    let x = [noisy(device, SHAPE, 1)];
    let (y, found) = backward(&x, &noise(LEN, 2), |x, _| {
        let x = dropout(x, 0.25, 1, [0, 0]);
        spatial_dropout(x, 0.25, 1, [0, 0])
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
