use dfdx::tensor::{Cpu, Trace};

use super::{GroupNorm, group_norm, layer_norm};
use crate::check::{any_threads, backward, close, gradients, noise, noisy, on_every_device, twice};
use crate::{Backend, Nchw, Tensor4, Wanted, from_host, len, to_host};

on_every_device!(
    groups_worked_by_hand,
    values_and_gradients_are_those_of_double_precision,
    gradients_of_odd_sizes,
    other_images_have_no_influence,
    only_wanted_gradients_are_computed,
    the_same_bits_twice,
);

const BOTH: Wanted = Wanted {
    input: true,
    parameters: true,
};

fn op(groups: usize) -> GroupNorm {
    GroupNorm {
        groups,
        epsilon: 1e-3,
    }
}

fn inputs<B: Backend>(device: &B, shape: Nchw) -> [Tensor4<B>; 3] {
    let per_channel = (1, shape.1, 1, 1);
    [
        noisy(device, shape, 1),
        noisy(device, per_channel, 2),
        noisy(device, per_channel, 3),
    ]
}

fn groups_worked_by_hand<B: Backend>(device: &B) {
    // Channels 0 and 1 have the values 1, 3, 5, 7: mean 4, variance 5, deviation √(5 + 4) = 3. Channels 2 and 3 are
    // constant.
    let values = vec![1.0, 7.0, 5.0, 3.0, 2.0, 2.0, 2.0, 2.0];
    let x = from_host(device, values, (1, 4, 1, 2));
    let scale = from_host(device, vec![3.0, 6.0, 1.0, 1.0], (1, 4, 1, 1));
    let shift = from_host(device, vec![0.0, 1.0, 0.5, -1.0], (1, 4, 1, 1));
    let op = GroupNorm {
        groups: 2,
        epsilon: 4.0,
    };
    let y = group_norm(x.clone(), &scale, &shift, op, BOTH);
    close(&to_host(&y), &[-3.0, 3.0, 3.0, -1.0, 0.5, 0.5, -1.0, -1.0]);
    // All values: mean 3, variance (4 + 16 + 4 + 0 + 4·1) / 8 = 3.5, deviation √(3.5 + 5.5) = 3.
    let y = to_host(&layer_norm(x, &scale, &shift, 5.5, BOTH));
    close(&y[..4], &[-2.0, 4.0, 5.0, 1.0]);
    close(&y[4..6], &[0.5 - 1.0 / 3.0; 2]);
}

