//! Test support for operations: running on every device, finite differences, and comparison bit by bit.

use contract::random::stream;
use dfdx::shapes::HasShape;
use dfdx::tensor::{OwnedTape, Trace};
use pulp::Arch;
use rand::Rng;
use rayon::ThreadPoolBuilder;

use super::{Backend, Nchw, Tensor4, from_host, len, to_host, vector_jacobian};
#[cfg(feature = "cuda")]
use {
    crate::cuda::with_precision,
    contract::{Precision, lock},
    dfdx::tensor::Cuda,
    std::sync::Mutex,
};

/// Defines a test for each of these functions and each device of the build: in the module `cpu`, and with the
/// feature `cuda` also in the module `cuda`. The functions are generic over the device that is passed to them.
macro_rules! on_every_device {
    ($($test:ident),+ $(,)?) => {
        mod cpu {
            $(
                #[test]
                fn $test() {
                    super::$test(&dfdx::tensor::Cpu::default());
                }
            )+
        }

        #[cfg(feature = "cuda")]
        mod cuda {
            $(
                #[test]
                fn $test() {
                    use contract::Precision;
                    crate::check::on_gpu(Precision::Float32, super::$test);
                }
            )+
        }
    };
}

pub(crate) use on_every_device;

/// Calls a test with the GPU, for operations in this precision. Without a GPU, prints that the test is
/// skipped.
#[cfg(feature = "cuda")]
pub(crate) fn on_gpu(precision: Precision, test: impl FnOnce(&Cuda)) {
    /// dfdx finds cached memory and takes it in two steps, so only one thread may use the device at a time.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = lock(&ALONE);
    if let Some(device) = gpu() {
        with_precision(precision, || test(&device));
    }
}

/// Calls a test with the GPU in every precision. The second argument of the test is the bound for the difference
/// between results and double precision, relative to the largest value.
#[cfg(feature = "cuda")]
pub(crate) fn on_gpu_within_bounds(test: impl Fn(&Cuda, f64)) {
    for (precision, bound) in [(Precision::Float32, 1e-4), (Precision::Tf32, 2e-3)] {
        on_gpu(precision, |device| test(device, bound));
    }
}

/// Returns the GPU, or `None` if there is none. Panics if there is one that does not work.
#[cfg(feature = "cuda")]
#[expect(clippy::print_stderr, reason = "testers must see what is skipped")]
fn gpu() -> Option<Cuda> {
    match crate::cuda::gpus() {
        Ok(_) => Some(crate::cuda::open(Precision::Float32).expect("a GPU that works")),
        Err(no_gpu) => {
            eprintln!("skipped: no GPU: {no_gpu}");
            None
        }
    }
}

/// Kinds of vectors that this processor has.
pub(crate) fn archs() -> Vec<Arch> {
    let mut archs = vec![Arch::new()];
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = pulp::x86::V3::try_new() {
        archs.push(Arch::V3(v3));
    }
    archs
}

/// A tensor that records operations on its tape.
pub(crate) type Traced<B> = Tensor4<B, OwnedTape<f32, B>>;

/// Values in [−1, 1), different for each `salt`.
pub(crate) fn noise(count: usize, salt: u64) -> Vec<f32> {
    let mut random = stream(7, "test values", [salt, 0]);
    (0..count)
        .map(|_| random.next_u32() as f32 / (1u64 << 31) as f32 - 1.0)
        .collect()
}

/// A tensor of [`noise`].
pub(crate) fn noisy<B: Backend>(device: &B, shape: Nchw, salt: u64) -> Tensor4<B> {
    from_host(device, noise(len(shape), salt), shape)
}

/// Returns the output of an operation, and the gradients of the sum of the output times `coefficients`.
pub(crate) fn backward<B: Backend>(
    inputs: &[Tensor4<B>],
    coefficients: &[f32],
    operation: impl Fn(Traced<B>, &[Tensor4<B>]) -> Traced<B>,
) -> (Vec<f32>, Vec<Vec<f32>>) {
    let output = operation(inputs[0].leaky_trace(), &inputs[1..]);
    let values = to_host(&output.retaped());
    let gradients = vector_jacobian(output, coefficients.to_vec());
    (
        values,
        inputs
            .iter()
            .map(|input| to_host(&gradients.get(input)))
            .collect(),
    )
}

/// Checks the gradients of an operation on one tensor and some parameters against central differences of
/// width 2·`step`. Any step will do for a linear operation; others need a small one.
pub(crate) fn gradients<B: Backend>(
    inputs: &[Tensor4<B>],
    step: f32,
    tolerance: f64,
    operation: impl Fn(Traced<B>, &[Tensor4<B>]) -> Traced<B>,
) {
    let device = inputs[0].device();
    let evaluate = |inputs: &[Tensor4<B>]| {
        to_host(&operation(inputs[0].leaky_trace(), &inputs[1..]).retaped())
    };
    let coefficients = noise(evaluate(inputs).len(), 99);
    let loss = |inputs: &[Tensor4<B>]| -> f64 {
        evaluate(inputs)
            .iter()
            .zip(&coefficients)
            .map(|(&y, &c)| f64::from(y) * f64::from(c))
            .sum()
    };
    let (_, analytic) = backward(inputs, &coefficients, &operation);
    for (which, analytic) in analytic.iter().enumerate() {
        for (index, &analytic) in analytic.iter().enumerate() {
            let moved = |by: f32| {
                let mut values = to_host(&inputs[which]);
                values[index] += by;
                let mut inputs = inputs.to_vec();
                inputs[which] = from_host(device, values, *inputs[which].shape());
                loss(&inputs)
            };
            let numeric = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
            let error = (numeric - f64::from(analytic)).abs();
            assert!(
                error <= tolerance * (1.0 + numeric.abs()),
                "input {which}, value {index}: the gradient is {analytic}, differences give {numeric}"
            );
        }
    }
}

/// Checks that results do not depend on the number of threads, to the last bit.
pub(crate) fn any_threads(results: impl Fn() -> Vec<Vec<f32>> + Sync) {
    let bits = |threads| {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool of threads");
        bits(pool.install(&results))
    };
    let alone = bits(1);
    assert!(alone == bits(2), "two threads give other bits than one");
    assert!(alone == bits(4), "four threads give other bits than one");
}

/// Checks that a second call gives the same results as the first, to the last bit.
pub(crate) fn twice(results: impl Fn() -> Vec<Vec<f32>>) {
    let first = bits(results());
    assert!(first == bits(results()), "the second call gives other bits");
}

/// Asserts that not all results are zero, and returns their bits.
fn bits(results: Vec<Vec<f32>>) -> Vec<Vec<u32>> {
    let bits: Vec<Vec<u32>> = results
        .into_iter()
        .map(|values| values.into_iter().map(f32::to_bits).collect())
        .collect();
    assert!(bits.iter().flatten().any(|&value| value != 0));
    bits
}

/// Asserts that values differ by at most 10⁻⁶·max(1, |expected|).
#[track_caller]
pub(crate) fn close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "number of values");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let tolerance = 1e-6 * expected.abs().max(1.0);
        assert!(
            (found - expected).abs() <= tolerance,
            "value {index} is {found}, not {expected}"
        );
    }
}
