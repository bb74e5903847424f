//! Whether the inputs of a stage held the right bytes all the time that it read them.
//!
//! Inputs are files of the store, and a program of the user's may have the right to write to them, or to
//! change them and change them back.
//!
//! | an input's file | how a change is noticed |
//! | --- | --- |
//! | a small one, for a program | the program gets a copy of its own (`stages/command/mounts.rs`) |
//! | one that can be [watched](Unwritten) | nobody has it open for writing from before it is verified on |
//! | any other, or once somebody opened it for writing | its stamp with the time of change, and its content |
//!
//! A change goes unnoticed only if the file cannot be watched, because its file system has no leases or it is
//! another user's, and the change is undone before the stage ends.

use std::fs::{Metadata, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use contract::{Failure, PRIVATE_BYTES};

use super::inputs::Inputs;
use super::local::{lock, refused};
use crate::store::{self, BLOB_MODE, Blob, Deadline, InputsCheck, Stamp, Store, Tree, Unwritten};

/// Files of one stage that are held open to be watched, at most: a process may have few open.
const MOST: usize = 64;
/// How long somebody who opens a watched file for writing may have to wait.
const POLL: Duration = Duration::from_millis(20);

/// The inputs of a stage that runs.
pub(super) struct Watched<'a> {
    store: &'a Store,
    inputs: Vec<Input<'a>>,
    watches: Arc<Vec<Watch>>,
    /// Ends the thread that looks after the watches when it is dropped.
    _looked_after: Option<Sender<()>>,
}

struct Input<'a> {
    role: &'a str,
    tree: &'a Tree,
    /// Where the watch of each of the tree's files is, if it has one.
    watches: Vec<Option<usize>>,
}

/// A watched file, and its stamp when the stage started.
struct Watch {
    file: Unwritten,
    stamp: Mutex<Option<Stamp>>,
}

impl<'a> Watched<'a> {
    /// Watches the inputs, and finds out whether they hold what they should. `copies` says whether the
    /// stage reads copies of small files.
    pub fn begin(
        inputs: &'a Inputs,
        store: &'a Store,
        copies: bool,
        deadline: &Deadline<'_>,
    ) -> Result<Self, Failure> {
        let mut watches = Vec::new();
        let mut watch = |blob: &Blob| {
            if watches.len() == MOST || (copies && blob.bytes <= PRIVATE_BYTES) {
                return None;
            }
            watches.push(Watch {
                file: store.watch(&blob.digest)?,
                stamp: Mutex::default(),
            });
            Some(watches.len() - 1)
        };
        let mut watched = Vec::new();
        for (role, inputs) in inputs {
            for input in inputs {
                let tree: &Tree = &input.tree;
                watched.push(Input {
                    role,
                    tree,
                    watches: tree.files.values().map(&mut watch).collect(),
                });
            }
        }
        // From here on a change is noticed.
        for input in &watched {
            store.verify_before(input.tree, deadline).map_err(refused)?;
        }
        let watches = Arc::new(watches);
        Ok(Self {
            store,
            inputs: watched,
            _looked_after: look_after(&watches),
            watches,
        })
    }

    /// Notes what the files are like, now that the stage has its own names of them.
    pub fn start(&self) {
        for watch in self.watches.iter() {
            *lock(&watch.stamp) = watch.settled();
        }
    }

    /// Whether the inputs are what they were, now that the stage has run.
    ///
    /// # Errors
    /// If one was written to. What is damaged is set aside, so that the next run makes it again.
    pub fn check(&self, deadline: &Deadline<'_>) -> Result<InputsCheck, Failure> {
        self.watches.iter().for_each(Watch::restore_mode);
        let mut is_sure = true;
        for input in &self.inputs {
            let mut is_written = false;
            for (blob, watch) in input.blobs() {
                match watch.map(|index| &self.watches[index]) {
                    Some(watch) => is_written |= watch.is_written(),
                    None if self.store.is_known(blob) => {}
                    // Of a small file a program has read its own copy.
                    None => is_sure &= blob.bytes <= PRIVATE_BYTES,
                }
            }
            // What is not known to be right is read again.
            match self.store.verify_before(input.tree, deadline) {
                Err(error @ store::Error::Io { .. }) => return Err(refused(error)),
                Err(_) => is_written = true,
                Ok(()) => {}
            }
            if is_written {
                return Err(Failure::Data(format!(
                    "its input `{}` was written to while it ran; a program that wants to change what it \
                     reads has to copy it first",
                    input.role
                )));
            }
        }
        Ok(if is_sure {
            InputsCheck::Sure
        } else {
            InputsCheck::Unsure {
                verifications: self.store.verifications().map_err(refused)?,
            }
        })
    }

    /// Ends the watch, once the stage's own names of its inputs are gone: what was watched all the time
    /// need not be read again because a name went.
    pub fn end(self) {
        for (blob, watch) in self.inputs.iter().flat_map(Input::blobs) {
            if let Some(index) = watch {
                self.store.remember_watched(blob, &self.watches[index].file);
            }
        }
    }
}

impl Input<'_> {
    fn blobs(&self) -> impl Iterator<Item = (&Blob, Option<usize>)> {
        self.tree.files.values().zip(self.watches.iter().copied())
    }
}

impl Watch {
    fn now(&self) -> Option<Stamp> {
        let metadata = self.file.file().metadata().ok()?;
        Some(Stamp::of(&metadata))
    }

    /// Makes it readable again, and for nobody to write: a program may have changed the rights to its own
    /// name of the file, which are those of the store's.
    fn restore_mode(&self) {
        let file = self.file.file();
        let is_right = |metadata: Metadata| metadata.permissions().mode() & 0o7777 == BLOB_MODE;
        if !file.metadata().is_ok_and(is_right) {
            let restored = file.set_permissions(Permissions::from_mode(BLOB_MODE));
            tracing::debug!(?restored, "the mode of an input was changed");
        }
    }

    /// Its stamp, once a write would change that: a new name has just moved its time.
    fn settled(&self) -> Option<Stamp> {
        self.now().filter(Stamp::wait_until_settled)
    }

    /// Whether it may have been written to since the start.
    fn is_written(&self) -> bool {
        if self.file.is_unwritten() {
            return false;
        }
        // Somebody has opened it for writing. As long as nothing was written no time has moved.
        let before = *lock(&self.stamp);
        before.is_none() || before != self.now()
    }
}

/// Lets go on whoever waits to write to a watched file, until the sender is dropped.
fn look_after(watches: &Arc<Vec<Watch>>) -> Option<Sender<()>> {
    if watches.is_empty() {
        return None;
    }
    let (ended, end) = channel();
    let watches = Arc::clone(watches);
    let looking = move || {
        while end.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
            watches.iter().for_each(|watch| watch.file.give_way());
        }
    };
    // Without the thread, whoever wants to write waits until the stage has ended, or for 45 seconds.
    let started = thread::Builder::new()
        .name("inputs".to_owned())
        .spawn(looking);
    started.is_ok().then_some(ended)
}
