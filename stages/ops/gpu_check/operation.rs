//! The operations that are compared, each with the tensors that it is tried on.

use contract::{Precision, random};
use dfdx::prelude::*;

use crate::optimizer::{
    Average, Optimizer, OptimizerConfig, ParameterOptions, Penalty, SecondMoment,
};
use crate::{Activation, Backend, Nchw, Pool2d, RunningStats, Tensor4, Wanted, vector_jacobian};

/// The operations that are tested.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Conv2d,
    ConvPool2d,
    ConvTranspose2d,
    Dense,
    Activation(Activation),
    MaxPool2d,
    AvgPool2d,
    GlobalAvgPool2d,
    GlobalMaxPool2d,
    UpsampleNearest2d,
    Dropout,
    SpatialDropout,
    Add,
    Concat,
    ScaleChannels,
    BatchNorm,
    GroupNorm,
    BinaryCrossEntropy,
    CrossEntropy,
    SoftCrossEntropy,
    Adam,
    AdamW,
    RmsProp,
    Sgd,
}

use Operation::*;

pub(super) const OPERATIONS: [Operation; 33] = [
    Conv2d,
    ConvPool2d,
    ConvTranspose2d,
    Dense,
    Activation(Activation::Relu),
    Activation(Activation::LeakyRelu),
    Activation(Activation::Elu),
    Activation(Activation::Sigmoid),
    Activation(Activation::Tanh),
    Activation(Activation::Relu6),
    Activation(Activation::HardSigmoid),
    Activation(Activation::Silu),
    Activation(Activation::Gelu),
    Activation(Activation::HardSwish),
    MaxPool2d,
    AvgPool2d,
    GlobalAvgPool2d,
    GlobalMaxPool2d,
    UpsampleNearest2d,
    Dropout,
    SpatialDropout,
    Add,
    Concat,
    ScaleChannels,
    BatchNorm,
    GroupNorm,
    BinaryCrossEntropy,
    CrossEntropy,
    SoftCrossEntropy,
    Adam,
    AdamW,
    RmsProp,
    Sgd,
];

pub(super) const BOTH: Wanted = Wanted {
    input: true,
    parameters: true,
};

/// A batch of images of odd sizes.
const IMAGES: Nchw = (3, 20, 13, 11);

impl Operation {
    pub(super) fn name(self) -> String {
        match self {
            Activation(function) => format!("activation {function:?}"),
            other => format!("{other:?}"),
        }
    }

