//! One epoch of the game of two networks.

use std::time::Instant;

use dfdx::prelude::*;
use serde::{Deserialize, Serialize};

use crate::checkpoint::{Tensors, Unfit};
use crate::contract::{Context, Failure, ImageShape};
use crate::data::{Dataset, Scale, fill_batch, shuffled};
use crate::nets::{Mode, Network, latent};
use crate::ops::optimizer::{Optimizer, OptimizerConfig};
use crate::ops::{self, Backend, Scalar, Tensor4, Wanted};

/// What stays the same over the epochs.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub batch_size: usize,
    pub learning_rate: f32,
    pub beta1: f32,
    pub beta2: f32,
    /// What the discriminator is told of a real image.
    pub real_label: f32,
    pub epochs: usize,
}

impl Settings {
    fn optimizer<B: Backend>(&self, network: &Network<B>) -> Optimizer<B> {
        let adam = OptimizerConfig::Adam {
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: 1e-8,
        };
        Optimizer::new(adam, network.parameters())
    }
}

/// Mean losses of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GanEpoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Cross-entropy on real images plus that on generated ones; 2 ln 2 ≈ 1.39 is guessing.
    pub discriminator_loss: f64,
    /// Cross-entropy of generated images being taken for real.
    pub generator_loss: f64,
}

/// What is done of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    pub batches: usize,
    /// Sums over those of their mean losses.
    discriminator_loss: f64,
    generator_loss: f64,
}

/// A generator and a discriminator with an optimizer each.
pub struct Adversaries<B: Backend> {
    generator: Network<B>,
    discriminator: Network<B>,
    generator_optimizer: Optimizer<B>,
    discriminator_optimizer: Optimizer<B>,
    settings: Settings,
}

impl<B: Backend> Adversaries<B> {
    pub fn new(generator: Network<B>, discriminator: Network<B>, settings: Settings) -> Self {
        Self {
            generator_optimizer: settings.optimizer(&generator),
            discriminator_optimizer: settings.optimizer(&discriminator),
            generator,
            discriminator,
            settings,
        }
    }

    /// Everything that training changes.
    pub(crate) fn state(&self) -> Tensors {
        let mut tensors = Tensors::default();
        tensors.insert_network("generator", &self.generator);
        tensors.insert_optimizer("generator_optimizer", &self.generator_optimizer);
        tensors.insert_network("discriminator", &self.discriminator);
        tensors.insert_optimizer("discriminator_optimizer", &self.discriminator_optimizer);
        tensors
    }

    /// Goes back to a state that [`Adversaries::state`] gave. After an error it is in no state to be
    /// trained.
    pub(crate) fn restore(&mut self, mut tensors: Tensors) -> Result<(), Unfit> {
        tensors.restore_network("generator", &mut self.generator)?;
        tensors.restore_network("discriminator", &mut self.discriminator)?;
        self.generator_optimizer = self.settings.optimizer(&self.generator);
        self.discriminator_optimizer = self.settings.optimizer(&self.discriminator);
        tensors.restore_optimizer("generator_optimizer", &mut self.generator_optimizer)?;
        tensors.restore_optimizer("discriminator_optimizer", &mut self.discriminator_optimizer)
    }

    pub fn generator(&self) -> &Network<B> {
        &self.generator
    }

    pub fn generator_mut(&mut self) -> &mut Network<B> {
        &mut self.generator
    }

