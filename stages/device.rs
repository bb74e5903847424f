//! Runs computations on a device: the one place that turns a [`Device`] into its dfdx type.

use contract::{Device, Failure};
pub use dfdx::tensor::Cpu;

use ops::Backend;

/// Classes of devices that this binary can compute on.
pub const CLASSES: &[&str] = if cfg!(feature = "cuda") {
    &["cpu", "cuda"]
} else {
    &["cpu"]
};

/// Returns the kind of this machine's processor, such as `x86-avx512`. Processors of one kind give the same bits.
pub fn processor() -> &'static str {
    ops::cpu::processor::kind()
}

/// A computation that runs on any device.
pub trait Computation {
    type Output;

    fn on<B: Backend>(self, device: B) -> Result<Self::Output, Failure>;
}

/// Opens `device` and runs the computation on it.
///
/// # Errors
/// If this binary does not support the device, if the device cannot be opened, or if the computation fails.
pub fn compute<C: Computation>(device: Device, computation: C) -> Result<C::Output, Failure> {
    match device {
        Device::Cpu => computation.on(Cpu::default()),
        #[cfg(feature = "cuda")]
        Device::Cuda { precision } => computation.on(ops::cuda::open(precision)?),
        #[cfg(not(feature = "cuda"))]
        Device::Cuda { .. } => Err(Failure::System(
            "this binary was built without CUDA: build it with `--features cuda`, or compute on the CPU"
                .to_owned(),
        )),
    }
}

#[cfg(all(test, not(feature = "cuda")))]
mod tests {
    use contract::{Device, Failure, Precision};

    use super::{Computation, compute};
    use ops::Backend;

    struct Nothing;

    impl Computation for Nothing {
        type Output = ();

        fn on<B: Backend>(self, _: B) -> Result<(), Failure> {
            Ok(())
        }
    }

    #[test]
    fn without_cuda_a_gpu_is_refused_and_the_message_says_what_to_do() {
        assert_eq!(compute(Device::Cpu, Nothing), Ok(()));
        let precision = Precision::Tf32;
        match compute(Device::Cuda { precision }, Nothing) {
            Err(Failure::System(message)) => assert!(message.contains("--features cuda")),
            other => panic!("{other:?}"),
        }
    }
}
