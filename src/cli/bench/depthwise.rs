//! `runner bench depthwise`: measures depthwise convolutions.

use clap::{Args, ValueEnum};
use engine::error::Error;
use serde::Serialize;
use stages::bench::{DepthwiseBench, Pass};

use super::{Common, failed, refused, start_threads};
use crate::report::Console;

/// Measure a depthwise convolution of random images on the CPU
#[derive(Debug, Args)]
pub(super) struct Depthwise {
    /// Rows and columns of the filters
    #[arg(long, value_name = "PIXELS", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    kernel: u16,
    /// Distance between windows
    #[arg(long, value_name = "PIXELS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    stride: u16,
    /// Part of a training step
    #[arg(long, value_enum, default_value = "forward")]
    pass: PassArg,
    /// Images per step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    batch_size: u16,
    /// Steps to measure; the result is the median
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    steps: u16,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum PassArg {
    Forward,
    /// The gradients of input, weight and bias
    Backward,
}

#[derive(Serialize)]
struct BenchParams {
    kernel: u16,
    stride: u16,
    pass: PassArg,
    image_size: u16,
    channels: u16,
    batch_size: u16,
}

impl Depthwise {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let bench = DepthwiseBench {
            image: self.common.image(),
            kernel: self.kernel.into(),
            stride: self.stride.into(),
            pass: match self.pass {
                PassArg::Forward => Pass::Forward,
                PassArg::Backward => Pass::Backward,
            },
            batch_size: self.batch_size.into(),
            steps: self.steps.into(),
        };
        bench.check().map_err(refused)?;
        if self.common.here.is_none() {
            return self.common.run_in_child("depthwise", None);
        }
        let threads = start_threads(self.common.threads)?;
        let measured = bench.measure().map_err(failed)?;
        let params = BenchParams {
            kernel: self.kernel,
            stride: self.stride,
            pass: self.pass,
            image_size: self.common.image_size,
            channels: self.common.channels,
            batch_size: self.batch_size,
        };
        self.common
            .print(console, "depthwise", &params, threads, measured)
    }
}
