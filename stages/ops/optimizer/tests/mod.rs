mod options;

use dfdx::tensor::{Cpu, Gradients};

use super::{Average, Optimizer, OptimizerConfig, ParameterOptions, Penalty, SecondMoment};
use crate::check::{any_threads, close, noise, on_every_device, twice};
use crate::{Backend, Tensor4, from_host, to_host};

on_every_device!(
    adam_worked_by_hand,
    adam_with_tiny_gradients_takes_the_steps_of_pytorch_and_of_keras,
    gradient_descent_worked_by_hand,
    penalties_add_their_gradients,
    adam_w_rms_prop_and_weight_decay_take_the_steps_of_pytorch,
    a_parameter_without_a_gradient_is_unchanged,
    a_restored_optimizer_continues_like_the_original,
    a_state_that_does_not_fit_changes_nothing,
    the_same_bits_twice,
);

const ADAM: OptimizerConfig = OptimizerConfig::Adam {
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-7,
    epsilon_added_to: SecondMoment::Corrected,
};
const ADAM_W: OptimizerConfig = OptimizerConfig::AdamW {
    beta1: 0.9,
    beta2: 0.99,
    epsilon: 1e-6,
    weight_decay: 0.2,
};
const RMS_PROP: OptimizerConfig = OptimizerConfig::RmsProp {
    decay: 0.9,
    momentum: 0.5,
    epsilon: 0.01,
};
const SGD: OptimizerConfig = OptimizerConfig::Sgd {
    momentum: 0.5,
    weight_decay: 0.0,
};
const ALL: [OptimizerConfig; 4] = [ADAM, ADAM_W, RMS_PROP, SGD];

fn plain(count: usize) -> Vec<ParameterOptions> {
    vec![ParameterOptions::default(); count]
}

fn penalized(l1: f32, l2: f32) -> ParameterOptions {
    ParameterOptions {
        penalty: Penalty { l1, l2 },
        ..ParameterOptions::default()
    }
}

fn parameter<B: Backend>(device: &B, values: &[f32]) -> Tensor4<B> {
    from_host(device, values.to_vec(), (1, values.len(), 1, 1))
}

/// Gradients with these values. Parameters with `None` get no gradient.
fn gradients<B: Backend>(parameters: &[Tensor4<B>], of: &[Option<&[f32]>]) -> Gradients<f32, B> {
    let mut gradients = Gradients::leaky();
    for (parameter, gradient) in parameters.iter().zip(of) {
        if let Some(values) = gradient {
            let buffer = gradients.get_or_alloc_mut(parameter).expect("memory");
            parameter.device().write(values, buffer).expect("a copy");
        }
    }
    gradients
}

fn step<B: Backend>(
    optimizer: &mut Optimizer<B>,
    rate: f32,
    parameters: &mut [Tensor4<B>],
    of: &[Option<&[f32]>],
) {
    let options = plain(parameters.len());
    optimizer.step(rate, parameters, &mut gradients(parameters, of), &options);
}

fn adam_worked_by_hand<B: Backend>(device: &B) {
    let mut parameters = [parameter(device, &[1.0, -1.0])];
    let mut adam = Optimizer::new(ADAM, &parameters);
    // The first step is the rate times the sign of the gradient, whatever the size of the gradient.
    step(&mut adam, 0.1, &mut parameters, &[Some(&[0.5, -20.0])]);
    close(&to_host(&parameters[0]), &[0.9, -0.9]);
    // m = 0.9·0.05 + 0.1·(−1) = −0.055, v = 0.999·0.00025 + 0.001 = 0.001 249 75;
    // m̂ = m/0.19 = −0.289 473 7, v̂ = v/0.001 999 = 0.625 187 6; √v̂ = 0.790 688 0.
    step(&mut adam, 0.1, &mut parameters, &[Some(&[-1.0, 0.0])]);
    close(
        &to_host(&parameters[0])[..1],
        &[0.9 + 0.1 * 0.289_473_7 / 0.790_688],
    );
}

