use dfdx::tensor::{Cpu, Trace};
use dfdx::tensor_ops::{Backward, SumTo};

use super::dense;
use crate::ops::check::{any_threads, backward, close, gradients, noise, noisy};
use crate::ops::{Activation, Wanted, from_host, to_host};

const BOTH: Wanted = Wanted {
    input: true,
    parameters: true,
};

#[test]
fn two_examples_worked_by_hand() {
    let cpu = Cpu::default();
    let inputs = [
        from_host(&cpu, vec![1.0, 2.0, 3.0, -1.0, 0.0, 1.0], (2, 3, 1, 1)),
        from_host(&cpu, vec![1.0, 0.0, -1.0, 2.0, 1.0, 0.5], (2, 3, 1, 1)),
        from_host(&cpu, vec![1.0, -1.0], (1, 2, 1, 1)),
    ];
    let (y, found) = backward(&inputs, &[1.0, 2.0, 3.0, 4.0], |x, p| {
        dense(x, &p[0], &p[1], Activation::Relu, BOTH)
    });
    // Before the activation: −1, 4.5, −1, −2.5.
    close(&y, &[0.0, 4.5, 0.0, 0.0]);
    close(&found[0], &[4.0, 2.0, 1.0, 0.0, 0.0, 0.0]);
    close(&found[1], &[0.0, 0.0, 0.0, 2.0, 4.0, 6.0]);
    close(&found[2], &[0.0, 2.0]);
}

#[test]
fn gradients_of_odd_sizes() {
    let cpu = Cpu::default();
    for (images, features, units) in [(1, 1, 1), (1, 7, 3), (5, 3, 1), (3, 17, 35), (2, 1030, 2)] {
        let inputs = [
            noisy(&cpu, (images, features, 1, 1), 1),
            noisy(&cpu, (units, features, 1, 1), 2),
            noisy(&cpu, (1, units, 1, 1), 3),
        ];
        gradients(&inputs, 0.5, 2e-5, |x, p| {
            dense(x, &p[0], &p[1], Activation::Linear, BOTH)
        });
    }
}

#[test]
fn only_wanted_gradients_are_computed() {
    let cpu = Cpu::default();
    let inputs = [
        noisy(&cpu, (2, 3, 1, 1), 1),
        noisy(&cpu, (4, 3, 1, 1), 2),
        noisy(&cpu, (1, 4, 1, 1), 3),
    ];
    for (input, parameters) in [(true, false), (false, true), (false, false)] {
        let wanted = Wanted { input, parameters };
        let output = dense(
            inputs[0].leaky_trace(),
            &inputs[1],
            &inputs[2],
            Activation::Linear,
            wanted,
        );
        let mut gradients = output.sum::<(), _>().backward();
        let mut nonzero = |tensor| {
            let gradient = gradients.get_or_alloc_mut(tensor).expect("memory");
            gradient.iter().any(|&g| g != 0.0)
        };
        assert_eq!(nonzero(&inputs[0]), input);
        assert_eq!(nonzero(&inputs[1]), parameters);
        assert_eq!(nonzero(&inputs[2]), parameters);
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    any_threads(|| {
        let cpu = Cpu::default();
        let inputs = [
            noisy(&cpu, (9, 2500, 1, 1), 1),
            noisy(&cpu, (100, 2500, 1, 1), 2),
            noisy(&cpu, (1, 100, 1, 1), 3),
        ];
        let run = |x, p: &[_]| dense(x, &p[0], &p[1], Activation::Elu, BOTH);
        let (y, mut all) = backward(&inputs, &noise(900, 4), run);
        all.push(y);
        all
    });
}

#[test]
fn recording_does_not_change_the_output() {
    let cpu = Cpu::default();
    let (x, weight) = (noisy(&cpu, (3, 50, 1, 1), 1), noisy(&cpu, (7, 50, 1, 1), 2));
    let bias = noisy(&cpu, (1, 7, 1, 1), 3);
    let (recorded, _) = backward(
        &[x.clone(), weight.clone(), bias.clone()],
        &[1.0; 21],
        |x, p| dense(x, &p[0], &p[1], Activation::Relu, BOTH),
    );
    assert_eq!(
        recorded,
        to_host(&dense(x, &weight, &bias, Activation::Relu, BOTH))
    );
}
