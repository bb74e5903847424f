//! [`Context`]: inputs, outputs and events of a running stage.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::{Artifact, Device, Failure, Position, Progress, Request, Resume, StageEvent};

/// Interface of a running stage to the engine: inputs, output folders, events, checkpoints and cancellation.
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

    /// Returns the artifact on a port that takes one.
    pub fn input(&self, role: &str) -> Result<&'a Artifact, Failure> {
        self.optional_input(role)
            .ok_or_else(|| Failure::Internal(format!("the stage has no input `{role}`")))
    }

    /// Returns the artifact on an optional port, if the port is connected.
    pub fn optional_input(&self, role: &str) -> Option<&'a Artifact> {
        self.inputs(role).first()
    }

    /// Returns all artifacts on a port that takes several, in the order in which the pipeline lists them.
    pub fn inputs(&self, role: &str) -> &'a [Artifact] {
        self.inputs.get(role).map_or(&[], Vec::as_slice)
    }

    /// Returns the folder of an output port and creates it if needed.
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

    /// Warns about the result. The warning is stored with the result.
    pub fn warn(&self, message: impl Into<String>) {
        (self.events)(StageEvent::Warning {
            message: message.into(),
            about_run_only: false,
        });
    }

    pub fn note(&self, message: impl Into<String>) {
        (self.events)(StageEvent::Note {
            message: message.into(),
        });
    }

    /// Returns the checkpoints from which the stage can resume, the furthest first.
    pub fn checkpoints(&self) -> &'a [Artifact] {
        self.resume.map_or(&[], |resume| &resume.kept)
    }

    /// Reports that the stage resumes from a checkpoint.
    pub fn resumed(&self, from: Position) {
        (self.events)(StageEvent::Resumed { from });
    }

    /// Reports why the stage starts over although there are checkpoints.
    pub fn starts_over(&self, why: impl Into<String>) {
        (self.events)(StageEvent::StartsOver { why: why.into() });
    }

    /// Writes a checkpoint: calls `write` with a fresh folder, then reports the folder to the engine.
    ///
    /// The engine flushes the checkpoint to disk and moves it away while the stage continues. If the previous
    /// checkpoint is still in place, this one is skipped unless it is `urgent`, so that training does not
    /// wait for disks. If writing fails, the stage warns and continues.
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
            // This checkpoint was reported before, and the engine has not moved it away yet.
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
                // A partial checkpoint would look like one that the engine has not moved away yet.
                let _ = std::fs::remove_dir_all(&folder);
                (self.events)(StageEvent::Warning {
                    message: format!("no checkpoint was saved after {position}: {failure}"),
                    about_run_only: true,
                });
            }
        }
    }

    /// Returns `Err(Failure::Cancelled)` once a stop was requested. Long loops call this between batches.
    pub fn check_cancelled(&self) -> Result<(), Failure> {
        if self.cancelled.load(Ordering::Relaxed) {
            Err(Failure::Cancelled)
        } else {
            Ok(())
        }
    }
}
