//! The state of a training, kept as a checkpoint after every epoch and when the training is stopped.

use contract::{Context, Position};
use dfdx::shapes::HasShape;
use ops::Backend;
use serde::{Deserialize, Serialize};

use super::epoch::PartialEpoch;
use super::history::EpochRow;
use super::recipe::Recipe;
use super::updater::Updater;
use crate::checkpoint::{self, Tensors, Unfit, check_reach, resume_furthest};
use crate::nets::Network;

/// Everything that determines how a training continues, except for the network and its updater.
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
    /// State of the network, or of its average, after this epoch.
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
    ) -> (Self, Updater<B>) {
        let resumed = resume_furthest(context, |checkpoint| {
            let (mut state, mut tensors): (Self, _) = checkpoint::read(checkpoint)?;
            check_reach(state.position(), recipe.epochs)?;
            let updater = state
                .restore(&mut tensors, network, recipe)
                .map_err(|unfit| unfit.to_string())?;
            Ok((state.position(), (state, updater)))
        });
        resumed.unwrap_or_else(|| (Self::default(), Updater::new(recipe, network)))
    }

    /// Restores `network` and an updater for it to the state of the checkpoint.
    ///
    /// # Errors
    /// If the checkpoint does not fit. In this case, `network` is unchanged.
    fn restore<B: Backend>(
        &mut self,
        tensors: &mut Tensors,
        network: &mut Network<B>,
        recipe: &Recipe,
    ) -> Result<Updater<B>, Unfit> {
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
        let mut average = Vec::new();
        if recipe.ema.is_some() {
            for (index, (_, tensor)) in network.state().into_iter().enumerate() {
                average.push(
                    tensors.take_len(&format!("average.{index}"), ops::len(*tensor.shape()))?,
                );
            }
        }
        // The optimizer's state is first restored for the old tensors, so that an error leaves `network` unchanged.
        let updater = |tensors: &Tensors, network: &Network<B>| {
            let mut updater = Updater::new(recipe, network);
            let restored = tensors.restore_optimizer("optimizer", &mut updater.optimizer);
            restored.map(|()| updater)
        };
        updater(tensors, network)?;
        tensors.restore_network("network", network)?;
        let mut updater = updater(tensors, network)?;
        if let Some(restored) = &mut updater.average {
            for (tensor, values) in restored.tensors_mut().iter_mut().zip(average) {
                *tensor = ops::from_host(network.device(), values, *tensor.shape());
            }
        }
        if self.is_at_best() {
            self.best.state = updater.with_kept(network, |network| network.snapshot());
        }
        Ok(updater)
    }

    /// Returns whether the network, or its average, has the state of the best epoch.
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
        updater: &Updater<B>,
        urgent: bool,
        context: &Context<'_>,
    ) {
        context.keep_checkpoint(self.position(), urgent, |folder| {
            checkpoint::write(self, &self.tensors(network, updater), folder)
        });
    }

    fn tensors<B: Backend>(&self, network: &Network<B>, updater: &Updater<B>) -> Tensors {
        let mut tensors = Tensors::default();
        tensors.insert_network("network", network);
        tensors.insert_optimizer("optimizer", &updater.optimizer);
        if let Some(average) = &updater.average {
            for (index, tensor) in average.tensors().iter().enumerate() {
                tensors.insert(&format!("average.{index}"), ops::to_host(tensor));
            }
        }
        if self.best.epoch > 0 {
            tensors.insert("best_scores", self.best.scores.clone());
        }
        // As long as training improves, the best state is the network's own (or its average) and is not stored twice.
        if self.best.epoch > 0 && !self.is_at_best() {
            for (index, values) in self.best.state.iter().enumerate() {
                tensors.insert(&format!("best.{index}"), values.clone());
            }
        }
        tensors
    }
}
