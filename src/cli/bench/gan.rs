//! `runner bench gan`: measures the training of a DCGAN.

use clap::Args;
use engine::error::Error;
use serde::Serialize;
use stages::bench::GanBench;

use super::device::DeviceArgs;
use super::{Common, failed, refused, start_threads};
use crate::report::Console;

/// Measure the training of a DCGAN: updates of discriminator and generator on random images
#[derive(Debug, Args)]
pub(super) struct Gan {
    /// Real images per step
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(2..))]
    batch_size: u16,
    /// Length of a noise vector
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    latent: u16,
    /// Use batch normalization
    #[arg(long)]
    batch_norm: bool,
    /// Steps to measure; the result is the median
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    steps: u16,
    #[command(flatten)]
    device_args: DeviceArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Serialize)]
struct BenchParams {
    model: &'static str,
    image_size: u16,
    channels: u16,
    batch_size: u16,
    batch_norm: bool,
    device: String,
}

impl Gan {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let bench = GanBench {
            image: self.common.image(),
            batch_size: self.batch_size.into(),
            latent: self.latent.into(),
            batch_norm: self.batch_norm,
            steps: self.steps.into(),
            device: self.device_args.device()?,
        };
        bench.check().map_err(refused)?;
        if self.common.here.is_none() {
            return self
                .common
                .run_in_child("dcgan", self.device_args.visible()?);
        }
        let threads = start_threads(self.common.threads)?;
        let measured = bench.measure().map_err(failed)?;
        let params = BenchParams {
            model: "dcgan",
            image_size: self.common.image_size,
            channels: self.common.channels,
            batch_size: self.batch_size,
            batch_norm: self.batch_norm,
            device: bench.device.to_string(),
        };
        self.common
            .print(console, "dcgan", &params, threads, measured)
    }
}
