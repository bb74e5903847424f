//! Handles Ctrl-C and SIGTERM during a run.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::Launcher;

/// Seconds that a user's program has to end after it was asked to. A worker may take longer, because it saves a
/// checkpoint.
pub const PROGRAM_SECONDS: u64 = 10;
/// Time in which a second signal is the same as the first one: a program that ends others, such as `timeout`, signals
/// both the process and its group.
const SAME_SIGNAL: Duration = Duration::from_millis(100);
/// Time that a run has to end after its workers were killed.
const GRACE: Duration = Duration::from_secs(2);

/// Watches for Ctrl-C and SIGTERM. The first signal asks workers and programs to stop; programs that still run after
/// 10 seconds are killed. The second kills all workers and programs and ends this process.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicI32>);

impl Interrupt {
    /// Starts to watch. `first` is called with the first signal and a function, which it calls to stop everything.
    pub fn watch(
        launcher: Arc<dyn Launcher>,
        first: impl Fn(i32, &dyn Fn()) + Send + 'static,
    ) -> io::Result<Self> {
        let interrupt = Self::default();
        let seen = interrupt.clone();
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let watch = move || {
            let mut began = None;
            for signal in signals.forever() {
                let began = *began.get_or_insert_with(Instant::now);
                let exchanged =
                    seen.0
                        .compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
                match exchanged {
                    Ok(_) => first(signal, &|| stop(&launcher)),
                    Err(_) if began.elapsed() < SAME_SIGNAL => {}
                    Err(_) => kill(&*launcher, signal),
                }
            }
        };
        let thread = thread::Builder::new().name("signals".to_owned());
        thread.spawn(watch)?;
        Ok(interrupt)
    }

    /// Returns the signal that requested a stop, if there was one.
    pub fn signal(&self) -> Option<i32> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(signal),
        }
    }
}

/// Asks workers and programs to stop, and kills programs that have not ended after [`PROGRAM_SECONDS`].
pub(super) fn stop(launcher: &Arc<dyn Launcher>) {
    launcher.stop();
    let later = {
        let launcher = Arc::clone(launcher);
        move || {
            thread::sleep(Duration::from_secs(PROGRAM_SECONDS));
            launcher.kill_programs();
        }
    };
    if thread::Builder::new().spawn(later).is_err() {
        launcher.kill_programs();
    }
}

/// Kills everything, and ends this process.
fn kill(launcher: &dyn Launcher, signal: i32) -> ! {
    launcher.kill();
    // The run now ends by itself, unless it waits for something else.
    thread::sleep(GRACE);
    launcher.finish();
    std::process::exit(128 + signal)
}
