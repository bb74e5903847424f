//! The state of a training, kept as a checkpoint after every epoch and when the training is stopped.

use contract::{Context, Position};
use ops::Backend;
use ops::optimizer::Optimizer;
use serde::{Deserialize, Serialize};

use super::epoch::PartialEpoch;
use super::history::EpochRow;
use super::recipe::Recipe;
use crate::checkpoint::{self, Tensors, Unfit, check_reach, resume_furthest};
use crate::nets::Network;

/// Everything that determines how a training continues, except for the network and its optimizer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct TrainingState {
    /// The completed epochs.
    pub history: Vec<EpochRow>,
    /// The completed part of the next epoch.
    pub partial: PartialEpoch,
    pub best: Best,
}

/// The best epoch so far.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Best {
    /// Number of the epoch, counted from 1; 0 before there is one.
    pub epoch: usize,
    /// State of the network after this epoch.
    #[serde(skip)]
    pub state: Vec<Vec<f32>>,
    /// Class probabilities on the validation images.
    #[serde(skip)]
    pub scores: Vec<f32>,
}

impl TrainingState {
    /// Resumes from the furthest checkpoint of the context that can be used, and reports its position. Without
    /// one, starts from the beginning, and reports why the existing checkpoints, if any, cannot be used. Changes
    /// `network` only if it resumes.
    pub(super) fn begin<B: Backend>(
        network: &mut Network<B>,
        recipe: &Recipe,
        context: &Context<'_>,
    ) -> (Self, Optimizer<B>) {
        let resumed = resume_furthest(context, |checkpoint| {
            let (mut state, mut tensors): (Self, _) = checkpoint::read(checkpoint)?;
            check_reach(state.position(), recipe.epochs)?;
            let optimizer = state
                .restore(&mut tensors, network, recipe)
                .map_err(|unfit| unfit.to_string())?;
            Ok((state.position(), (state, optimizer)))
        });
        resumed.unwrap_or_else(|| {
            let optimizer = Optimizer::new(recipe.optimizer.into(), network.parameters());
            (Self::default(), optimizer)
        })
    }

    /// Restores `network` and an optimizer for it to the state of the checkpoint.
    ///
    /// # Errors
    /// If the checkpoint does not fit. In this case, `network` is unchanged.
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
        // The optimizer's state is first restored for the old tensors, so that an error leaves `network` unchanged.
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

    /// Returns whether the network has the state of the best epoch.
    fn is_at_best(&self) -> bool {
        self.best.epoch == self.history.len() && self.partial == PartialEpoch::default()
    }

    pub(super) fn position(&self) -> Position {
        Position {
            epoch: self.history.len(),
            batch: self.partial.batches,
        }
    }

    /// Keeps a checkpoint; see [`Context::keep_checkpoint`].
    pub(super) fn keep<B: Backend>(
        &self,
        network: &Network<B>,
        optimizer: &Optimizer<B>,
        urgent: bool,
        context: &Context<'_>,
    ) {
        context.keep_checkpoint(self.position(), urgent, |folder| {
            checkpoint::write(self, &self.tensors(network, optimizer), folder)
        });
    }

    fn tensors<B: Backend>(&self, network: &Network<B>, optimizer: &Optimizer<B>) -> Tensors {
        let mut tensors = Tensors::default();
        tensors.insert_network("network", network);
        tensors.insert_optimizer("optimizer", optimizer);
        if self.best.epoch > 0 {
            tensors.insert("best_scores", self.best.scores.clone());
        }
        // As long as training improves, the best state is the network's own and is not stored twice.
        if self.best.epoch > 0 && !self.is_at_best() {
            for (index, values) in self.best.state.iter().enumerate() {
                tensors.insert(&format!("best.{index}"), values.clone());
            }
        }
        tensors
    }
}
