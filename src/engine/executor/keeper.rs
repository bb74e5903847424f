//! Keeping a worker's checkpoints, beside its work.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, Scope};

use contract::Position;

use crate::store::Checkpoints;

/// A thread that flushes checkpoints to disk and takes them into the store while the worker goes on.
/// It ends with its last one when it is dropped.
pub(super) struct Keeper(Sender<(PathBuf, Position)>);

impl Keeper {
    /// Starts to keep what is put into `folder`.
    pub fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        checkpoints: &'scope Checkpoints<'_>,
        folder: &'scope Path,
    ) -> Self {
        let (sender, receiver) = channel::<(PathBuf, Position)>();
        let started = thread::Builder::new().spawn_scoped(scope, move || {
            let mut warned = false;
            for (name, position) in receiver {
                let folder = folder.join(name);
                if let Err(error) = checkpoints.keep(position, &folder) {
                    // The stage is as good without; a later run starts further back.
                    if !warned {
                        tracing::warn!("the checkpoint after {position} was not kept: {error}");
                        warned = true;
                    }
                    let _ = std::fs::remove_dir_all(&folder);
                }
            }
        });
        if let Err(error) = started {
            tracing::warn!("checkpoints are not kept: failed to start a thread: {error}");
        }
        Self(sender)
    }

    /// Keeps the checkpoint in the folder `name`, soon.
    pub fn take(&self, name: String, position: Position) {
        // Without the thread there is no receiver, and no checkpoint.
        let _ = self.0.send((PathBuf::from(name), position));
    }
}
