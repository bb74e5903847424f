//! Runs a batch through modules.

use dfdx::tensor::{PutTape, SplitTape, Tape};
use ops::{self, Backend, RunningStats, Tensor4, Wanted};

use super::Mode;
use super::module::{Constants, Module, Op};
use crate::nets::layer::Join;

/// The tensors of a network, while a batch runs through its modules.
pub(super) struct Pass<'a, B: Backend> {
    pub(super) parameters: &'a [Tensor4<B>],
    pub(super) running: &'a mut [RunningStats<B>],
    pub(super) mode: Mode,
    /// `true` if the batch has not passed a layer with parameters that are trained yet.
    pub(super) is_below_parameters: bool,
    /// `true` in a layer that is frozen.
    pub(super) is_frozen: bool,
}

impl<B: Backend> Pass<'_, B> {
    /// Runs a batch through `modules`, one after the other.
    pub(super) fn chain<T: Tape<f32, B>>(
        &mut self,
        x: Tensor4<B, T>,
        modules: &[Module<B>],
    ) -> Tensor4<B, T> {
        modules.iter().fold(x, |x, module| {
            let x = self.module(x, module);
            self.is_below_parameters &= module.parameters.is_empty() || self.is_frozen;
            x
        })
    }

    fn module<T: Tape<f32, B>>(&mut self, x: Tensor4<B, T>, module: &Module<B>) -> Tensor4<B, T> {
        let mode = match self.mode {
            Mode::Train { .. } | Mode::Estimate if self.is_frozen => Mode::Predict,
            mode => mode,
        };
        let wanted = self.wanted(T::OWNS_TAPE);
        let parameters = &self.parameters[module.parameters.clone()];
        match &module.op {
            Op::Conv(op) => ops::conv2d(x, &parameters[0], &parameters[1], *op, wanted),
            Op::UnbiasedConv(op, zeros) => ops::conv2d(x, &parameters[0], zeros, *op, wanted),
            Op::ConvPool(op) => ops::conv_pool2d(x, &parameters[0], &parameters[1], *op, wanted),
            Op::ConvTranspose(op) => {
                ops::conv_transpose2d(x, &parameters[0], &parameters[1], *op, wanted)
            }
            Op::Dense(activation) => {
                ops::dense(x, &parameters[0], &parameters[1], *activation, wanted)
            }
            Op::BatchNorm { op, running } => {
                let (scale, shift) = (&parameters[0], &parameters[1]);
                let running = &mut self.running[*running];
                match mode {
                    Mode::Train { .. } => {
                        ops::batch_norm_train(x, scale, shift, running, *op, wanted)
                    }
                    Mode::Predict => ops::batch_norm_eval(x, scale, shift, running, *op),
                    Mode::Estimate => {
                        let only_batch = ops::BatchNorm {
                            momentum: 0.0,
                            ..*op
                        };
                        ops::batch_norm_train(x, scale, shift, running, only_batch, wanted)
                    }
                }
            }
            Op::GroupNorm(op) => ops::group_norm(x, &parameters[0], &parameters[1], *op, wanted),
            Op::Dropout { rate, layer } => match mode {
                Mode::Train { seed, step, .. } => ops::dropout(x, *rate, seed, [step, *layer]),
                Mode::Predict | Mode::Estimate => x,
            },
            Op::SpatialDropout { rate, layer } => match mode {
                Mode::Train { seed, step, .. } => {
                    ops::spatial_dropout(x, *rate, seed, [step, *layer])
                }
                Mode::Predict | Mode::Estimate => x,
            },
            Op::MaxPool(op) => ops::max_pool2d(x, *op),
            Op::AvgPool(op) => ops::avg_pool2d(x, *op),
            Op::GlobalMaxPool => ops::global_max_pool2d(x),
            Op::GlobalAvgPool => ops::global_avg_pool2d(x),
            Op::Flatten => ops::flatten(x),
            Op::Reshape(to) => ops::reshape(x, (to.channels, to.height, to.width)),
            Op::Upsample(factor) => ops::upsample_nearest2d(x, *factor),
            Op::Activation(activation) => ops::activation(x, *activation),
            Op::Normalize(constants) => {
                let Constants {
                    scale,
                    shift,
                    statistics,
                } = &**constants;
                let exact = ops::BatchNorm {
                    momentum: 0.0,
                    epsilon: 0.0,
                };
                ops::batch_norm_eval(x, scale, shift, statistics, exact)
            }
            Op::Inner { join, chains } => self.inner(x, *join, chains),
        }
    }

    fn inner<T: Tape<f32, B>>(
        &mut self,
        x: Tensor4<B, T>,
        join: Join,
        chains: &[Vec<Module<B>>],
    ) -> Tensor4<B, T> {
        if let (Join::Only, [chain]) = (join, chains) {
            return self.chain(x, chain);
        }
        let (x, tape) = x.split_tape();
        // The first branch records on the tape of the input, and each other one on a tape of its own. Tapes are merged
        // where branches are joined.
        let mut tape = Some(tape);
        let is_below_parameters = self.is_below_parameters;
        let mut branch = |pass: &mut Self, chain: &[Module<B>]| {
            pass.is_below_parameters = is_below_parameters;
            let x = x.clone().put_tape(tape.take().unwrap_or_default());
            pass.chain(x, chain)
        };
        let mut outputs: Vec<Tensor4<B, T>> =
            chains.iter().map(|chain| branch(self, chain)).collect();
        match join {
            Join::Only | Join::Concat => ops::concat(outputs),
            Join::Add => {
                let other = outputs.pop().expect("two branches are added");
                ops::add(outputs.remove(0), other)
            }
            Join::Scale => {
                let factors = outputs.remove(0);
                let x = branch(self, &[]);
                ops::scale_channels(x, factors)
            }
        }
    }

    /// Returns the gradients to compute for a module. Below the first layer with weights, no gradient is needed unless
    /// the caller needs that of the input.
    fn wanted(&self, has_tape: bool) -> Wanted {
        match self.mode {
            Mode::Train { wanted, .. } => Wanted {
                input: wanted.input || !self.is_below_parameters,
                parameters: wanted.parameters && !self.is_frozen,
            },
            Mode::Predict => Wanted {
                input: has_tape,
                parameters: false,
            },
            Mode::Estimate => Wanted {
                input: false,
                parameters: false,
            },
        }
    }
}
