//! Options of parameters, clipping and averages.

use super::{ADAM_W, ALL, gradients, parameter, penalized, plain, step};
use crate::check::{close, on_every_device};
use crate::optimizer::{Average, Optimizer, OptimizerConfig, ParameterOptions};
use crate::{Backend, to_host};

on_every_device!(
    weight_decay_spares_parameters_that_do_not_decay,
    rate_factors_scale_steps_and_frozen_parameters_are_skipped,
    gradients_are_clipped_together,
    an_average_forgets_its_beginning_and_follows_slowly,
);

fn weight_decay_spares_parameters_that_do_not_decay<B: Backend>(device: &B) {
    let sgd = OptimizerConfig::Sgd {
        momentum: 0.0,
        weight_decay: 0.2,
    };
    for config in [ADAM_W, sgd] {
        let mut parameters = [parameter(device, &[3.0]), parameter(device, &[3.0])];
        let mut optimizer = Optimizer::new(config, &parameters);
        let options = [true, false].map(|decays| ParameterOptions {
            decays,
            ..ParameterOptions::default()
        });
        let none: Option<&[f32]> = Some(&[0.0]);
        let mut gradients = gradients(&parameters, &[none, none]);
        optimizer.step(0.1, &mut parameters, &mut gradients, &options);
        // 3 − 0.1·0.2·3.
        close(&to_host(&parameters[0]), &[2.94]);
        close(&to_host(&parameters[1]), &[3.0]);
    }
}

fn rate_factors_scale_steps_and_frozen_parameters_are_skipped<B: Backend>(device: &B) {
    for config in ALL {
        let mut parameters = [1.0, 1.0, 1.0].map(|value| parameter(device, &[value]));
        let mut alone = [parameter(device, &[1.0])];
        let mut optimizer = Optimizer::new(config, &parameters);
        let mut slow = Optimizer::new(config, &alone);
        let options = [1.0, 0.25, 0.0].map(|rate_factor| ParameterOptions {
            rate_factor,
            ..penalized(0.1, 0.1)
        });
        for _ in 0..2 {
            let gradient: Option<&[f32]> = Some(&[0.7]);
            let mut of_all = gradients(&parameters, &[gradient; 3]);
            optimizer.step(0.1, &mut parameters, &mut of_all, &options);
            let mut of_alone = gradients(&alone, &[Some(&[0.7])]);
            slow.step(0.025, &mut alone, &mut of_alone, &[penalized(0.1, 0.1)]);
        }
        close(&to_host(&parameters[1]), &to_host(&alone[0]));
        assert_ne!(to_host(&parameters[0]), to_host(&parameters[1]));
        assert_eq!(to_host(&parameters[2]), [1.0]);
        let state = optimizer.state();
        assert_eq!(state[0].1, [2.0, 2.0, 0.0]);
        let of_frozen = state.iter().filter(|(name, _)| name.ends_with(".2"));
        assert!(
            of_frozen
                .flat_map(|(_, values)| values)
                .all(|&value| value == 0.0)
        );
    }
}

fn gradients_are_clipped_together<B: Backend>(device: &B) {
    // The norm of 3, 4 and 12 is 13; the frozen parameter and the one without a gradient do not count.
    let sgd = OptimizerConfig::Sgd {
        momentum: 0.0,
        weight_decay: 0.0,
    };
    for (norm, factor) in [(Some(6.5), 0.5), (Some(20.0), 1.0), (None, 1.0)] {
        let mut parameters = [
            parameter(device, &[0.0, 0.0]),
            parameter(device, &[0.0]),
            parameter(device, &[0.0]),
            parameter(device, &[0.0]),
        ];
        let mut optimizer = Optimizer::new(sgd, &parameters).clipped(norm);
        let mut options = plain(4);
        options[2].rate_factor = 0.0;
        let of: [Option<&[f32]>; 4] = [Some(&[3.0, -4.0]), Some(&[12.0]), Some(&[1000.0]), None];
        let mut gradients = gradients(&parameters, &of);
        optimizer.step(1.0, &mut parameters, &mut gradients, &options);
        close(&to_host(&parameters[0]), &[-3.0 * factor, 4.0 * factor]);
        close(&to_host(&parameters[1]), &[-12.0 * factor]);
        assert_eq!(to_host(&parameters[2]), [0.0]);
    }
    // Squares that no `f32` holds, and more values than one block of a GPU sums.
    let count = 1 << 15;
    let mut parameters = [parameter(device, &vec![0.0; count])];
    let mut optimizer = Optimizer::new(sgd, &parameters).clipped(Some(1.0));
    let gradient = vec![1e30; count];
    step(&mut optimizer, 1.0, &mut parameters, &[Some(&gradient)]);
    close(
        &to_host(&parameters[0]),
        &vec![-1.0 / (count as f32).sqrt(); count],
    );
}

fn an_average_forgets_its_beginning_and_follows_slowly<B: Backend>(device: &B) {
    let mut tensors = [parameter(device, &[8.0, -8.0])];
    let mut average = Average::new(0.5, &tensors);
    tensors[0] = parameter(device, &[2.0, 3.0]);
    // Decay 1/10, then 2/11, and finally 0.5.
    average.update(0, &tensors);
    close(&to_host(&average.tensors()[0]), &[2.6, 1.9]);
    average.update(1, &tensors);
    let expected = [2.0 + 0.6 * 2.0 / 11.0, 3.0 - 1.1 * 2.0 / 11.0];
    close(&to_host(&average.tensors()[0]), &expected);
    tensors[0] = parameter(device, &[0.0, 0.0]);
    average.update(1000, &tensors);
    close(
        &to_host(&average.tensors()[0]),
        &expected.map(|value| 0.5 * value),
    );
    assert_eq!(to_host(&tensors[0]), [0.0, 0.0]);
}
