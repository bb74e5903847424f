//! Benchmark of depthwise convolutions.

use std::time::Instant;

use contract::{Failure, ImageShape, Invalid, random};
use dfdx::tensor::{Cpu, Storage};
use ops::{Activation, Conv2d, Layer, LayerBackward, Memory, Padding, len, on_pool};

use super::{Throughput, median_throughput};

/// Depthwise convolution to measure on the CPU, of random images, with square filters and without activation.
#[derive(Clone, Copy, Debug)]
pub struct DepthwiseBench {
    /// At least two channels.
    pub image: ImageShape,
    /// Rows and columns of a filter; half of them are the padding on each side.
    pub kernel: usize,
    pub stride: usize,
    pub pass: Pass,
    /// Images per step; at least 1.
    pub batch_size: usize,
    /// Measured steps; at least 1.
    pub steps: usize,
}

/// Part of a training step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    Forward,
    /// The gradients of input, weight and bias.
    Backward,
}

impl DepthwiseBench {
    /// # Errors
    /// If there is one channel: such a convolution is not depthwise.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.image.channels > 1 {
            return Ok(());
        }
        Err(Invalid::new(
            "a depthwise convolution needs at least two channels".to_owned(),
        ))
    }

    /// Computes the pass again and again, and returns the throughput.
    ///
    /// # Errors
    /// As for [`DepthwiseBench::check`]. Also if memory runs out.
    pub fn measure(&self) -> Result<Throughput, Failure> {
        self.check().map_err(|e| Failure::Data(e.to_string()))?;
        on_pool(|| Ok(self.on_cpu()))
    }

    fn on_cpu(&self) -> Throughput {
        let ImageShape {
            height,
            width,
            channels,
        } = self.image;
        let cpu = Cpu::default();
        let op = Conv2d {
            stride: [self.stride; 2],
            dilation: [1; 2],
            padding: Padding::all(self.kernel / 2),
            groups: channels,
            activation: Activation::Linear,
        };
        let noise = |shape, salt| ops::from_host(&cpu, random::uniform(len(shape), salt), shape);
        let input = noise((self.batch_size, channels, height, width), 0);
        let weight = noise((channels, 1, self.kernel, self.kernel), 1);
        let bias = noise((1, channels, 1, 1), 2);
        let forward = || {
            let started = Instant::now();
            let (output, ()) = cpu
                .forward(op, &input, &weight, &bias)
                .expect("enough memory");
            (started.elapsed(), output)
        };
        if self.pass == Pass::Forward {
            return median_throughput(self.batch_size, self.steps, |_| forward().0);
        }
        let (_, output) = forward();
        let factors = ops::to_host(&output);
        let buffer = |count| {
            let buffer: Result<<Cpu as Storage<f32>>::Vec, _> = cpu.try_alloc_len(count);
            buffer.expect("enough memory")
        };
        let mut to_input = buffer(ops::to_host(&input).len());
        let mut to_parameters = (
            buffer(channels * self.kernel * self.kernel),
            buffer(channels),
        );
        median_throughput(self.batch_size, self.steps, |_| {
            let mut incoming = buffer(factors.len());
            cpu.write(&factors, &mut incoming).expect("enough memory");
            let call = LayerBackward {
                input: &input,
                weight: &weight,
                output: &output,
                incoming,
                to_input: Some(&mut to_input),
                to_parameters: Some((&mut to_parameters.0, &mut to_parameters.1)),
            };
            let started = Instant::now();
            Layer::<Conv2d>::backward(&cpu, op, (), call).expect("enough memory");
            started.elapsed()
        })
    }
}
