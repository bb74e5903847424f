//! Where a training stands: kept as a checkpoint after every epoch and when it is stopped.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::epoch::Partial;
use super::history::EpochRow;
use super::recipe::Recipe;
use crate::checkpoint::{Tensors, Unfit};
use crate::contract::{Artifact, Context, Failure, Position};
use crate::json;
use crate::nets::Network;
use crate::ops::Backend;
use crate::ops::optimizer::Optimizer;

/// The files of a checkpoint.
const COURSE: &str = "training.json";
const TENSORS: &str = "tensors.safetensors";

/// All that decides how a training goes on, but for the network and its optimizer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Course {
    /// The completed epochs.
    pub history: Vec<EpochRow>,
    /// What is done of the epoch after those.
    pub partial: Partial,
    pub best: Best,
}

/// The best epoch so far.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Best {
    /// Counted from 1; 0 before there is one.
    pub epoch: usize,
    /// The network's state after it.
    #[serde(skip)]
    pub state: Vec<Vec<f32>>,
    /// Class probabilities on the validation images.
    #[serde(skip)]
    pub scores: Vec<f32>,
}

impl Course {
    /// Goes on from the furthest of the context's checkpoints that is of use, or starts a training;
    /// says which, and why. Changes `network` if it goes on.
    pub fn begin<B: Backend>(
        network: &mut Network<B>,
        recipe: &Recipe,
        context: &Context<'_>,
    ) -> (Self, Optimizer<B>) {
        let mut unfit = None;
        for checkpoint in context.checkpoints() {
            match Self::resume(checkpoint, network, recipe) {
                Ok((course, optimizer)) => {
                    context.resumed(course.position());
                    return (course, optimizer);
                }
                Err(why) => {
                    unfit.get_or_insert(why);
                }
            }
        }
        if let Some(why) = unfit {
            context.starts_over(why);
        }
        let optimizer = Optimizer::new(recipe.optimizer.into(), network.parameters());
        (Self::default(), optimizer)
    }

    /// # Errors
    /// Why the checkpoint is of no use; `network` is as it was then.
    fn resume<B: Backend>(
        checkpoint: &Artifact,
        network: &mut Network<B>,
        recipe: &Recipe,
    ) -> Result<(Self, Optimizer<B>), String> {
        let failed = |failure: Failure| failure.to_string();
        let mut course: Self =
            json::read(checkpoint.file(COURSE).map_err(failed)?).map_err(failed)?;
        if course.position() > Position::after(recipe.epochs) {
            return Err(format!(
                "the checkpoint is of {}, past the {} asked for",
                course.position(),
                recipe.epochs
            ));
        }
        let mut tensors =
            Tensors::read(checkpoint.file(TENSORS).map_err(failed)?).map_err(failed)?;
        course
            .restore(&mut tensors, network, recipe)
            .map(|optimizer| (course, optimizer))
            .map_err(|unfit| format!("the checkpoint does not fit: {unfit}"))
    }

    fn restore<B: Backend>(
        &mut self,
        tensors: &mut Tensors,
        network: &mut Network<B>,
        recipe: &Recipe,
    ) -> Result<Optimizer<B>, Unfit> {
        if self.best.epoch > 0 {
            self.best.scores = tensors.take("best_scores")?;
        }
        if self.best.epoch > 0 && !self.is_at_best() {
            for index in 0..network.state().len() {
                self.best
                    .state
                    .push(tensors.take(&format!("best.{index}"))?);
            }
        }
        // Tried on an optimizer for the tensors of before, so that nothing is changed if it fails.
        let optimizer = |tensors: &Tensors, network: &Network<B>| {
            let mut optimizer = Optimizer::new(recipe.optimizer.into(), network.parameters());
            let restored = tensors.restore_optimizer("optimizer", &mut optimizer);
            restored.map(|()| optimizer)
        };
        optimizer(tensors, network)?;
        tensors.restore_network("network", network)?;
        if self.is_at_best() {
            self.best.state = network.snapshot();
        }
        optimizer(tensors, network)
    }

    /// Whether the network is in the best epoch's state.
    fn is_at_best(&self) -> bool {
        self.best.epoch == self.history.len() && self.partial == Partial::default()
    }

    pub fn position(&self) -> Position {
        Position {
            epoch: self.history.len(),
            batch: self.partial.batches,
        }
    }

    /// Keeps a checkpoint; see [`Context::keep_checkpoint`].
    pub fn keep<B: Backend>(
        &self,
        network: &Network<B>,
        optimizer: &Optimizer<B>,
        urgent: bool,
        context: &Context<'_>,
    ) {
        context.keep_checkpoint(self.position(), urgent, |folder| {
            self.write(network, optimizer, folder)
        });
    }

    fn write<B: Backend>(
        &self,
        network: &Network<B>,
        optimizer: &Optimizer<B>,
        folder: &Path,
    ) -> Result<(), Failure> {
        let mut tensors = Tensors::default();
        tensors.insert_network("network", network);
        tensors.insert_optimizer("optimizer", optimizer);
        if self.best.epoch > 0 {
            tensors.insert("best_scores", self.best.scores.clone());
        }
        // As long as training improves, the best state is the network's own.
        if self.best.epoch > 0 && !self.is_at_best() {
            for (index, values) in self.best.state.iter().enumerate() {
                tensors.insert(&format!("best.{index}"), values.clone());
            }
        }
        tensors.write(&folder.join(TENSORS))?;
        json::write(&folder.join(COURSE), self)
    }
}
