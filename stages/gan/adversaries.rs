//! The generator and the discriminator of a GAN, and one training step of both.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Gradients, OwnedTape, PutTape, SplitTape, Trace};
use ops::optimizer::{Optimizer, OptimizerConfig, SecondMoment};
use ops::{self, Backend, Reading, Staged, Tensor4, Wanted};

use crate::checkpoint::{Tensors, Unfit};
use crate::nets::{Mode, Network, latent};

/// Settings that stay the same during a training.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub batch_size: usize,
    pub learning_rate: f32,
    pub beta1: f32,
    pub beta2: f32,
    /// Target of the discriminator for real images.
    pub real_label: f32,
    pub epochs: usize,
}

impl Settings {
    fn optimizer<B: Backend>(&self, network: &Network<B>) -> Optimizer<B> {
        let adam = OptimizerConfig::Adam {
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: 1e-8,
            epsilon_added_to: SecondMoment::Corrected,
        };
        Optimizer::new(adam, network.parameters())
    }
}

/// The losses of a step, while they are transferred to the host.
pub(crate) struct Losses<B: Backend> {
    real: Reading<B>,
    fake: Reading<B>,
    generator: Reading<B>,
}

impl<B: Backend> Losses<B> {
    /// Waits for the losses, and returns the discriminator's and the generator's.
    pub(crate) fn finish(self) -> (f64, f64) {
        let value = |loss: Reading<B>| f64::from(loss.finish()[0]);
        (value(self.real) + value(self.fake), value(self.generator))
    }
}

/// A generator and a discriminator, each with its optimizer.
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

    /// Returns everything that training changes.
    pub(crate) fn state(&self) -> Tensors {
        let mut tensors = Tensors::default();
        tensors.insert_network("generator", &self.generator);
        tensors.insert_optimizer("generator_optimizer", &self.generator_optimizer);
        tensors.insert_network("discriminator", &self.discriminator);
        tensors.insert_optimizer("discriminator_optimizer", &self.discriminator_optimizer);
        tensors
    }

    /// Restores a state that [`Adversaries::state`] returned. After an error, the adversaries must not be
    /// trained.
    pub(crate) fn restore(&mut self, mut tensors: Tensors) -> Result<(), Unfit> {
        tensors.restore_network("generator", &mut self.generator)?;
        tensors.restore_network("discriminator", &mut self.discriminator)?;
        self.generator_optimizer = self.settings.optimizer(&self.generator);
        self.discriminator_optimizer = self.settings.optimizer(&self.discriminator);
        tensors.restore_optimizer("generator_optimizer", &mut self.generator_optimizer)?;
        tensors.restore_optimizer("discriminator_optimizer", &mut self.discriminator_optimizer)
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn generator(&self) -> &Network<B> {
        &self.generator
    }

    pub fn discriminator(&self) -> &Network<B> {
        &self.discriminator
    }

    pub fn generator_mut(&mut self) -> &mut Network<B> {
        &mut self.generator
    }

    /// Updates each network once, without waiting for the device.
    pub(crate) fn train_step(&mut self, real: Tensor4<B>, step: u64, seed: u64) -> Losses<B> {
        let Settings {
            batch_size,
            learning_rate,
            real_label,
            ..
        } = self.settings;
        // Each of the three passes through the discriminator has its own dropout masks.
        let mode = |pass: u64, input: bool, parameters: bool| Mode::Train {
            seed,
            step: 3 * step + pass,
            wanted: Wanted { input, parameters },
        };
        let features = self.generator.architecture().input.channels;
        let mut noise = Staged::new(self.generator.device(), (batch_size, features, 1, 1));
        noise.copy_from_slice(&latent(batch_size, features, seed, "gan noise", [step, 0]));
        let noise = noise
            .upload()
            .trace(self.generator_optimizer.no_gradients());
        let fake = self.generator.forward(noise, mode(0, false, true));
        let (fake, tape) = fake.split_tape();

        // Batch statistics of real and of generated images are kept apart, as DCGANs require.
        let real = real.trace(self.discriminator_optimizer.no_gradients());
        let real_logits = self.discriminator.forward(real, mode(0, false, true));
        let (real_loss, gradients) = loss_and_gradients(real_logits, real_label);
        let fake_logits = self
            .discriminator
            .forward(fake.clone().trace(gradients), mode(1, false, true));
        let (fake_loss, mut gradients) = loss_and_gradients(fake_logits, 0.0);
        let (parameters, options) = self.discriminator.parameters_mut();
        self.discriminator_optimizer
            .step(learning_rate, parameters, &mut gradients, options);

        let logits = self
            .discriminator
            .forward(fake.put_tape(tape), mode(2, true, false));
        let (generator, mut gradients) = loss_and_gradients(logits, 1.0);
        let (parameters, options) = self.generator.parameters_mut();
        self.generator_optimizer
            .step(learning_rate, parameters, &mut gradients, options);
        Losses {
            real: real_loss,
            fake: fake_loss,
            generator,
        }
    }
}

/// Returns the mean loss against one target for the whole batch, and its gradients.
fn loss_and_gradients<B: Backend>(
    logits: Tensor4<B, OwnedTape<f32, B>>,
    target: f32,
) -> (Reading<B>, Gradients<f32, B>) {
    let batch = logits.shape().0;
    let loss = ops::binary_cross_entropy(logits, &vec![target; batch], &vec![1.0; batch]);
    let (loss, tape) = loss.split_tape();
    (Reading::of(&loss), ops::backward(loss.put_tape(tape)))
}
