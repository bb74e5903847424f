//! Comparison of every operation on the GPU with the same operation on the CPU.

mod operation;

use contract::{Failure, GpuCheck, Precision};
use dfdx::tensor::Cpu;

use crate::cuda::with_precision;
use operation::OPERATIONS;

/// Largest difference that a result may have, relative to the largest value.
const FLOAT32_BOUND: f64 = 1e-4;
const TF32_BOUND: f64 = 2e-3;

/// Computes every operation and its gradients on the CPU and on the first GPU that the process can see, and
/// compares the results. All operations are tested in float32. With [`Precision::Tf32`], operations that support
/// TF32 are also tested in TF32.
///
/// # Errors
/// If there is no GPU, or it fails.
pub fn self_test(precision: Precision) -> Result<Vec<GpuCheck>, Failure> {
    let cuda = crate::cuda::open(precision)?;
    let is_wanted = |tried: &&Precision| precision == Precision::Tf32 || **tried == precision;
    let cpu = Cpu::default();
    let mut checks = Vec::new();
    for operation in OPERATIONS {
        let expected = operation.results(&cpu);
        for precision in operation.precisions().iter().filter(is_wanted) {
            let found = crate::catch_device_failed(|| {
                Ok(with_precision(*precision, || operation.results(&cuda)))
            })?;
            let errors = found.iter().zip(&expected).map(|(a, b)| difference(a, b));
            checks.push(GpuCheck {
                operation: operation.name(),
                precision: *precision,
                error: worst(errors),
                bound: match precision {
                    Precision::Float32 => FLOAT32_BOUND,
                    Precision::Tf32 => TF32_BOUND,
                },
            });
        }
    }
    Ok(checks)
}

/// Returns the largest difference divided by the largest value.
fn difference(found: &[f32], expected: &[f32]) -> f64 {
    let largest = expected.iter().fold(f64::MIN_POSITIVE, |largest, &value| {
        largest.max(f64::from(value).abs())
    });
    let differences = found.iter().zip(expected);
    let differences = differences.map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs() / largest);
    if found.len() == expected.len() {
        worst(differences)
    } else {
        f64::INFINITY
    }
}

/// Returns the largest error, or NaN if any error is NaN: NaN is not within any bound.
fn worst(errors: impl Iterator<Item = f64>) -> f64 {
    errors.fold(0.0, |most: f64, error| {
        match most.is_nan() || error.is_nan() {
            true => f64::NAN,
            false => most.max(error),
        }
    })
}

#[cfg(test)]
mod tests {
    use contract::random;
    use dfdx::shapes::HasShape;
    use dfdx::tensor::Trace;

    use super::operation::{BOTH, noise};
    use super::*;
    use crate::vector_jacobian;

    #[test]
    fn nan_differs_from_every_value() {
        for found in [[f32::NAN, 0.0], [0.0, f32::NAN], [f32::NAN, f32::NAN]] {
            assert!(difference(&found, &[1.0, 0.0]).is_nan(), "{found:?}");
        }
        assert!(difference(&[1.0, 0.0], &[f32::NAN, 0.0]).is_nan());
        assert_eq!(
            difference(&[f32::INFINITY, 0.0], &[1.0, 0.0]),
            f64::INFINITY
        );
        assert_eq!(difference(&[1.0], &[1.0, 0.0]), f64::INFINITY);
        assert!(worst([0.5, f64::NAN, 0.1].into_iter()).is_nan());
        assert_eq!(worst([0.5, 2.0, 0.1].into_iter()), 2.0);
    }

    #[test]
    #[ignore = "needs a real GPU: tensor cores truncate where the emulator rounds, and the emulator takes minutes"]
    fn a_weight_gradient_of_many_positive_values_is_as_close_in_tf32_as_one_of_few() {
        let cuda = crate::cuda::open(Precision::Tf32).expect("a GPU");
        let shape = (256, 3, 128, 128);
        let values = random::uniform(crate::len(shape), 1);
        let images = crate::from_host(&cuda, values, shape);
        let (weight, bias) = (
            noise(&cuda, (16, 3, 3, 3), 2),
            noise(&cuda, (1, 16, 1, 1), 3),
        );
        let op = crate::Conv2d::square(1, 1);
        let [found, expected] = [Precision::Tf32, Precision::Float32].map(|precision| {
            with_precision(precision, || {
                let output = crate::conv2d(images.leaky_trace(), &weight, &bias, op, BOTH);
                let factors = random::uniform(crate::len(*output.shape()), 4);
                crate::to_host(&vector_jacobian(output, factors).get(&weight))
            })
        });
        let error = difference(&found, &expected);
        assert!(error <= TF32_BOUND, "{error:e}");
    }
}
