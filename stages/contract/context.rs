//! [`Context`]: inputs, outputs and events of a running stage.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::{
    Artifact, Device, Failure, Measurement, Position, Progress, Request, Resume, ShowPath,
    StageEvent, lock,
};

/// Interface of a running stage to the engine: inputs, output folders, events, checkpoints and cancellation.
pub struct Context<'a> {
    pub seed: u64,
    pub device: Device,
    inputs: &'a BTreeMap<String, Vec<Artifact>>,
    staging: &'a Path,
    resume: Option<&'a Resume>,
    events: &'a (dyn Fn(StageEvent) + Sync),
    cancelled: &'a AtomicBool,
    /// The last progress that was reported.
    progress: Mutex<Progress>,
    /// Reasons why checkpoints were not saved, without their paths. Each was warned about.
    unsaved: Mutex<BTreeSet<String>>,
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
            progress: Mutex::default(),
            unsaved: Mutex::default(),
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
        self.report_progress(unit, done, total, |progress| {
            progress.figures = owned(figures);
        });
    }

    /// Reports values that were measured after `done` whole units, such as the validation loss after an epoch. The
    /// figures of the last progress stay.
    pub fn measured(&self, unit: &str, done: f64, total: f64, figures: &[(&str, f64)]) {
        self.report_progress(unit, done, total, |progress| {
            let figures = owned(figures);
            progress.measurement = Some(Measurement { done, figures });
        });
    }

    fn report_progress(
        &self,
        unit: &str,
        done: f64,
        total: f64,
        change: impl FnOnce(&mut Progress),
    ) {
        let mut last = lock(&self.progress);
        unit.clone_into(&mut last.unit);
        last.done = done;
        last.total = total;
        change(&mut last);
        let progress = last.clone();
        // The receiver may take its time.
        drop(last);
        (self.events)(StageEvent::Progress(progress));
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

    /// Shows a PNG picture, which is complete in the folder of an output port, to those who follow the run.
    pub fn picture(&self, port: &str, name: &str, caption: impl Into<String>) {
        (self.events)(StageEvent::Picture {
            file: format!("{port}/{name}"),
            caption: caption.into(),
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
    /// wait for disks. If writing fails, the stage continues. It warns once for each cause.
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
                let cause = failure.to_string().replace(&folder.shown(), "");
                if lock(&self.unsaved).insert(cause) {
                    (self.events)(StageEvent::Warning {
                        message: format!(
                            "no checkpoint was saved after {position}: {failure} (not repeated for later checkpoints)"
                        ),
                        about_run_only: true,
                    });
                }
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

fn owned(figures: &[(&str, f64)]) -> Vec<(String, f64)> {
    let figures = figures.iter();
    figures
        .map(|&(name, value)| (name.to_owned(), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn each_cause_of_a_missing_checkpoint_is_warned_about_once() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = folder.path().join("checkpoints");
        std::fs::create_dir(&checkpoints).unwrap();
        let request = Request {
            kind: "train-cnn".to_owned(),
            params: Value::Null,
            seed: 0,
            cpus: 1,
            device: Device::Cpu,
            gpus: Vec::new(),
            inputs: BTreeMap::new(),
            staging: folder.path().to_owned(),
            resume: Some(Resume {
                folder: checkpoints.clone(),
                kept: Vec::new(),
            }),
        };
        let warnings = Mutex::new(Vec::new());
        let events = |event| {
            if let StageEvent::Warning { message, .. } = event {
                lock(&warnings).push(message);
            }
        };
        let cancelled = AtomicBool::new(false);
        let context = Context::new(&request, &events, &cancelled);
        let keep = |epoch| {
            context.keep_checkpoint(Position::after(epoch), false, |folder| {
                Err(Failure::io("write", &folder.join("weights"), "disk full"))
            });
        };
        keep(1);
        keep(2);
        std::fs::remove_dir(&checkpoints).unwrap();
        keep(3);
        keep(4);
        let warnings = lock(&warnings);
        let [full, gone] = warnings.as_slice() else {
            panic!("{warnings:?}");
        };
        let begin = |warning: &str, epoch: usize, what: &str, path: &Path| {
            let expected = format!(
                "no checkpoint was saved after epoch {epoch}: failed to {what} `{}`: ",
                path.display()
            );
            assert!(warning.starts_with(&expected), "{warning}");
        };
        begin(full, 1, "write", &checkpoints.join("1-0/weights"));
        begin(gone, 3, "create", &checkpoints.join("3-0"));
    }
}
