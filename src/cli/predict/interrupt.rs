//! Ctrl-C and SIGTERM while images are predicted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use engine::error::Error;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Set by the first signal. The second one ends this process.
pub(super) struct Interrupt {
    flag: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    pub(super) fn watch() -> Result<Self, Error> {
        let interrupt = Self {
            flag: Arc::default(),
            signal: Arc::default(),
        };
        for signal in [SIGINT, SIGTERM] {
            let number = usize::try_from(signal).unwrap_or_default();
            let flag = || Arc::clone(&interrupt.flag);
            flag::register_conditional_shutdown(signal, 128 + signal, flag())
                .and_then(|_| flag::register_usize(signal, Arc::clone(&interrupt.signal), number))
                .and_then(|_| flag::register(signal, flag()))
                .map_err(|e| Error::System(format!("failed to watch for signals: {e}")))?;
        }
        Ok(interrupt)
    }

    pub(super) fn flag(&self) -> &AtomicBool {
        &self.flag
    }

    /// The number of the signal.
    pub(super) fn signal(&self) -> i32 {
        i32::try_from(self.signal.load(Ordering::SeqCst)).unwrap_or(SIGINT)
    }
}
