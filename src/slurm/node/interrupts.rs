//! Signals that a node gets.

use std::thread;

use signal_hook::consts::{SIGTERM, SIGUSR1};
use signal_hook::iterator::{Handle, Signals};

/// Signal that asks a job to save a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// The time limit is near. The batch script requeues the job afterwards.
    BeforeLimit,
    /// The job is cancelled or preempted, or its time is over. It is killed soon.
    Terminated,
}

/// Calls a function for each signal, in a thread, until it is dropped.
#[derive(Debug)]
pub struct Interrupts {
    handle: Handle,
    thread: Option<thread::JoinHandle<()>>,
}

impl Interrupts {
    /// Listens for the signals that Slurm and the batch script send.
    ///
    /// # Errors
    /// If the system refuses that.
    pub fn listen(on_interrupt: impl Fn(Interrupt) + Send + 'static) -> std::io::Result<Self> {
        let mut signals = Signals::new([SIGUSR1, SIGTERM])?;
        let handle = signals.handle();
        let thread = thread::spawn(move || {
            for signal in signals.forever() {
                on_interrupt(match signal {
                    SIGUSR1 => Interrupt::BeforeLimit,
                    _ => Interrupt::Terminated,
                });
            }
        });
        Ok(Self {
            handle,
            thread: Some(thread),
        })
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the function was reported by the panic hook.
            let _ = thread.join();
        }
    }
}