/// Expected values from PyTorch 2.15.0 and from Keras 3.15.1 on it, both on the CPU in float32:
/// ```python
/// torch.optim.Adam([t], lr=1e-3, betas=(0.9, 0.999), eps=1e-7)      # t.grad = g; step()
/// keras.optimizers.Adam(1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-7)  # apply([g], [v])
/// ```
/// They compute 1 − β₂ in double precision, which is why the tolerance is more than a rounding error. The two forms
/// differ by at least 1.4e-5.
fn adam_with_tiny_gradients_takes_the_steps_of_pytorch_and_of_keras<B: Backend>(device: &B) {
    const START: [f32; 3] = [0.01, -0.02, 0.03];
    const GRADIENTS: [[f32; 3]; 5] = [
        [1e-8, -3e-6, 2e-4],
        [2e-8, 1e-6, -1e-4],
        [-5e-9, 4e-6, 3e-4],
        [1e-8, 0.0, 1e-4],
        [3e-8, -2e-6, -2e-4],
    ];
    const PYTORCH: [[f32; 3]; 5] = [
        [0.009_909_091, -0.019_032_259, 0.029_000_498],
        [0.009_777_3, -0.018_649_176, 0.028_734_33],
        [0.009_708_536, -0.018_948_567, 0.028_099_304],
        [0.009_633_604, -0.019_192_567, 0.027_446_738],
        [0.009_517_005, -0.019_192_634, 0.027_207_196],
    ];
    const KERAS: [[f32; 3]; 5] = [
        [0.009_996_847, -0.019_513_17, 0.029_015_57],
        [0.009_990_071, -0.019_313_106, 0.028_752_953],
        [0.009_985_839, -0.019_504_145, 0.028_122_962],
        [0.009_980_554, -0.019_660_6, 0.027_475_357],
        [0.009_970_997, -0.019_660_644, 0.027_237_423],
    ];
    for (epsilon_added_to, expected) in [
        (SecondMoment::Corrected, PYTORCH),
        (SecondMoment::Raw, KERAS),
    ] {
        let config = OptimizerConfig::Adam {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-7,
            epsilon_added_to,
        };
        let mut parameters = [parameter(device, &START)];
        let mut adam = Optimizer::new(config, &parameters);
        for (gradient, expected) in GRADIENTS.iter().zip(expected) {
            step(&mut adam, 1e-3, &mut parameters, &[Some(gradient)]);
            let values = to_host(&parameters[0]);
            for (value, expected) in values.iter().zip(expected) {
                let difference = (value - expected).abs();
                assert!(difference < 3e-8, "{epsilon_added_to:?}: {values:?}");
            }
        }
    }
}

/// Expected values from the formulas of PyTorch's documentation of `AdamW`, `RMSprop` and `SGD`, in Python, in double
/// precision.
fn adam_w_rms_prop_and_weight_decay_take_the_steps_of_pytorch<B: Backend>(device: &B) {
    const START: [f32; 3] = [0.5, -1.0, 2.0];
    const GRADIENTS: [[f32; 3]; 3] = [[0.1, -0.3, 2.0], [0.2, 0.1, -1.0], [-0.05, 0.4, 3.0]];
    let sgd = OptimizerConfig::Sgd {
        momentum: 0.5,
        weight_decay: 0.2,
    };
    for (config, expected) in [
        (
            ADAM_W,
            [
                [0.390_001, -0.880_000_3, 1.86],
                [0.285_814_1, -0.822_306, 1.796_130_1],
                [0.221_198_9, -0.836_777_8, 1.696_778_3],
            ],
        ),
        (
            RMS_PROP,
            [
                [0.259_746_9, -0.713_927, 1.688_694_4],
                [-0.110_379_6, -0.665_772_6, 1.678_341_2],
                [-0.231_556_7, -0.883_341_5, 1.413_716_1],
            ],
        ),
        (
            sgd,
            [
                [0.48, -0.95, 1.76],
                [0.440_4, -0.916, 1.704_8],
                [0.416_792, -0.920_68, 1.343_104],
            ],
        ),
    ] {
        let mut parameters = [parameter(device, &START)];
        let mut optimizer = Optimizer::new(config, &parameters);
        for (gradient, expected) in GRADIENTS.iter().zip(expected) {
            step(&mut optimizer, 0.1, &mut parameters, &[Some(gradient)]);
            let values = to_host(&parameters[0]);
            for (value, expected) in values.iter().zip(expected) {
                assert!((value - expected).abs() < 1e-6, "{config:?}: {values:?}");
            }
        }
    }
}

fn gradient_descent_worked_by_hand<B: Backend>(device: &B) {
    let mut parameters = [parameter(device, &[1.0, 2.0])];
    let mut sgd = Optimizer::new(SGD, &parameters);
    step(&mut sgd, 0.1, &mut parameters, &[Some(&[1.0, -2.0])]);
    close(&to_host(&parameters[0]), &[0.9, 2.2]);
    // The velocities are 0.5·1 + 1 and 0.5·(−2) + 0. The rate differs from the first step's.
    step(&mut sgd, 0.2, &mut parameters, &[Some(&[1.0, 0.0])]);
    close(&to_host(&parameters[0]), &[0.6, 2.4]);
}

