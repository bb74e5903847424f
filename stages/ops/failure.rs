//! Failures of a device: it is out of memory, or it was lost.
//!
//! The stage cannot continue after a failure, and operations return tensors, not `Result`s. So a failure unwinds
//! the stack to where the stage was started, and [`catch_device_failed`] returns it as a [`Failure`].

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use contract::Failure;
use dfdx::tensor::CpuError;

/// Descriptions of a device's errors for users.
pub trait DeviceError: Display {
    /// Advice that follows the cause in the message.
    const HINT: &'static str = "";

    /// Describes what happened.
    fn cause(&self) -> String {
        self.to_string()
    }

    /// Describes the allocation that failed, or returns `None` for other errors.
    fn out_of_memory(&self) -> Option<String>;
}

impl DeviceError for CpuError {
    fn out_of_memory(&self) -> Option<String> {
        matches!(self, Self::OutOfMemory).then(|| "the system has no memory left".to_owned())
    }
}

/// Panic payload that carries a failure while the stack unwinds.
struct DeviceFailed(Failure);

/// Returns an error handler that reports the device's error as a [`Failure`] of `operation` and unwinds.
pub(crate) fn device_failed<R, E: DeviceError>(operation: &str) -> impl FnOnce(E) -> R {
    move |error| {
        let failure = match error.out_of_memory() {
            Some(wanted) => Failure::OutOfMemory(format!(
                "{wanted}, in {operation}; a smaller `batch_size` or network needs less"
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

/// Unwinds with a failure to where the stage was started.
pub(crate) fn unwind(failure: Failure) -> ! {
    // Without this line, a failing test would not show the cause.
    #[cfg(test)]
    #[expect(clippy::print_stderr, reason = "only in tests")]
    {
        eprintln!("{failure}");
    }
    // Unlike a panic, this prints no message and no backtrace: a failing device is not a bug of the program.
    resume_unwind(Box::new(DeviceFailed(failure)))
}

/// Calls `f` on a thread of the current pool, and returns a failure of a device inside it as an error. If a thread
/// outside the pool called `f`, every parallel loop would put that thread to sleep and wake it again, hundreds of
/// times in a training step.
pub fn on_pool<R: Send>(f: impl FnOnce() -> Result<R, Failure> + Send) -> Result<R, Failure> {
    catch_device_failed(|| rayon::scope(|_| f()))
}

/// Calls `f` and returns a device failure inside it as an error. Other panics continue to unwind.
pub(crate) fn catch_device_failed<R>(f: impl FnOnce() -> Result<R, Failure>) -> Result<R, Failure> {
    // Unwind safe because the device's state is not used after a failure.
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

    use super::{device_failed, on_pool};

    fn failing(error: CpuError) -> Result<(), Failure> {
        // As in a kernel: on another thread, inside a parallel loop.
        on_pool(|| {
            rayon::join(|| (), || device_failed::<(), _>("a convolution")(error));
            Ok(())
        })
    }

    #[test]
    fn a_failed_device_is_a_failure_of_the_stage() {
        assert_eq!(
            failing(CpuError::OutOfMemory),
            Err(Failure::OutOfMemory(
                "the system has no memory left, in a convolution; a smaller `batch_size` or network needs \
                 less"
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
    fn other_panics_continue() {
        let panic = catch_unwind(|| on_pool(|| -> Result<(), Failure> { panic!("a fault") }));
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"a fault"));
    }
}
