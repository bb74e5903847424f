//! Stores a worker's checkpoints while the worker continues.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, Scope};

use contract::Position;

use store::Checkpoints;

/// A thread that flushes checkpoints to disk and moves them into the store. After this value is dropped, the thread
/// stores the checkpoints that are still queued, and ends.
pub(super) struct CheckpointWriter(Sender<(PathBuf, Position)>);

impl CheckpointWriter {
    /// Starts the thread. The worker writes the checkpoints into `folder`.
    pub(super) fn start<'scope>(
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
                    // The stage does not need the checkpoint; only a later run would
                    // resume from an earlier one.
                    if !warned {
                        tracing::warn!("the checkpoint after {position} was not stored: {error}");
                        warned = true;
                    }
                    let _ = std::fs::remove_dir_all(&folder);
                }
            }
        });
        if let Err(error) = started {
            tracing::warn!("checkpoints are not stored: failed to start a thread: {error}");
        }
        Self(sender)
    }

    /// Queues the checkpoint in the folder `name`.
    pub(super) fn queue(&self, name: String, position: Position) {
        // If the thread was not started, there is no receiver, and the checkpoint is dropped.
        let _ = self.0.send((PathBuf::from(name), position));
    }
}