fn penalties_add_their_gradients<B: Backend>(device: &B) {
    let mut parameters = [
        parameter(device, &[2.0, -2.0, 0.0]),
        parameter(device, &[3.0]),
    ];
    let mut sgd = Optimizer::new(SGD, &parameters);
    let mut gradients = gradients(&parameters, &[Some(&[0.0; 3]), Some(&[0.0])]);
    sgd.step(
        0.1,
        &mut parameters,
        &mut gradients,
        &[penalized(0.5, 0.25), penalized(0.0, 0.0)],
    );
    close(&to_host(&parameters[0]), &[1.85, -1.85, 0.0]);
    close(&to_host(&parameters[1]), &[3.0]);
}

fn a_parameter_without_a_gradient_is_unchanged<B: Backend>(device: &B) {
    for config in ALL {
        let mut parameters = [parameter(device, &[1.0]), parameter(device, &[2.0])];
        let mut optimizer = Optimizer::new(config, &parameters);
        step(
            &mut optimizer,
            0.1,
            &mut parameters,
            &[Some(&[1.0]), Some(&[1.0])],
        );
        let (before, state) = (to_host(&parameters[1]), optimizer.state());
        let mut gradients = gradients(&parameters, &[Some(&[1.0]), None]);
        optimizer.step(
            0.1,
            &mut parameters,
            &mut gradients,
            &[penalized(1.0, 1.0); 2],
        );
        assert_eq!(to_host(&parameters[1]), before);
        let of_second = |state: Vec<(String, Vec<f32>)>| {
            state
                .into_iter()
                .filter(|(name, _)| name.ends_with(".1"))
                .collect::<Vec<_>>()
        };
        assert_eq!(of_second(optimizer.state()), of_second(state));
    }
}

fn a_restored_optimizer_continues_like_the_original<B: Backend>(device: &B) {
    for config in ALL {
        let mut parameters = [parameter(device, &[1.0, 2.0])];
        let mut optimizer = Optimizer::new(config, &parameters);
        step(&mut optimizer, 0.1, &mut parameters, &[Some(&[0.3, -0.2])]);
        let (values, state) = (to_host(&parameters[0]), optimizer.state());
        step(&mut optimizer, 0.1, &mut parameters, &[Some(&[-0.1, 0.7])]);

        let mut resumed = [parameter(device, &values)];
        let mut other = Optimizer::new(config, &resumed);
        other
            .restore(&state)
            .expect("a state of the same optimizer");
        step(&mut other, 0.1, &mut resumed, &[Some(&[-0.1, 0.7])]);
        assert_eq!(to_host(&resumed[0]), to_host(&parameters[0]));
        assert_eq!(other.state(), optimizer.state());
    }
}

fn a_state_that_does_not_fit_changes_nothing<B: Backend>(device: &B) {
    let mut optimizer = Optimizer::new(ADAM, &[parameter(device, &[1.0, 2.0])]);
    let before = optimizer.state();
    let mut state = before.clone();
    state[0].1 = vec![5.0];
    state[2].1.push(0.0);
    let error = optimizer.restore(&state).expect_err("a moment too long");
    assert_eq!(
        error.to_string(),
        "the optimizer's state has 3 values in `second_moment.0` where 2 are expected"
    );
    assert_eq!(optimizer.state(), before);
    assert!(optimizer.restore(&state[..2]).is_err());
}

#[test]
fn configurations_in_files() {
    let text = serde_json::to_string(&ALL).expect("plain numbers");
    assert_eq!(
        text,
        r#"[{"adam":{"beta1":0.9,"beta2":0.999,"epsilon":1e-7,"epsilon_added_to":"corrected_moment"}},{"adam_w":{"beta1":0.9,"beta2":0.99,"epsilon":0.000001,"weight_decay":0.2}},{"rms_prop":{"decay":0.9,"momentum":0.5,"epsilon":0.01}},{"sgd":{"momentum":0.5,"weight_decay":0.0}}]"#
    );
}

fn results<B: Backend>(device: &B) -> Vec<Vec<f32>> {
    ALL.into_iter()
        .flat_map(|config| {
            let mut parameters = [parameter(device, &noise(70_000, 1))];
            let mut optimizer = Optimizer::new(config, &parameters).clipped(Some(3.0));
            let mut average = Average::new(0.9, &parameters);
            for salt in 2..4 {
                step(
                    &mut optimizer,
                    0.01,
                    &mut parameters,
                    &[Some(&noise(70_000, salt))],
                );
                average.update(salt, &parameters);
            }
            [to_host(&parameters[0]), to_host(&average.tensors()[0])]
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