    /// Only products of matrices use TF32.
    pub(super) fn precisions(self) -> &'static [Precision] {
        match self {
            Conv2d | ConvPool2d | ConvTranspose2d | Dense => &[Precision::Float32, Precision::Tf32],
            _ => &[Precision::Float32],
        }
    }

    /// Returns output and gradients.
    pub(super) fn results<B: Backend>(self, device: &B) -> Vec<Vec<f32>> {
        let linear = crate::Conv2d::square(2, 1);
        let pool = Pool2d::square(3, 2);
        let halve = Pool2d::square(2, 2);
        let map = |f: fn(Traced<B>) -> Traced<B>| differentiate(device, IMAGES, &[], |x, _| f(x));
        let bias = |outputs| (1, outputs, 1, 1);
        match self {
            Conv2d => differentiate(device, IMAGES, &[(70, 20, 4, 4), bias(70)], |x, p| {
                crate::conv2d(x, &p[0], &p[1], linear, BOTH)
            }),
            ConvPool2d => differentiate(device, IMAGES, &[(40, 20, 3, 3), bias(40)], |x, p| {
                let conv = crate::Conv2d {
                    stride: [1, 1],
                    ..linear
                };
                let op = crate::ConvPool2d::of(conv, halve).expect("a plain convolution");
                crate::conv_pool2d(x, &p[0], &p[1], op, BOTH)
            }),
            ConvTranspose2d => {
                differentiate(device, IMAGES, &[(20, 33, 4, 4), bias(33)], |x, p| {
                    let op = crate::ConvTranspose2d {
                        stride: 2,
                        padding: 1,
                        activation: Activation::Linear,
                    };
                    crate::conv_transpose2d(x, &p[0], &p[1], op, BOTH)
                })
            }
            Dense => {
                let shapes = [(50, 300, 1, 1), bias(50)];
                differentiate(device, (9, 300, 1, 1), &shapes, |x, p| {
                    crate::dense(x, &p[0], &p[1], Activation::Linear, BOTH)
                })
            }
            Activation(function) => {
                differentiate(device, IMAGES, &[], |x, _| crate::activation(x, function))
            }
            MaxPool2d => differentiate(device, IMAGES, &[], |x, _| crate::max_pool2d(x, pool)),
            AvgPool2d => differentiate(device, IMAGES, &[], |x, _| crate::avg_pool2d(x, pool)),
            GlobalAvgPool2d => map(crate::global_avg_pool2d),
            GlobalMaxPool2d => map(crate::global_max_pool2d),
            UpsampleNearest2d => map(|x| crate::upsample_nearest2d(x, 2)),
            Dropout => map(|x| crate::dropout(x, 0.25, 1, [2, 3])),
            SpatialDropout => map(|x| crate::spatial_dropout(x, 0.25, 1, [2, 3])),
            Add => differentiate(device, IMAGES, &[IMAGES], |x, p| {
                crate::add(x, p[0].leaky_trace())
            }),
            Concat => differentiate(device, IMAGES, &[IMAGES], |x, p| {
                crate::concat(vec![x, p[0].leaky_trace()])
            }),
            ScaleChannels => differentiate(device, IMAGES, &[(3, 20, 1, 1)], |x, p| {
                crate::scale_channels(x, p[0].leaky_trace())
            }),
            GroupNorm => differentiate(device, IMAGES, &[bias(20), bias(20)], |x, p| {
                let op = crate::GroupNorm {
                    groups: 4,
                    epsilon: 1e-3,
                };
                crate::group_norm(x, &p[0], &p[1], op, BOTH)
            }),
            BatchNorm => {
                let constant = |value| crate::from_host(device, vec![value; 20], bias(20));
                let mut results = Vec::new();
                let mut running = RunningStats {
                    mean: constant(0.0),
                    variance: constant(1.0),
                };
                let op = crate::BatchNorm {
                    momentum: 0.9,
                    epsilon: 1e-3,
                };
                results.extend(differentiate(
                    device,
                    IMAGES,
                    &[bias(20), bias(20)],
                    |x, p| crate::batch_norm_train(x, &p[0], &p[1], &mut running, op, BOTH),
                ));
                results.extend([
                    crate::to_host(&running.mean),
                    crate::to_host(&running.variance),
                ]);
                let (scale, shift) = (noise(device, bias(20), 1), noise(device, bias(20), 2));
                results.extend(differentiate(device, IMAGES, &[], |x, _| {
                    crate::batch_norm_eval(x, &scale, &shift, &running, op)
                }));
                results
            }
            BinaryCrossEntropy => loss(device, (300, 1, 1, 1), |x| {
                let targets: Vec<f32> = (0..300).map(|i| (i % 2) as f32).collect();
                crate::binary_cross_entropy(x, &targets, &weights())
            }),
            CrossEntropy => loss(device, (300, 5, 1, 1), |x| {
                let classes: Vec<usize> = (0..300).map(|i| i % 5).collect();
                crate::cross_entropy(x, &classes, &weights())
            }),
            SoftCrossEntropy => loss(device, (300, 5, 1, 1), |x| {
                let targets = random::uniform(300 * 5, 7);
                crate::soft_cross_entropy(x, &targets, &weights())
            }),
            Adam => steps(
                device,
                OptimizerConfig::Adam {
                    beta1: 0.9,
                    beta2: 0.999,
                    epsilon: 1e-8,
                    epsilon_added_to: SecondMoment::Corrected,
                },
            ),
            AdamW => steps(
                device,
                OptimizerConfig::AdamW {
                    beta1: 0.9,
                    beta2: 0.999,
                    epsilon: 1e-8,
                    weight_decay: 0.1,
                },
            ),
            RmsProp => steps(
                device,
                OptimizerConfig::RmsProp {
                    decay: 0.9,
                    momentum: 0.9,
                    epsilon: 1e-7,
                },
            ),
            Sgd => steps(
                device,
                OptimizerConfig::Sgd {
                    momentum: 0.9,
                    weight_decay: 0.1,
                },
            ),
        }
    }
}

