//! [`Sent`]: objects that this process has uploaded or has found on the remote, so that each is uploaded once.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use contract::lock;

use crate::fault::Fault;
use crate::names::ObjectName;

/// Time for which an object counts as present. It is far below the age at which a collection deletes objects.
const VALID: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug)]
enum State {
    /// A thread is at it.
    UnderWay,
    Present(Instant),
}

#[derive(Debug, Default)]
pub(crate) struct Sent {
    objects: Mutex<HashMap<ObjectName, State>>,
    changed: Condvar,
}

impl Sent {
    /// Calls `send` unless the object is known to be present. If another thread is sending it, waits for that thread.
    /// Returns whether the object is present, as `send` does.
    pub(crate) fn once(
        &self,
        name: &ObjectName,
        send: impl FnOnce() -> Result<bool, Fault>,
    ) -> Result<bool, Fault> {
        let mut objects = lock(&self.objects);
        loop {
            match objects.get(name) {
                Some(State::Present(since)) if since.elapsed() < VALID => return Ok(true),
                Some(State::UnderWay) => {
                    let waited = self.changed.wait(objects);
                    objects = waited.unwrap_or_else(PoisonError::into_inner);
                }
                Some(State::Present(_)) | None => break,
            }
        }
        objects.insert(name.clone(), State::UnderWay);
        drop(objects);
        // Ends the wait of others even if `send` panics.
        let mut claim = Claim {
            sent: self,
            name,
            is_sent: false,
        };
        let result = send();
        claim.is_sent = matches!(result, Ok(true));
        result
    }

    pub(crate) fn forget(&self, name: &ObjectName) {
        let mut objects = lock(&self.objects);
        if let Some(State::Present(_)) = objects.get(name) {
            objects.remove(name);
        }
    }
}

struct Claim<'a> {
    sent: &'a Sent,
    name: &'a ObjectName,
    is_sent: bool,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut objects = lock(&self.sent.objects);
        match self.is_sent {
            true => objects.insert(self.name.clone(), State::Present(Instant::now())),
            false => objects.remove(self.name),
        };
        self.sent.changed.notify_all();
    }
}
