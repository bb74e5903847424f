//! Finds the process that executes a run.

use std::fs;
use std::path::Path;

use super::guard::needs_of;
use super::inventory::entries;
use super::session::{self, LOCK};
use super::{Error, Store};

impl Store {
    /// Returns the id of the process that executes `run`. Returns `None` if there is none, if it runs on another machine
    /// that shares the store, and if it belongs to another user, whose processes cannot be examined.
    ///
    /// # Errors
    /// If the folders of the processes cannot be listed.
    pub fn process_of(&self, run: &str) -> Result<Option<u32>, Error> {
        let sessions = entries(&self.home.join("tmp"))?.into_iter();
        let mut living =
            sessions.filter(|session| session.kind.is_dir() && !session::is_dead(&session.path));
        let found = living.find_map(|session| {
            let is_its = needs_of(&session.path).is_ok_and(|n| n.is_some_and(|n| n.run == run));
            is_its.then(|| owner(&session.path))?
        });
        Ok(found)
    }

    /// Returns the run that a process of this machine executes, as soon as it has recorded what it needs.
    ///
    /// # Errors
    /// If the folders of the processes cannot be listed.
    pub fn run_of(&self, process: u32) -> Result<Option<String>, Error> {
        let sessions = entries(&self.home.join("tmp"))?.into_iter();
        let mut its = sessions.filter(|session| owner(&session.path) == Some(process));
        Ok(its.find_map(|session| Some(needs_of(&session.path).ok()??.run)))
    }
}

/// The process of this machine that holds the lock of a session. The folder's name has its id, but the id may be that of
/// a process on another machine.
fn owner(session: &Path) -> Option<u32> {
    let name = session.file_name()?.to_str()?;
    let process: u32 = name.split('-').next()?.parse().ok()?;
    let lock = fs::canonicalize(session.join(LOCK)).ok()?;
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).ok()?;
    let mut targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.any(|target| target == lock).then_some(process)
}
