//! The processes of running stages: starting, signalling and forgetting them.

use std::collections::BTreeSet;
use std::io;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use contract::lock;
use rustix::process::{Pid, Signal, kill_process_group};

use super::leftovers::{LeftBehind, Leftovers, Tag};
use super::memory::OomKills;
use super::warden::Warden;

/// The running workers and programs, and the request to stop them.
///
/// Each leads a process group of its own, so a Ctrl-C at the terminal reaches only
/// runner, which passes it on.
#[derive(Debug, Default)]
pub(super) struct Workers {
    stopping: AtomicBool,
    running: Mutex<BTreeSet<i32>>,
    /// Those in `running` that are user programs.
    programs: Mutex<BTreeSet<i32>>,
    /// Count at the first worker's start, or at the last call of `has_lost_to_oom`.
    oom_kills: Mutex<Option<OomKills>>,
    /// Started with the first program, because programs do not notice the end of this process.
    warden: Mutex<Option<Warden>>,
    leftovers: Leftovers,
}

impl Workers {
    /// Returns the flag that is set once a stop was requested.
    pub(super) fn stopping(&self) -> &AtomicBool {
        &self.stopping
    }

    /// Returns whether a stop was requested.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Starts a worker. Returns `None` if a stop was requested.
    pub(super) fn spawn(&self, command: &mut Command) -> io::Result<Option<Child>> {
        // The lock is held, so that a stop sees either no worker or one that it can signal.
        let mut running = self.running();
        if self.is_stopping() {
            return Ok(None);
        }
        self.oom_kills().get_or_insert_with(OomKills::count);
        let mut children = self.leftovers.children();
        let child = command.spawn()?;
        let id = pid(&child).as_raw_nonzero().get();
        children.insert(id);
        running.insert(id);
        Ok(Some(child))
    }

    /// Like `spawn`, for a program. A program does not notice the end of this process, and may leave
    /// processes behind, which carry its tag.
    pub(super) fn spawn_guarded(
        &self,
        command: &mut Command,
        tag: &Tag,
    ) -> io::Result<Option<Child>> {
        let mut slot = self.warden();
        let warden = match &mut *slot {
            Some(warden) => warden,
            none => {
                let mut children = self.leftovers.children();
                let warden = none.insert(Warden::start()?);
                children.insert(warden.id());
                warden
            }
        };
        warden.announce(command)?;
        tag.apply(command);
        let mut child = match self.spawn(command) {
            Ok(Some(child)) => child,
            Ok(None) => return Ok(None),
            Err(error) => {
                if warden.withdraw().is_err() {
                    *slot = None;
                }
                return Err(error);
            }
        };
        let id = pid(&child);
        if let Err(error) = warden.watch(id.as_raw_nonzero().get()) {
            // The warden has ended; the next program gets a new one.
            *slot = None;
            drop(slot);
            self.signal_one(id, Signal::KILL);
            self.forget(id);
            child.wait()?;
            self.reaped(id);
            return Err(error);
        }
        self.programs().insert(id.as_raw_nonzero().get());
        Ok(Some(child))
    }

    /// Returns whether the kernel has killed a process for lack of memory since the last call. If so, a worker that was
    /// killed by an unknown sender may have been this process.
    pub(super) fn has_lost_to_oom(&self) -> bool {
        let now = OomKills::count();
        self.oom_kills().replace(now).is_some_and(|seen| now > seen)
    }

    /// Forgets a worker that has ended and is about to be reaped, after which its id may be reused.
    pub(super) fn forget(&self, pid: Pid) {
        let id = pid.as_raw_nonzero().get();
        self.running().remove(&id);
        self.programs().remove(&id);
        if let Some(warden) = &mut *self.warden() {
            warden.forget(id);
        }
    }

    /// Notes that a child was reaped.
    pub(super) fn reaped(&self, pid: Pid) {
        self.leftovers
            .children()
            .remove(&pid.as_raw_nonzero().get());
    }

    /// Returns a tag for a program that is about to start.
    pub(super) fn tag(&self) -> Tag {
        self.leftovers.tag()
    }

    /// Ends the processes that the program of `tag` left behind, including those in its process group `group`, which
    /// is `None` if the program did not start. The program itself has ended, but is not reaped yet.
    pub(super) fn end_leftovers_of(&self, tag: Tag, group: Option<Pid>) -> LeftBehind {
        self.leftovers.end(tag, &|| {
            if let Some(group) = group {
                self.signal_one(group, Signal::KILL);
            }
        })
    }

    /// Ends the processes that any program left behind.
    pub(super) fn end_leftovers(&self) -> LeftBehind {
        self.leftovers.end_all()
    }

    /// Asks every worker to stop, and prevents new ones from starting.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.signal(Signal::TERM);
    }

    /// Kills every worker, and prevents new ones from starting.
    pub(super) fn kill(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.signal(Signal::KILL);
    }

    /// Kills every user program.
    pub(super) fn kill_programs(&self) {
        let programs = self.programs().clone();
        for pid in programs.into_iter().filter_map(Pid::from_raw) {
            self.signal_one(pid, Signal::KILL);
        }
    }

    /// Sends a signal to one worker.
    pub(super) fn signal_one(&self, pid: Pid, signal: Signal) {
        // While the lock is held, a running worker cannot be reaped, so its id cannot be reused.
        if self.running().contains(&pid.as_raw_nonzero().get())
            && let Err(error) = kill_process_group(pid, signal)
        {
            tracing::debug!(?pid, ?signal, %error, "failed to signal a process");
        }
    }

    fn signal(&self, signal: Signal) {
        for pid in self.running().iter().filter_map(|&pid| Pid::from_raw(pid)) {
            if let Err(error) = kill_process_group(pid, signal) {
                tracing::debug!(?pid, ?signal, %error, "failed to signal a process");
            }
        }
    }

    fn programs(&self) -> MutexGuard<'_, BTreeSet<i32>> {
        lock(&self.programs)
    }

    fn oom_kills(&self) -> MutexGuard<'_, Option<OomKills>> {
        lock(&self.oom_kills)
    }

    fn warden(&self) -> MutexGuard<'_, Option<Warden>> {
        lock(&self.warden)
    }

    fn running(&self) -> MutexGuard<'_, BTreeSet<i32>> {
        lock(&self.running)
    }
}

pub(super) fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}
