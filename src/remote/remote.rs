//! [`Remote`]: all operations on a remote, with retries.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contract::lock;
use store::keys::{Digest, Key};

use crate::counters::{Counters, Statistics};
use crate::fault::{Fault, FaultKind};
use crate::health::{Health, Problem, Side};
use crate::known::Known;
use crate::names::ObjectName;
use crate::objects::{self, Objects};
use crate::pending::Pending;
use crate::sent::Sent;
use crate::settings::{Settings, SetupError, Variables};

/// Attempts of an operation whose content is damaged. The damage may have happened on the way.
const DAMAGED_ATTEMPTS: u32 = 2;

/// A place outside this machine that shares results. Threads share it by reference.
pub struct Remote {
    pub(crate) objects: Box<dyn Objects>,
    pub(crate) settings: Settings,
    pub(crate) counters: Arc<Counters>,
    pub(crate) health: Health,
    pub(crate) known: Known,
    pub(crate) pending: Pending,
    pub(crate) sent: Sent,
    /// Blobs whose times were renewed.
    pub(crate) renewed: Mutex<HashSet<Digest>>,
    /// Outputs that were found on the remote with all their blobs.
    pub(crate) complete: Mutex<HashSet<Digest>>,
    /// Objects that were found to be void or damaged. A later upload replaces them.
    pub(crate) void: Mutex<HashSet<ObjectName>>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Remote({})", self.settings.address)
    }
}

impl Remote {
    /// Prepares a remote. Connects to nothing.
    ///
    /// # Errors
    /// If the settings or the credentials cannot be used.
    pub fn open(settings: Settings) -> Result<Self, SetupError> {
        Self::open_with(settings, &|name| std::env::var(name).ok())
    }

    /// Like [`Remote::open`], with these environment variables.
    pub(crate) fn open_with(
        settings: Settings,
        variable: &Variables<'_>,
    ) -> Result<Self, SetupError> {
        check_keys(&settings)?;
        let counters = Arc::new(Counters::default());
        let objects = objects::open(&settings, variable, &counters)?;
        let id = Digest::derive("runner remote memory v1", objects.identity().as_bytes());
        let memory = settings.memory.join(id.short());
        let keys: Vec<String> = settings
            .accepted
            .iter()
            .flatten()
            .map(|key| format!("{key:?}"))
            .collect();
        let trust = match &settings.accepted {
            Some(_) => Digest::derive("runner remote trust v1", keys.join("\n").as_bytes()).short(),
            None => "all".to_owned(),
        };
        Ok(Self {
            known: Known::new(memory.join(format!("known-{trust}")), settings.absence),
            pending: Pending::new(memory.join("pending")),
            objects,
            settings,
            counters,
            health: Health::default(),
            sent: Sent::default(),
            renewed: Mutex::default(),
            complete: Mutex::default(),
            void: Mutex::default(),
        })
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn statistics(&self) -> Statistics {
        self.counters.read()
    }

    /// Returns the first problem with the remote, with the number of others. It is meant for one warning of a run.
    pub fn problem(&self) -> Option<Problem> {
        self.health.problem()
    }

    /// Writes what this machine remembers of the remote to disk. Dropping the remote does the same.
    pub fn save(&self) {
        self.known.save();
    }

    /// Ends all pauses, and lets every later operation fail at once. Requests in progress end by themselves, at the
    /// latest after their time limits.
    pub fn stop(&self) {
        self.health.stop();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.health.is_stopping()
    }

    /// Notes that a record is void: its outputs are not all there, or are damaged. It counts as absent from now on,
    /// and the next upload replaces it.
    pub fn distrust(&self, name: &Key) {
        self.known.forget(name);
        self.distrust_object(ObjectName::Record(*name));
    }

    pub(crate) fn distrust_object(&self, name: ObjectName) {
        self.sent.forget(&name);
        // It may be part of any of them.
        lock(&self.complete).clear();
        lock(&self.void).insert(name);
    }

    pub(crate) fn is_void(&self, name: &ObjectName) -> bool {
        lock(&self.void).contains(name)
    }

    /// Runs an operation again while it fails for a reason that may pass.
    pub(crate) fn attempt<T>(
        &self,
        side: Side,
        operation: impl FnMut(&dyn Objects) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.attempt_until(None, side, operation)
    }

    /// Like [`Remote::attempt`]. Makes no further attempt after `end`.
    pub(crate) fn attempt_until<T>(
        &self,
        end: Option<Instant>,
        side: Side,
        mut operation: impl FnMut(&dyn Objects) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let limits = &self.settings.limits;
        let mut damaged = 0;
        let mut last = None;
        for attempt in 1.. {
            if let Err(off) = self.health.check(side) {
                // The reason for the last failure says more.
                return Err(last.map_or(off, |fault| self.reported(fault)));
            }
            let fault = match operation(&*self.objects) {
                Ok(result) => {
                    self.health.succeeded(side);
                    return Ok(result);
                }
                Err(fault) => fault,
            };
            self.health.failed(side, &fault, limits.failures);
            damaged += u32::from(fault.kind == FaultKind::Damaged);
            let wait = self
                .wait(attempt, &fault)
                .filter(|wait| end.is_none_or(|end| Instant::now() + *wait < end));
            let is_last = attempt >= limits.attempts || damaged >= DAMAGED_ATTEMPTS;
            let Some(wait) = wait.filter(|_| fault.is_transient() && !is_last) else {
                return Err(self.reported(fault));
            };
            self.counters.retries.add(1);
            self.health.pause(wait);
            last = Some(fault);
        }
        Err(Fault::off())
    }

    /// Returns the pause before the next attempt, or `None` if the server asks for a longer one than allowed.
    fn wait(&self, attempt: u32, fault: &Fault) -> Option<Duration> {
        let limits = &self.settings.limits;
        let doubled = limits.pause.saturating_mul(1 << (attempt - 1).min(16));
        let longest = doubled.min(limits.longest_pause);
        // At least half of it, so that a server can recover, and a random part, so that clients do not return together.
        let pause = longest.mul_f64(0.5 + 0.5 * fraction());
        match fault.retry_after {
            Some(wanted) if wanted > limits.longest_pause => None,
            Some(wanted) => Some(pause.max(wanted)),
            None => Some(pause),
        }
    }

    /// Counts a fault of an operation, and keeps the first one for the warning.
    pub(crate) fn reported(&self, fault: Fault) -> Fault {
        if fault.kind != FaultKind::Off {
            self.counters.failures.add(1);
            self.health.report(fault.to_string());
        }
        fault
    }
}

/// Checks that records that are written can also be read with these settings.
fn check_keys(settings: &Settings) -> Result<(), SetupError> {
    let Some(accepted) = &settings.accepted else {
        return Ok(());
    };
    if !settings.mode.writes() {
        return Ok(());
    }
    match &settings.signing {
        None => Err(SetupError::new(
            "only signed records are accepted from the remote, but no key signs those that are written to it; use the \
             mode `read`, or make a key with `runner keys new`",
        )),
        Some(key) if !accepted.contains(key.public()) => Err(SetupError::new(format!(
            "the key that signs is not among those that are accepted from the remote; add `{}`",
            key.public()
        ))),
        Some(_) => Ok(()),
    }
}

/// Returns a random number from 0 to 1. It decides about pauses only, so the hasher's seed is good enough.
fn fraction() -> f64 {
    let bits = RandomState::new().hash_one(0_u8);
    f64::from((bits >> 32) as u32) / f64::from(u32::MAX)
}
