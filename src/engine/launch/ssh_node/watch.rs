//! Watches the connection while the stage runs, and ends the stage when the driver is gone.

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::launch::Launcher;
use crate::launch::interrupt::stop;
use crate::launch::ssh::protocol::{self, FromDriver, SILENCE};

/// Interval between checks for signs of life.
const CHECK: Duration = Duration::from_secs(1);
/// Time that this process has to end after its stage was killed.
const GRACE: Duration = Duration::from_secs(2);

/// The watch over a connection.
#[derive(Clone)]
pub(super) struct Watch(Arc<State>);

struct State {
    local: Arc<dyn Launcher>,
    began: Instant,
    /// Time of the latest sign of life, in seconds after `began`.
    latest: AtomicU64,
    /// Set once the stage has ended.
    has_ended: AtomicBool,
}

impl Watch {
    /// Starts two threads: one reads the driver's messages, the other one notices their absence.
    pub(super) fn start(
        mut from: impl BufRead + Send + 'static,
        local: Arc<dyn Launcher>,
    ) -> std::io::Result<Self> {
        let watch = Self(Arc::new(State {
            local,
            began: Instant::now(),
            latest: AtomicU64::new(0),
            has_ended: AtomicBool::new(false),
        }));
        let reading = watch.clone();
        thread::Builder::new()
            .name("driver".to_owned())
            .spawn(move || {
                reading.read(&mut from);
                reading.abandon("the driver is gone");
            })?;
        let waiting = watch.clone();
        thread::Builder::new()
            .name("silence".to_owned())
            .spawn(move || {
                while !waiting.0.is_silent() {
                    thread::sleep(CHECK);
                }
                waiting.abandon("the driver is silent");
            })?;
        Ok(watch)
    }

    /// Notes that the stage has ended. The driver may now close the connection.
    pub(super) fn end(&self) {
        self.0.has_ended.store(true, Ordering::SeqCst);
    }

    fn read(&self, from: &mut dyn BufRead) {
        while let Ok(Some(message)) = protocol::read(from) {
            let seconds = self.0.began.elapsed().as_secs();
            self.0.latest.store(seconds, Ordering::SeqCst);
            match message {
                FromDriver::Stop => stop(&self.0.local),
                FromDriver::Alive => {}
                FromDriver::Ping
                | FromDriver::Survey { .. }
                | FromDriver::Run(_)
                | FromDriver::Content => return,
            }
        }
    }

    /// Kills the stage, and ends this process if it does not end by itself.
    fn abandon(&self, why: &str) {
        if self.0.has_ended.load(Ordering::SeqCst) {
            return;
        }
        tracing::warn!("{why}, so the stage is killed");
        self.0.local.kill();
        thread::sleep(GRACE);
        std::process::exit(1);
    }
}

impl State {
    fn is_silent(&self) -> bool {
        let latest = self.latest.load(Ordering::SeqCst);
        self.began.elapsed().as_secs().saturating_sub(latest) > SILENCE.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::Local;

    fn watch(seconds_ago: u64, latest: u64) -> Watch {
        let began = Instant::now().checked_sub(Duration::from_secs(seconds_ago));
        Watch(Arc::new(State {
            local: Arc::new(Local::default()),
            began: began.unwrap(),
            latest: AtomicU64::new(latest),
            has_ended: AtomicBool::new(false),
        }))
    }

    #[test]
    fn a_driver_is_silent_after_two_minutes_without_a_sign_of_life() {
        let silence = SILENCE.as_secs();
        assert!(!watch(0, 0).0.is_silent());
        assert!(watch(silence + 2, 0).0.is_silent());
        assert!(!watch(silence + 2, 30).0.is_silent());
    }

    #[test]
    fn a_request_to_stop_reaches_the_stage_and_other_messages_end_the_connection() {
        let watch = watch(10, 0);
        watch.read(&mut &b"{\"message\":\"alive\"}\n"[..]);
        assert!(!watch.0.local.is_stopping());
        assert!(watch.0.latest.load(Ordering::SeqCst) >= 10);
        watch.read(&mut &b"what?\n{\"message\":\"stop\"}\n"[..]);
        watch.read(&mut &b"{\"message\":\"content\"}\n{\"message\":\"stop\"}\n"[..]);
        assert!(!watch.0.local.is_stopping());
        watch.read(&mut &b"{\"message\":\"stop\"}\n"[..]);
        assert!(watch.0.local.is_stopping());
    }
}
