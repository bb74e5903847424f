use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, Trace};

use super::concat;
use crate::check::{any_threads, backward, close, gradients, noise, noisy, on_every_device, twice};
use crate::{Backend, Tensor4, from_host};

on_every_device!(
    channels_keep_their_order,
    gradients_of_all_tensors,
    one_tensor_stays_as_it_is,
    the_same_bits_twice,
);

fn channels_keep_their_order<B: Backend>(device: &B) {
    let counting = |first: i32, channels: usize| {
        let values = (first..).take(2 * channels * 2).map(|i| i as f32).collect();
        from_host(device, values, (2, channels, 1, 2))
    };
    let inputs = [counting(0, 1), counting(10, 2), counting(20, 1)];
    let coefficients: Vec<f32> = (100..116).map(|i| i as f32).collect();
    let (y, found) = backward(&inputs, &coefficients, |x, p| {
        let joined = concat(vec![x, p[0].leaky_trace(), p[1].leaky_trace()]);
        assert_eq!(*joined.shape(), (2, 4, 1, 2));
        joined
    });
    let expected = [0, 1, 10, 11, 12, 13, 20, 21, 2, 3, 14, 15, 16, 17, 22, 23];
    close(&y, &expected.map(|i| i as f32));
    close(&found[0], &[100.0, 101.0, 108.0, 109.0]);
    close(
        &found[1],
        &[102.0, 103.0, 104.0, 105.0, 110.0, 111.0, 112.0, 113.0],
    );
    close(&found[2], &[106.0, 107.0, 114.0, 115.0]);
}

fn gradients_of_all_tensors<B: Backend>(device: &B) {
    let inputs: [Tensor4<B>; 3] =
        [3, 1, 2].map(|channels| noisy(device, (2, channels, 3, 2), channels as u64));
    gradients(&inputs, 0.5, 1e-4, |x, p| {
        concat(vec![p[0].leaky_trace(), x, p[1].leaky_trace()])
    });
}

fn one_tensor_stays_as_it_is<B: Backend>(device: &B) {
    let x = [noisy(device, (2, 3, 4, 5), 1)];
    let (y, found) = backward(&x, &noise(120, 2), |x, _| concat(vec![x]));
    assert_eq!(y, noise(120, 1));
    assert_eq!(found[0], noise(120, 2));
}

#[test]
#[should_panic(expected = "images, rows and columns for concat")]
fn images_of_other_sizes_are_refused() {
    let cpu = Cpu::default();
    concat(vec![
        noisy(&cpu, (1, 2, 3, 3), 1),
        noisy(&cpu, (1, 2, 3, 4), 1),
    ]);
}

fn results<B: Backend>(device: &B) -> Vec<Vec<f32>> {
    let inputs: [Tensor4<B>; 2] =
        [7, 5].map(|channels| noisy(device, (5, channels, 31, 33), channels as u64));
    let (y, found) = backward(&inputs, &noise(5 * 12 * 31 * 33, 3), |x, p| {
        concat(vec![x, p[0].leaky_trace()])
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
