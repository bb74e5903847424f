//! The state of a GAN's training, kept as a checkpoint after every epoch and when the training is stopped.

use std::path::{Path, PathBuf};

use contract::{Artifact, Context, Failure, Position, files};
use ops::Backend;
use serde::{Deserialize, Serialize};

use super::adversaries::Adversaries;
use super::epoch::{GanEpoch, PartialEpoch};
use crate::checkpoint::{self, check_reach, resume_furthest};

/// Everything that determines how a training continues, except for the adversaries.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct TrainingState {
    /// The completed epochs.
    pub history: Vec<GanEpoch>,
    /// The completed part of the next epoch.
    pub partial: PartialEpoch,
}

/// Requirements for a checkpoint to resume from, and the folder that its sample grids are copied to.
pub(crate) struct ResumeTarget<'a> {
    pub epochs: usize,
    /// `true` if there must be a sample grid after an epoch. That of the finished training is drawn at the end.
    pub samples_after: &'a dyn Fn(usize) -> bool,
    /// Folder of the sample grids.
    pub figure: &'a Path,
}

impl TrainingState {
    /// Resumes from the furthest checkpoint of the context that can be used, and reports its position. Without
    /// one, starts from the beginning with `fresh`, and reports why the existing checkpoints, if any, cannot be
    /// used. `untrained` creates adversaries of the same form, to be restored.
    pub(crate) fn begin<B: Backend>(
        fresh: Adversaries<B>,
        untrained: impl Fn() -> Result<Adversaries<B>, Failure>,
        target: &ResumeTarget<'_>,
        context: &Context<'_>,
    ) -> Result<(Self, Adversaries<B>), Failure> {
        let resumed = resume_furthest(context, |checkpoint| {
            let mut adversaries = untrained().map_err(|failure| failure.to_string())?;
            let state = Self::resume(checkpoint, &mut adversaries, target)?;
            Ok((state.position(), (state, adversaries)))
        });
        match resumed {
            Some(resumed) => Ok(resumed),
            None => Ok((Self::default(), fresh)),
        }
    }

    fn resume<B: Backend>(
        checkpoint: &Artifact,
        adversaries: &mut Adversaries<B>,
        target: &ResumeTarget<'_>,
    ) -> Result<Self, String> {
        let (state, tensors): (Self, _) = checkpoint::read(checkpoint)?;
        check_reach(state.position(), target.epochs)?;
        adversaries
            .restore(tensors)
            .map_err(|unfit| unfit.to_string())?;
        for epoch in 1..=state.history.len() {
            if (target.samples_after)(epoch) {
                let name = sample_name(epoch);
                let copied = checkpoint.file(&name).and_then(|kept| {
                    files::copy(kept, &target.figure.join(&name))
                        .map_err(|e| Failure::io("copy", kept, e))
                });
                copied.map_err(|failure| failure.to_string())?;
            }
        }
        Ok(state)
    }

    pub(crate) fn position(&self) -> Position {
        Position {
            epoch: self.history.len(),
            batch: self.partial.batches,
        }
    }

    /// Keeps a checkpoint that includes the sample grids in `figure`; see [`Context::keep_checkpoint`].
    pub(crate) fn keep<B: Backend>(
        &self,
        adversaries: &Adversaries<B>,
        figure: &Path,
        urgent: bool,
        context: &Context<'_>,
    ) {
        context.keep_checkpoint(self.position(), urgent, |folder| {
            for grid in grids(figure)? {
                let name = grid.file_name().unwrap_or_default();
                files::copy(&grid, &folder.join(name))
                    .map_err(|e| Failure::io("copy", &grid, e))?;
            }
            checkpoint::write(self, &adversaries.state(), folder)
        });
    }
}

/// Returns the name of the file with the sample grid after `epoch`, counted from 1.
pub(crate) fn sample_name(epoch: usize) -> String {
    format!("epoch-{epoch:04}.png")
}

fn grids(figure: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(figure).map_err(|e| Failure::io("read", figure, e))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths
        .collect::<Result<_, _>>()
        .map_err(|e| Failure::io("read", figure, e))
}
