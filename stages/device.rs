//! Where tensors live, and the one place that goes from a [`Device`] to its type.

use contract::{Device, Failure};
pub use dfdx::tensor::Cpu;

use crate::ops::Backend;

/// The classes of devices that this binary computes on.
pub const CLASSES: &[&str] = if cfg!(feature = "cuda") {
    &["cpu", "cuda"]
} else {
    &["cpu"]
};

/// Something to compute, on whatever device.
pub trait Computation {
    type Output;

    fn on<B: Backend>(self, device: B) -> Result<Self::Output, Failure>;
}

/// Opens `device` and computes on it.
///
/// # Errors
/// If there is no such device for this binary, and those of the computation.
pub fn compute<C: Computation>(device: Device, computation: C) -> Result<C::Output, Failure> {
    match device {
        Device::Cpu => computation.on(Cpu::default()),
        #[cfg(feature = "cuda")]
        Device::Cuda { precision } => computation.on(crate::cuda::open(precision)?),
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
    use crate::ops::Backend;

    struct Nothing;

    impl Computation for Nothing {
        type Output = ();

        fn on<B: Backend>(self, _: B) -> Result<(), Failure> {
            Ok(())
        }
    }

    #[test]
    fn without_cuda_a_gpu_is_refused_with_what_to_do() {
        assert_eq!(compute(Device::Cpu, Nothing), Ok(()));
        let precision = Precision::Tf32;
        match compute(Device::Cuda { precision }, Nothing) {
            Err(Failure::System(message)) => assert!(message.contains("--features cuda")),
            other => panic!("{other:?}"),
        }
    }
}
