//! Batch normalization.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use dfdx::shapes::HasShape;
use dfdx::tensor::{PutTape, SplitTape, Storage, Tape};

use super::memory::take;
use super::{Backend, Nchw, Tensor4, Wanted, device_failed};

/// Constants of batch normalization (Ioffe and Szegedy, 2015).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNorm {
    /// Weight of the old running value, in [0, 1]. As in Keras: running = `momentum`·running + (1 −
    /// `momentum`)·batch.
    pub momentum: f32,
    /// Added to the variance; greater than 0.
    pub epsilon: f32,
}

/// Running mean and variance of every channel, each (1, c, 1, 1). The variance of a batch is the sum of squared
/// deviations divided by n, not by n − 1, as in Keras.
#[derive(Clone, Debug)]
pub struct RunningStats<B: Storage<f32>> {
    pub mean: Tensor4<B>,
    pub variance: Tensor4<B>,
}

/// Batch normalization on a device.
pub trait BatchNormKernel: Storage<f32> {
    /// Statistics of the batch, kept for the backward pass.
    type Statistics: 'static;

    fn normalize_by_batch(
        &self,
        op: BatchNorm,
        x: &Tensor4<Self>,
        scale: &Tensor4<Self>,
        shift: &Tensor4<Self>,
        running: &mut RunningStats<Self>,
    ) -> Result<(Tensor4<Self>, Self::Statistics), Self::Err>;

    /// Adds to the gradients that are `Some`: to that of the input, and to those of scale and shift.
    fn normalize_by_batch_backward(
        &self,
        x: &Tensor4<Self>,
        scale: &Tensor4<Self>,
        statistics: Self::Statistics,
        incoming: Self::Vec,
        to_input: Option<&mut Self::Vec>,
        to_parameters: Option<(&mut Self::Vec, &mut Self::Vec)>,
    ) -> Result<(), Self::Err>;

    fn normalize_by_running(
        &self,
        op: BatchNorm,
        x: &Tensor4<Self>,
        scale: &Tensor4<Self>,
        shift: &Tensor4<Self>,
        running: &RunningStats<Self>,
    ) -> Result<Tensor4<Self>, Self::Err>;

    /// Adds to the gradient of the input, which has this shape.
    fn normalize_by_running_backward(
        &self,
        op: BatchNorm,
        scale: &Tensor4<Self>,
        variance: &Tensor4<Self>,
        shape: Nchw,
        incoming: Self::Vec,
        to_input: &mut Self::Vec,
    ) -> Result<(), Self::Err>;
}

/// Normalizes every channel of `x` by its mean and variance in the batch, multiplies by `scale` and adds
/// `shift` (each (1, c, 1, 1)). Updates `running` with the batch's statistics.
///
/// # Panics
/// If the shapes do not match, or the device fails.
pub fn batch_norm_train<B: Backend, T: Tape<f32, B>>(
    x: Tensor4<B, T>,
    scale: &Tensor4<B>,
    shift: &Tensor4<B>,
    running: &mut RunningStats<B>,
    op: BatchNorm,
    wanted: Wanted,
) -> Tensor4<B, T> {
    assert_per_channel(&x, [scale, shift, &running.mean, &running.variance]);
    let (x, mut tape) = x.split_tape();
    let device = x.device().clone();
    let (output, statistics) = device
        .normalize_by_batch(op, &x, scale, shift, running)
        .unwrap_or_else(device_failed("batch_norm_train"));
    if wanted.input || wanted.parameters {
        let (scale, shift, output) = (scale.clone(), shift.ghost(), output.ghost());
        tape.add_backward_op(move |gradients| {
            let incoming = take(&device, gradients.get_or_alloc_mut(&output)?)?;
            let mut to_input = None;
            if wanted.input {
                to_input = Some(take(&device, gradients.get_or_alloc_mut(&x)?)?);
            }
            let mut to_parameters = None;
            if wanted.parameters {
                let mut to_scale = take(&device, gradients.get_or_alloc_mut(&scale)?)?;
                let mut to_shift = take(&device, gradients.get_or_alloc_mut(&shift)?)?;
                // An optimizer's placeholder for a gradient is an empty buffer.
                for buffer in [&mut to_scale, &mut to_shift] {
                    device.fill_if_empty(buffer, x.shape().1)?;
                }
                to_parameters = Some((to_scale, to_shift));
            }
            let parameters = to_parameters.as_mut().map(|(scale, shift)| (scale, shift));
            device.normalize_by_batch_backward(
                &x,
                &scale,
                statistics,
                incoming,
                to_input.as_mut(),
                parameters,
            )?;
            if let Some(buffer) = to_input {
                *gradients.get_or_alloc_mut(&x)? = buffer;
            }
            if let Some((to_scale, to_shift)) = to_parameters {
                *gradients.get_or_alloc_mut(&scale)? = to_scale;
                *gradients.get_or_alloc_mut(&shift)? = to_shift;
            }
            Ok(())
        });
    }
    output.put_tape(tape)
}

/// Normalizes every channel of `x` by its running mean and variance. Only `x` gets a gradient.
///
/// # Panics
/// If the shapes do not match, or the device fails.
pub fn batch_norm_eval<B: Backend, T: Tape<f32, B>>(
    x: Tensor4<B, T>,
    scale: &Tensor4<B>,
    shift: &Tensor4<B>,
    running: &RunningStats<B>,
    op: BatchNorm,
) -> Tensor4<B, T> {
    assert_per_channel(&x, [scale, shift, &running.mean, &running.variance]);
    let (x, mut tape) = x.split_tape();
    let device = x.device().clone();
    let output = device
        .normalize_by_running(op, &x, scale, shift, running)
        .unwrap_or_else(device_failed("batch_norm_eval"));
    let shape = *x.shape();
    let (x, scale, variance, id) = (
        x.ghost(),
        scale.clone(),
        running.variance.clone(),
        output.ghost(),
    );
    tape.add_backward_op(move |gradients| {
        let incoming = take(&device, gradients.get_or_alloc_mut(&id)?)?;
        let to_input = gradients.get_or_alloc_mut(&x)?;
        device.normalize_by_running_backward(op, &scale, &variance, shape, incoming, to_input)
    });
    output.put_tape(tape)
}

fn assert_per_channel<B: Backend, T>(x: &Tensor4<B, T>, tensors: [&Tensor4<B>; 4]) {
    for tensor in tensors {
        assert_eq!(
            *tensor.shape(),
            (1, x.shape().1, 1, 1),
            "one value for each channel"
        );
    }
}