/// The output, and the gradients of x, scale and shift.
fn definition(shape: Nchw, op: GroupNorm, inputs: [&[f32]; 3], incoming: &[f32]) -> [Vec<f64>; 4] {
    let [x, scale, shift] =
        inputs.map(|values| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
    let (images, channels, height, width) = shape;
    let (size, pixels) = (x.len() / (images * op.groups), height * width);
    let [mut y, mut to_x] = [0, 1].map(|_| vec![0.0; x.len()]);
    let [mut to_scale, mut to_shift] = [0, 1].map(|_| vec![0.0; channels]);
    for group in 0..images * op.groups {
        let range = group * size..(group + 1) * size;
        let mean = x[range.clone()].iter().sum::<f64>() / size as f64;
        let squares = x[range.clone()].iter().map(|x| (x - mean).powi(2));
        let deviation = (squares.sum::<f64>() / size as f64 + f64::from(op.epsilon)).sqrt();
        let normalized = |at: usize| (x[at] - mean) / deviation;
        for at in range.clone() {
            let channel = at / pixels % channels;
            let g = f64::from(incoming[at]);
            y[at] = normalized(at) * scale[channel] + shift[channel];
            to_scale[channel] += g * normalized(at);
            to_shift[channel] += g;
            // The derivative of the value at `to` with respect to that at `at`, summed over `to`.
            for to in range.clone() {
                let own = if to == at { 1.0 } else { 0.0 };
                let share = (1.0 + normalized(to) * normalized(at)) / size as f64;
                let factor = f64::from(incoming[to]) * scale[to / pixels % channels];
                to_x[at] += factor * (own - share) / deviation;
            }
        }
    }
    [y, to_x, to_scale, to_shift]
}

fn values_and_gradients_are_those_of_double_precision<B: Backend>(device: &B) {
    // The last shape has more pixels in a plane than a block of a GPU has threads.
    for (shape, groups) in [
        ((3, 6, 5, 7), 1),
        ((3, 6, 5, 7), 3),
        ((2, 4, 3, 3), 4),
        ((5, 8, 1, 1), 2),
        ((2, 2, 17, 19), 2),
    ] {
        let inputs = inputs(device, shape);
        let incoming = noise(len(shape), 4);
        let (y, found) = backward(&inputs, &incoming, |x, p| {
            group_norm(x, &p[0], &p[1], op(groups), BOTH)
        });
        let values = inputs.each_ref().map(to_host);
        let values = values.each_ref().map(Vec::as_slice);
        let expected = definition(shape, op(groups), values, &incoming);
        for (found, expected) in std::iter::once(y).chain(found).zip(expected) {
            let largest = expected.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
            for (found, expected) in found.iter().zip(expected) {
                let error = (f64::from(*found) - expected).abs() / largest;
                assert!(error < 1e-5, "{shape:?} in {groups} groups: {error:e}");
            }
        }
    }
}

fn gradients_of_odd_sizes<B: Backend>(device: &B) {
    for (shape, groups) in [((2, 4, 3, 5), 2), ((3, 3, 1, 2), 1), ((1, 2, 2, 9), 2)] {
        gradients(&inputs(device, shape), 0.005, 3e-3, |x, p| {
            group_norm(x, &p[0], &p[1], op(groups), BOTH)
        });
    }
}

fn other_images_have_no_influence<B: Backend>(device: &B) {
    let [x, scale, shift] = inputs(device, (3, 4, 5, 5));
    let all = to_host(&group_norm(x.clone(), &scale, &shift, op(2), BOTH));
    let second = from_host(device, to_host(&x)[100..200].to_vec(), (1, 4, 5, 5));
    let alone = to_host(&group_norm(second, &scale, &shift, op(2), BOTH));
    assert_eq!(alone, all[100..200]);
}

fn only_wanted_gradients_are_computed<B: Backend>(device: &B) {
    let inputs = inputs(device, (2, 4, 3, 3));
    let incoming = noise(72, 4);
    let of = |wanted: Wanted| {
        let run = |x, p: &[_]| group_norm(x, &p[0], &p[1], op(2), wanted);
        let output = run(inputs[0].leaky_trace(), &inputs[1..]);
        let mut gradients = crate::vector_jacobian(output, incoming.clone());
        inputs.each_ref().map(|input| {
            let buffer = gradients.get_or_alloc_mut(input).expect("memory");
            device.read(buffer).expect("a copy")
        })
    };
    let both = of(BOTH);
    let input = of(Wanted {
        parameters: false,
        ..BOTH
    });
    let parameters = of(Wanted {
        input: false,
        ..BOTH
    });
    assert_eq!(input, [both[0].clone(), vec![0.0; 4], vec![0.0; 4]]);
    let [_, scale, shift] = both;
    assert_eq!(parameters, [vec![0.0; 72], scale, shift]);
}

#[test]
#[should_panic(expected = "groups of equal numbers of channels")]
fn groups_that_do_not_divide_the_channels_are_refused() {
    let [x, scale, shift] = inputs(&Cpu::default(), (1, 4, 2, 2));
    group_norm(x, &scale, &shift, op(3), BOTH);
}

fn results<B: Backend>(device: &B) -> Vec<Vec<f32>> {
    let inputs = inputs(device, (5, 12, 17, 19));
    let incoming = noise(5 * 12 * 17 * 19, 4);
    [1, 4]
        .into_iter()
        .flat_map(|groups| {
            let (y, found) = backward(&inputs, &incoming, |x, p| {
                group_norm(x, &p[0], &p[1], op(groups), BOTH)
            });
            [vec![y], found].concat()
        })
        .collect()
}

#[test]
fn threads_do_not_change_a_bit() {
    any_threads(|| results(&Cpu::default()));
}

fn the_same_bits_twice<B: Backend>(device: &B) {
    twice(|| results(device));
}