    /// Trains both for what is left of epoch `epoch` (from 0) on the images `members` of `dataset`.
    /// Stopped in between, `partial` tells how far it came.
    pub fn train_epoch(
        &mut self,
        dataset: &Dataset,
        members: &[usize],
        epoch: usize,
        partial: &mut Partial,
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
        let batch_size = self.settings.batch_size;
        let steps = order.len() / batch_size;
        let (started, before) = (Instant::now(), partial.batches);
        let batches = order.chunks_exact(batch_size).enumerate();
        for (index, batch) in batches.skip(partial.batches) {
            context.check_cancelled()?;
            let mut pixels = vec![0.0; batch_size * dataset.shape().len()];
            fill_batch(dataset, batch, Scale::Symmetric, None, &mut pixels);
            let real = ops::from_host(
                self.generator.device(),
                pixels,
                (batch_size, channels, height, width),
            );

            let step = (epoch * steps + index) as u64;
            let (discriminator_loss, generator_loss) = self.train_step(real, step, context.seed);
            if !(discriminator_loss.is_finite() && generator_loss.is_finite()) {
                return Err(Failure::Training(format!(
                    "the losses are {discriminator_loss} and {generator_loss} in epoch {}: lower `learning_rate`",
                    epoch + 1
                )));
            }
            partial.batches = index + 1;
            partial.discriminator_loss += discriminator_loss;
            partial.generator_loss += generator_loss;

            let done = (index + 1) as f64;
            let images = (index + 1 - before) * batch_size;
            let figures = [
                ("d loss", partial.discriminator_loss / done),
                ("g loss", partial.generator_loss / done),
                ("images/s", images as f64 / started.elapsed().as_secs_f64()),
            ];
            context.progress(
                "epoch",
                epoch as f64 + done / steps as f64,
                self.settings.epochs as f64,
                &figures,
            );
        }
        Ok(GanEpoch {
            epoch: epoch + 1,
            discriminator_loss: partial.discriminator_loss / steps as f64,
            generator_loss: partial.generator_loss / steps as f64,
        })
    }

    /// One update of each network; gives the discriminator's and the generator's loss.
    pub(crate) fn train_step(&mut self, real: Tensor4<B>, step: u64, seed: u64) -> (f64, f64) {
        let Settings {
            batch_size,
            learning_rate,
            real_label,
            ..
        } = self.settings;
        // Each of the three passes has dropout masks of its own.
        let mode = |pass: u64, input: bool, parameters: bool| Mode::Train {
            seed,
            step: 3 * step + pass,
            wanted: Wanted { input, parameters },
        };
        let features = self.generator.architecture().input.channels;
        let noise = latent(batch_size, features, seed, "gan noise", [step, 0]);
        let noise = ops::from_host(self.generator.device(), noise, (batch_size, features, 1, 1));
        let noise = noise.trace(self.generator_optimizer.no_gradients());
        let fake = self.generator.forward(noise, mode(0, false, true));
        let (fake, tape) = fake.split_tape();

        // Batch statistics of real and generated images are kept apart, as DCGANs need it.
        let real = real.trace(self.discriminator_optimizer.no_gradients());
        let real_logits = self.discriminator.forward(real, mode(0, false, true));
        let real_loss = binary_cross_entropy(real_logits, real_label);
        let real_value = f64::from(real_loss.as_vec()[0]);
        let gradients = real_loss.backward();
        let fake_logits = self
            .discriminator
            .forward(fake.clone().trace(gradients), mode(1, false, true));
        let fake_loss = binary_cross_entropy(fake_logits, 0.0);
        let fake_value = f64::from(fake_loss.as_vec()[0]);
        let mut gradients = fake_loss.backward();
        let (parameters, penalties) = self.discriminator.parameters_mut();
        self.discriminator_optimizer
            .step(learning_rate, parameters, &mut gradients, penalties);

        let logits = self
            .discriminator
            .forward(fake.put_tape(tape), mode(2, true, false));
        let loss = binary_cross_entropy(logits, 1.0);
        let value = f64::from(loss.as_vec()[0]);
        let mut gradients = loss.backward();
        let (parameters, penalties) = self.generator.parameters_mut();
        self.generator_optimizer
            .step(learning_rate, parameters, &mut gradients, penalties);
        (real_value + fake_value, value)
    }
}

/// The mean loss against one target for the whole batch.
fn binary_cross_entropy<B: Backend, T: Tape<f32, B>>(
    logits: Tensor4<B, T>,
    target: f32,
) -> Scalar<B, T> {
    let batch = logits.shape().0;
    ops::binary_cross_entropy(logits, &vec![target; batch], &vec![1.0; batch])
}
