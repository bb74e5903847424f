//! A device that fails: out of memory, or lost.
//!
//! There is nothing to go on with, and dfdx's tape leads through functions that give no errors; so the
//! failure unwinds to where the stage was started, which tells it as a [`Failure`].

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use dfdx::tensor::CpuError;

use contract::Failure;

/// What a device says of its own errors.
pub trait DeviceError: Display {
    /// What to do about one, after the cause.
    const HINT: &'static str = "";

    /// What happened, in words.
    fn cause(&self) -> String {
        self.to_string()
    }

    /// How much memory was wanted, say, if that is what failed.
    fn out_of_memory(&self) -> Option<String>;
}

impl DeviceError for CpuError {
    fn out_of_memory(&self) -> Option<String> {
        matches!(self, Self::OutOfMemory).then(|| "the system has none left".to_owned())
    }
}

#[cfg(feature = "cuda")]
impl DeviceError for dfdx::tensor::CudaError {
    const HINT: &'static str = "; `runner doctor` tells whether the GPU still computes";

    fn cause(&self) -> String {
        crate::cuda::memory::said(self)
    }

    fn out_of_memory(&self) -> Option<String> {
        match self {
            Self::Cpu(error) => error.out_of_memory(),
            error => crate::cuda::memory::is_out_of_memory(error).then(crate::cuda::refused),
        }
    }
}

/// What unwinds.
struct DeviceFailed(Failure);

/// Ends an operation whose device failed.
pub(crate) fn device_failed<R, E: DeviceError>(operation: &str) -> impl FnOnce(E) -> R {
    move |error| {
        let failure = match error.out_of_memory() {
            Some(wanted) => Failure::OutOfMemory(format!(
                "{wanted}, in {operation}; a smaller `batch_size` or network takes less"
            )),
            None => Failure::System(format!(
                "the device failed in {operation}: {}{}",
                error.cause(),
                E::HINT
            )),
        };
        unwind(failure)
    }
}

/// Ends an operation that cannot go on, to where the stage was started.
pub(crate) fn unwind(failure: Failure) -> ! {
    // A failing test would not say why.
    #[cfg(test)]
    #[expect(clippy::print_stderr, reason = "of tests")]
    {
        eprintln!("{failure}");
    }
    // No message and backtrace of a panic: it is no fault of the program's.
    resume_unwind(Box::new(DeviceFailed(failure)))
}

/// Calls `f` and tells a device that fails in it as a [`Failure`]. Other panics go on.
pub(crate) fn catch_device_failed<R>(f: impl FnOnce() -> Result<R, Failure>) -> Result<R, Failure> {
    // What a device leaves half done is used by nobody afterwards.
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|payload| {
        match payload.downcast::<DeviceFailed>() {
            Ok(failed) => Err(failed.0),
            Err(panic) => resume_unwind(panic),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use contract::Failure;
    use dfdx::tensor::CpuError;

    use super::device_failed;
    use crate::on_pool;

    fn failing(error: CpuError) -> Result<(), Failure> {
        // As in a kernel: on another thread, below loops.
        on_pool(|| {
            rayon::join(|| (), || device_failed::<(), _>("a convolution")(error));
            Ok(())
        })
    }

    #[test]
    fn a_device_that_fails_is_a_failure_of_the_stage() {
        assert_eq!(
            failing(CpuError::OutOfMemory),
            Err(Failure::OutOfMemory(
                "the system has none left, in a convolution; a smaller `batch_size` or network takes less"
                    .to_owned()
            ))
        );
        assert_eq!(
            failing(CpuError::WrongNumElements),
            Err(Failure::System(
                "the device failed in a convolution: CpuError::WrongNumElements".to_owned()
            ))
        );
    }

    #[test]
    fn other_panics_go_on() {
        let panic = catch_unwind(|| on_pool(|| -> Result<(), Failure> { panic!("a fault") }));
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"a fault"));
    }
}
