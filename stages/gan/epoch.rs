//! One epoch of the training of a GAN.

use contract::{Context, Failure, ImageShape};
use ops::{Backend, Staged};
use serde::{Deserialize, Serialize};

use super::adversaries::{Adversaries, Losses};
use crate::data::{Dataset, Scale, fill_batch, shuffled};
use crate::rate::Rate;

/// Mean losses of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GanEpoch {
    /// Number of the epoch, counted from 1.
    pub epoch: usize,
    /// Cross-entropy on real images plus that on generated ones. Guessing gives 2 ln 2 ≈ 1.39.
    pub discriminator_loss: f64,
    /// Cross-entropy on generated images with the target 1.
    pub generator_loss: f64,
}

/// The completed part of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PartialEpoch {
    pub batches: usize,
    /// Sums of the mean losses of these batches.
    discriminator_loss: f64,
    generator_loss: f64,
}

/// A step whose losses are being transferred to the host.
struct LaunchedStep<B: Backend> {
    /// Index of the batch in its epoch.
    index: usize,
    losses: Losses<B>,
}

/// An epoch in progress.
struct Pass<'a, B: Backend> {
    /// Index of the epoch, counted from 0.
    epoch: usize,
    /// Number of epochs of the training.
    epochs: usize,
    steps: usize,
    partial: &'a mut PartialEpoch,
    context: &'a Context<'a>,
    rate: &'a mut Rate,
    /// The last step. Its losses are read once the next step is launched, so that the device is busy while
    /// the host waits for them and prepares the following batch.
    waiting: Option<LaunchedStep<B>>,
}

impl<B: Backend> Adversaries<B> {
    /// Trains both networks for the rest of epoch `epoch` (from 0) on the images `members` of `dataset`. If
    /// training is stopped, `partial` has the part that was completed.
    pub(crate) fn train_epoch(
        &mut self,
        dataset: &Dataset,
        members: &[usize],
        epoch: usize,
        partial: &mut PartialEpoch,
        rate: &mut Rate,
        context: &Context<'_>,
    ) -> Result<GanEpoch, Failure> {
        let ImageShape {
            height,
            width,
            channels,
        } = dataset.shape();
        let order: Vec<usize> = shuffled(members.len(), context.seed, epoch as u64)
            .into_iter()
            .map(|i| members[i])
            .collect();
        let batch_size = self.settings().batch_size;
        let steps = order.len() / batch_size;
        let done = partial.batches;
        rate.resume();
        let mut pass = Pass {
            epoch,
            epochs: self.settings().epochs,
            steps,
            partial,
            rate,
            context,
            waiting: None,
        };
        for (index, batch) in order.chunks_exact(batch_size).enumerate().skip(done) {
            if let Err(cancelled) = context.check_cancelled() {
                pass.read_remaining()?;
                return Err(cancelled);
            }
            let shape = (batch_size, channels, height, width);
            let mut real = Staged::new(self.generator().device(), shape);
            fill_batch(dataset, batch, Scale::Symmetric, None, &mut real);
            let step = (epoch * steps + index) as u64;
            let losses = self.train_step(real.upload(), step, context.seed);
            pass.rate.count(batch_size);
            pass.launched(LaunchedStep { index, losses })?;
        }
        pass.read_remaining()?;
        Ok(GanEpoch {
            epoch: epoch + 1,
            discriminator_loss: pass.partial.discriminator_loss / steps as f64,
            generator_loss: pass.partial.generator_loss / steps as f64,
        })
    }
}

impl<B: Backend> Pass<'_, B> {
    /// Remembers a launched step, and reads the losses of the step before.
    fn launched(&mut self, step: LaunchedStep<B>) -> Result<(), Failure> {
        match self.waiting.replace(step) {
            Some(before) => self.take(before),
            None => Ok(()),
        }
    }

    /// Reads the losses of every step that was launched.
    fn read_remaining(&mut self) -> Result<(), Failure> {
        match self.waiting.take() {
            Some(last) => self.take(last),
            None => Ok(()),
        }
    }

    fn take(&mut self, step: LaunchedStep<B>) -> Result<(), Failure> {
        let (discriminator_loss, generator_loss) = step.losses.finish();
        if !(discriminator_loss.is_finite() && generator_loss.is_finite()) {
            return Err(Failure::Training(format!(
                "the discriminator's loss is {discriminator_loss} and the generator's is {generator_loss} in \
                 epoch {}: lower `learning_rate`",
                self.epoch + 1
            )));
        }
        let partial = &mut *self.partial;
        partial.batches = step.index + 1;
        partial.discriminator_loss += discriminator_loss;
        partial.generator_loss += generator_loss;

        let done = partial.batches as f64;
        let values = [
            ("d loss", partial.discriminator_loss / done),
            ("g loss", partial.generator_loss / done),
            ("images/s", self.rate.per_second()),
        ];
        self.context.progress(
            "epoch",
            self.epoch as f64 + done / self.steps as f64,
            self.epochs as f64,
            &values,
        );
        Ok(())
    }
}
