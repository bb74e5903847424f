use dfdx::tensor::Cpu;

use super::{BatchNorm, RunningStats, batch_norm_eval, batch_norm_train};
use crate::check::{any_threads, backward, close, gradients, noise, noisy, on_every_device, twice};
use crate::{Backend, Wanted, from_host, to_host};

on_every_device!(
    a_batch_worked_by_hand,
    gradients_of_odd_sizes,
    more_channels_than_cuda_has_blocks_along_y,
    running_statistics_worked_by_hand,
    the_same_bits_twice,
);

const BOTH: Wanted = Wanted {
    input: true,
    parameters: true,
};
const OP: BatchNorm = BatchNorm {
    momentum: 0.9,
    epsilon: 1e-3,
};

fn running<B: Backend>(device: &B, mean: &[f32], variance: &[f32]) -> RunningStats<B> {
    let tensor = |values: &[f32]| from_host(device, values.to_vec(), (1, values.len(), 1, 1));
    RunningStats {
        mean: tensor(mean),
        variance: tensor(variance),
    }
}

fn a_batch_worked_by_hand<B: Backend>(device: &B) {
    // Channel 0: 1, 3, 5, 7 (mean 4, variance 5). Channel 1: constant.
    let x = from_host(
        device,
        vec![1.0, 3.0, 2.0, 2.0, 5.0, 7.0, 2.0, 2.0],
        (2, 2, 1, 2),
    );
    let scale = from_host(device, vec![2.0, 3.0], (1, 2, 1, 1));
    let shift = from_host(device, vec![0.5, -1.0], (1, 2, 1, 1));
    let mut stats = running(device, &[10.0, 0.0], &[1.0, 1.0]);
    let op = BatchNorm {
        momentum: 0.75,
        epsilon: 4.0,
    };
    let y = to_host(&batch_norm_train(x, &scale, &shift, &mut stats, op, BOTH));
    // Deviation √(5 + 4) = 3.
    close(
        &y,
        &[-1.5, -1.0 / 6.0, -1.0, -1.0, 7.0 / 6.0, 2.5, -1.0, -1.0],
    );
    close(&to_host(&stats.mean), &[8.5, 0.5]);
    close(&to_host(&stats.variance), &[2.0, 0.75]);
}

fn more_channels_than_cuda_has_blocks_along_y<B: Backend>(device: &B) {
    const CHANNELS: usize = (1 << 16) + 1;
    let per_channel = (1, CHANNELS, 1, 1);
    let inputs = [
        from_host(device, [1.0, 5.0].repeat(CHANNELS), (1, CHANNELS, 1, 2)),
        from_host(device, vec![3.0; CHANNELS], per_channel),
        from_host(device, noise(CHANNELS, 1), per_channel),
    ];
    let op = BatchNorm {
        momentum: 0.9,
        epsilon: 5.0,
    };
    let coefficients = [1.0, 2.0].repeat(CHANNELS);
    let (y, found) = backward(&inputs, &coefficients, |x, p| {
        let ones = vec![1.0; CHANNELS];
        let mut stats = running(device, &ones, &ones);
        batch_norm_train(x, &p[0], &p[1], &mut stats, op, BOTH)
    });
    // Mean 3, variance 4, so deviation √(4 + 5) = 3.
    let expected: Vec<f32> = noise(CHANNELS, 1)
        .iter()
        .flat_map(|shift| [shift - 2.0, shift + 2.0])
        .collect();
    close(&y, &expected);
    close(&found[1], &vec![2.0 / 3.0; CHANNELS]);
    close(&found[2], &vec![3.0; CHANNELS]);
}

fn gradients_of_odd_sizes<B: Backend>(device: &B) {
    for shape in [(3, 2, 3, 5), (7, 3, 1, 1), (1, 1, 2, 9)] {
        let per_channel = (1, shape.1, 1, 1);
        let inputs = [
            noisy(device, shape, 1),
            noisy(device, per_channel, 2),
            noisy(device, per_channel, 3),
        ];
        gradients(&inputs, 0.01, 2e-3, |x, p| {
            let mut stats = running(device, &vec![0.0; shape.1], &vec![1.0; shape.1]);
            batch_norm_train(x, &p[0], &p[1], &mut stats, OP, BOTH)
        });
    }
}

fn running_statistics_worked_by_hand<B: Backend>(device: &B) {
    let x = [from_host(device, vec![1.0, 3.0, 0.0, 5.0], (2, 2, 1, 1))];
    let scale = from_host(device, vec![2.0, 3.0], (1, 2, 1, 1));
    let shift = from_host(device, vec![0.5, -1.0], (1, 2, 1, 1));
    let (stats, op) = (
        running(device, &[1.0, 2.0], &[0.0, 5.0]),
        BatchNorm {
            momentum: 0.9,
            epsilon: 4.0,
        },
    );
    let (y, found) = backward(&x, &[1.0, 1.0, 1.0, 2.0], |x, _| {
        batch_norm_eval(x, &scale, &shift, &stats, op)
    });
    close(&y, &[0.5, 0.0, -0.5, 2.0]);
    close(&found[0], &[1.0, 1.0, 1.0, 2.0]);
}

fn results<B: Backend>(device: &B) -> Vec<Vec<f32>> {
    let inputs = [
        noisy(device, (9, 12, 17, 19), 1),
        noisy(device, (1, 12, 1, 1), 2),
        noisy(device, (1, 12, 1, 1), 3),
    ];
    let mut all = backward(&inputs, &noise(9 * 12 * 17 * 19, 4), |x, p| {
        let mut stats = running(device, &[0.0; 12], &[1.0; 12]);
        batch_norm_train(x, &p[0], &p[1], &mut stats, OP, BOTH)
    })
    .1;
    let mut stats = running(device, &[0.0; 12], &[1.0; 12]);
    all.push(to_host(&batch_norm_train(
        inputs[0].clone(),
        &inputs[1],
        &inputs[2],
        &mut stats,
        OP,
        BOTH,
    )));
    all.extend([to_host(&stats.mean), to_host(&stats.variance)]);
    all
}

#[test]
fn threads_do_not_change_a_bit() {
    any_threads(|| results(&Cpu::default()));
}

fn the_same_bits_twice<B: Backend>(device: &B) {
    twice(|| results(device));
}
