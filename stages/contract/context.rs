//! What a running stage has at hand.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::{Artifact, Device, Failure, Position, Progress, Request, Resume, StageEvent};

/// What a running stage has at hand.
pub struct Context<'a> {
    pub seed: u64,
    pub device: Device,
    inputs: &'a BTreeMap<String, Vec<Artifact>>,
    staging: &'a Path,
    resume: Option<&'a Resume>,
    events: &'a (dyn Fn(StageEvent) + Sync),
    cancelled: &'a AtomicBool,
}

impl<'a> Context<'a> {
    pub fn new(
        request: &'a Request,
        events: &'a (dyn Fn(StageEvent) + Sync),
        cancelled: &'a AtomicBool,
    ) -> Self {
        Self {
            seed: request.seed,
            device: request.device,
            inputs: &request.inputs,
            staging: &request.staging,
            resume: request.resume.as_ref(),
            events,
            cancelled,
        }
    }

    /// The artifact on a port that takes one.
    pub fn input(&self, role: &str) -> Result<&'a Artifact, Failure> {
        self.optional_input(role)
            .ok_or_else(|| Failure::Internal(format!("no input `{role}`")))
    }

    /// The artifact on an optional port, if it is connected.
    pub fn optional_input(&self, role: &str) -> Option<&'a Artifact> {
        self.inputs(role).first()
    }

    /// All artifacts on a port that takes several, in the order they are written.
    pub fn inputs(&self, role: &str) -> &'a [Artifact] {
        self.inputs.get(role).map_or(&[], Vec::as_slice)
    }

    /// The folder of an output port, created when first asked for.
    pub fn output(&self, port: &str) -> Result<PathBuf, Failure> {
        let folder = self.staging.join(port);
        super::files::create_folders(&folder).map_err(|e| Failure::io("create", &folder, e))?;
        Ok(folder)
    }

    pub fn progress(&self, unit: &str, done: f64, total: f64, figures: &[(&str, f64)]) {
        let figures = figures
            .iter()
            .map(|&(name, value)| (name.to_owned(), value))
            .collect();
        (self.events)(StageEvent::Progress(Progress {
            unit: unit.to_owned(),
            done,
            total,
            figures,
        }));
    }

    /// Warns about the result; the warning is kept with it.
    pub fn warn(&self, message: impl Into<String>) {
        (self.events)(StageEvent::Warning {
            message: message.into(),
            passing: false,
        });
    }

    pub fn note(&self, message: impl Into<String>) {
        (self.events)(StageEvent::Note {
            message: message.into(),
        });
    }

    /// The checkpoints to go on from, furthest first.
    pub fn checkpoints(&self) -> &'a [Artifact] {
        self.resume.map_or(&[], |resume| &resume.kept)
    }

    /// Says that the stage goes on from a checkpoint.
    pub fn resumed(&self, from: Position) {
        (self.events)(StageEvent::Resumed { from });
    }

    /// Says why the stage does not go on from a checkpoint, although there are some.
    pub fn starts_over(&self, why: impl Into<String>) {
        (self.events)(StageEvent::StartsOver { why: why.into() });
    }

    /// Keeps a checkpoint of what `write` puts into the folder it is given.
    ///
    /// The engine flushes it to disk and takes it away while the stage goes on. Where it is still at
    /// the last one, this one is left out unless it is `urgent`: training does not wait for disks.
    /// One that cannot be written is warned of, and the stage goes on.
    pub fn keep_checkpoint(
        &self,
        position: Position,
        urgent: bool,
        write: impl FnOnce(&Path) -> Result<(), Failure>,
    ) {
        let Some(resume) = self.resume else {
            return;
        };
        let busy = std::fs::read_dir(&resume.folder).is_ok_and(|mut kept| kept.next().is_some());
        if busy && !urgent {
            return;
        }
        let name = format!("{}-{}", position.epoch, position.batch);
        let folder = resume.folder.join(&name);
        let started = Instant::now();
        let made = std::fs::create_dir(&folder);
        if made
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::AlreadyExists)
        {
            // Told of, and not taken away yet.
            return;
        }
        let written = made
            .map_err(|e| Failure::io("create", &folder, e))
            .and_then(|()| write(&folder));
        match written {
            Ok(()) => (self.events)(StageEvent::Checkpoint {
                folder: name,
                position,
                seconds: started.elapsed().as_secs_f64(),
            }),
            Err(failure) => {
                // Half a checkpoint would count as one not taken yet.
                let _ = std::fs::remove_dir_all(&folder);
                (self.events)(StageEvent::Warning {
                    message: format!("no checkpoint after {position}: {failure}"),
                    passing: true,
                });
            }
        }
    }

    /// `Err(Failure::Cancelled)` once a stop was asked for; long loops ask between batches.
    pub fn check_cancelled(&self) -> Result<(), Failure> {
        if self.cancelled.load(Ordering::Relaxed) {
            Err(Failure::Cancelled)
        } else {
            Ok(())
        }
    }
}
