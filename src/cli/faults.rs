//! Turns panics, failures to start threads, and signals about resource limits into errors with an exit
//! code.

use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use engine::error::{self, Error};
use signal_hook::consts::SIGXFSZ;
use signal_hook::flag;

use crate::report::{Console, Verbosity};

/// Runs `command`. If it panics, prints an error and returns the exit code 1.
pub(super) fn guard(command: impl FnOnce() -> ExitCode) -> ExitCode {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let error = Error::Internal(error::of_panic(info));
        Console::new(Verbosity::Quiet).message(&error.to_string());
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            report(info);
        }
    }));
    // A write over the limit on file sizes (`ulimit -f`) fails with EFBIG if this signal has a handler.
    // Without one, the signal ends the process. Programs that are started do not inherit the handler.
    if let Err(error) = flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))) {
        tracing::debug!(%error, "a write over the limit on file sizes will end the process");
    }
    catch_unwind(AssertUnwindSafe(command)).unwrap_or(ExitCode::FAILURE)
}

/// Starts the shared thread pool. Otherwise it would start at its first use, and panic if that fails.
///
/// # Errors
/// If the system refuses the threads.
pub(super) fn start_threads() -> Result<(), Error> {
    let started = rayon::ThreadPoolBuilder::new().build_global();
    started.map_err(|error| {
        let cause = std::error::Error::source(&error)
            .map_or_else(|| error.to_string(), ToString::to_string);
        Error::System(format!(
            "failed to start threads: {cause}; the limit on processes (`ulimit -u`) may be too low"
        ))
    })
}
