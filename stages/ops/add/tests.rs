use dfdx::tensor::{Cpu, Trace};

use super::add;
use crate::check::{
    Traced, any_threads, backward, close, gradients, noise, noisy, on_every_device, twice,
};
use crate::{Activation, Backend, Pool2d, Tensor4, activation, concat, from_host, scale_channels};

on_every_device!(
    a_sum_worked_by_hand,
    gradients_of_both_terms,
    gradients_of_all_branches_are_added,
    a_tensor_may_be_added_to_itself,
    the_same_bits_twice,
);

fn a_sum_worked_by_hand<B: Backend>(device: &B) {
    let tensor = |values: [f32; 3]| from_host(device, values.to_vec(), (1, 3, 1, 1));
    let inputs = [tensor([1.0, 2.0, -3.0]), tensor([0.5, -2.0, 4.0])];
    let (y, found) = backward(&inputs, &[1.0, 2.0, 3.0], |x, p| add(x, p[0].leaky_trace()));
    close(&y, &[1.5, 0.0, 1.0]);
    close(&found[0], &[1.0, 2.0, 3.0]);
    close(&found[1], &[1.0, 2.0, 3.0]);
}

fn gradients_of_both_terms<B: Backend>(device: &B) {
    let shape = (2, 3, 3, 5);
    let inputs = [noisy(device, shape, 1), noisy(device, shape, 2)];
    gradients(&inputs, 0.5, 1e-4, |x, p| add(x, p[0].leaky_trace()));
}

/// Uses its input three times: x + x·(mean of tanh x), beside the tanh itself.
fn branches<B: Backend>(x: Traced<B>, _: &[Tensor4<B>]) -> Traced<B> {
    let bent = activation(x.retaped(), Activation::Tanh);
    let means = crate::global_avg_pool2d(bent.retaped());
    let scaled = scale_channels(x.retaped(), means);
    concat(vec![bent, add(x, scaled)])
}

fn gradients_of_all_branches_are_added<B: Backend>(device: &B) {
    // The gradients of the branches by themselves are those of the whole for a part of the outputs.
    let x = [noisy(device, (2, 2, 3, 3), 1)];
    let (_, of_all) = backward(&x, &[1.0; 72], branches);
    let parts = [[1.0, 0.0], [0.0, 1.0]].map(|[bent, sum]| {
        let of_image = [vec![bent; 18], vec![sum; 18]].concat();
        backward(&x, &of_image.repeat(2), branches).1.remove(0)
    });
    let added: Vec<f32> = parts[0].iter().zip(&parts[1]).map(|(a, b)| a + b).collect();
    close(&of_all[0], &added);
    assert!(parts.iter().flatten().all(|&gradient| gradient != 0.0));
    gradients(&x, 0.01, 1e-3, branches);
}

fn a_tensor_may_be_added_to_itself<B: Backend>(device: &B) {
    let x = [noisy(device, (1, 2, 4, 4), 1)];
    let (y, found) = backward(&x, &[1.5; 32], |x, _| {
        let same = x.retaped();
        add(x, same)
    });
    let doubled: Vec<f32> = noise(32, 1).iter().map(|value| 2.0 * value).collect();
    close(&y, &doubled);
    close(&found[0], &[3.0; 32]);
    let pool = Pool2d::square(2, 2);
    let (_, found) = backward(&x, &[1.0; 8], |x, _| {
        let pooled = crate::avg_pool2d(x.retaped(), pool);
        add(crate::avg_pool2d(x, pool), pooled)
    });
    close(&found[0], &[0.5; 32]);
}

#[test]
#[should_panic(expected = "the shapes of the terms of add")]
fn other_shapes_are_refused() {
    let cpu = Cpu::default();
    add(noisy(&cpu, (1, 2, 1, 1), 1), noisy(&cpu, (2, 1, 1, 1), 1));
}

fn results<B: Backend>(device: &B) -> Vec<Vec<f32>> {
    let shape = (3, 8, 40, 41);
    let inputs = [noisy(device, shape, 1), noisy(device, shape, 2)];
    let (y, found) = backward(&inputs, &noise(3 * 8 * 40 * 41 * 2, 3), |x, p| {
        let sum = add(x, p[0].leaky_trace());
        branches(sum, &[])
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