/// A tensor that records operations on its tape.
type Traced<B> = Tensor4<B, OwnedTape<f32, B>>;

/// Returns the weights of the examples of a loss.
fn weights() -> Vec<f32> {
    (0..300).map(|i| 1.0 + (i % 3) as f32).collect()
}

/// Returns random values in [−1, 1).
pub(super) fn noise<B: Backend>(device: &B, shape: Nchw, salt: u64) -> Tensor4<B> {
    crate::from_host(device, noise_values(shape, salt), shape)
}

fn noise_values(shape: Nchw, salt: u64) -> Vec<f32> {
    let values = random::uniform(crate::len(shape), salt).into_iter();
    values.map(|value| 2.0 * value - 1.0).collect()
}

/// Returns the output of an operation on one tensor and some parameters, and the gradients of the sum of the output
/// times random factors, with respect to the tensor and the parameters.
fn differentiate<B: Backend>(
    device: &B,
    input: Nchw,
    parameters: &[Nchw],
    mut operation: impl FnMut(Traced<B>, &[Tensor4<B>]) -> Traced<B>,
) -> Vec<Vec<f32>> {
    let input = noise(device, input, 1);
    let parameters: Vec<Tensor4<B>> = parameters
        .iter()
        .zip(2..)
        .map(|(&shape, salt)| noise(device, shape, salt))
        .collect();
    let output = operation(input.leaky_trace(), &parameters);
    let values = crate::to_host(&output.retaped());
    let factors = noise_values(*output.shape(), 99);
    let gradients = vector_jacobian(output, factors);
    let mut results = vec![values];
    for tensor in std::iter::once(&input).chain(&parameters) {
        results.push(crate::to_host(&gradients.get(tensor)));
    }
    results
}

/// Returns a loss, and its gradient with respect to the logits.
fn loss<B: Backend>(
    device: &B,
    logits: Nchw,
    loss: impl Fn(Traced<B>) -> crate::Scalar<B, OwnedTape<f32, B>>,
) -> Vec<Vec<f32>> {
    let logits = noise(device, logits, 1);
    let loss = loss(logits.leaky_trace());
    let value = crate::Reading::of(&loss.retaped::<NoneTape>()).finish();
    let gradients = crate::losses::backward(loss);
    vec![value, crate::to_host(&gradients.get(&logits))]
}

/// Returns a parameter after three updates with clipped gradients, and its average.
fn steps<B: Backend>(device: &B, config: OptimizerConfig) -> Vec<Vec<f32>> {
    let shape = (7, 5, 3, 3);
    let mut parameters = [noise(device, shape, 1)];
    let mut optimizer = Optimizer::new(config, &parameters).clipped(Some(2.0));
    let mut average = Average::new(0.9, &parameters);
    let options = [ParameterOptions {
        penalty: Penalty { l1: 0.1, l2: 0.2 },
        ..ParameterOptions::default()
    }];
    for step in 0..3 {
        let factors = noise_values(shape, 2 + step);
        let mut gradients = vector_jacobian(parameters[0].leaky_trace(), factors);
        optimizer.step(0.05, &mut parameters, &mut gradients, &options);
        average.update(step, &parameters);
    }
    vec![
        crate::to_host(&parameters[0]),
        crate::to_host(&average.tensors()[0]),
    ]
}
