//! `runner bench train`: measures the training of classifiers.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::error::Error;
use engine::spec::{self, LoadOptions, Pipeline, suggest};
use serde::Serialize;
use stages::bench::TrainBench;

use super::device::DeviceArgs;
use super::{Common, failed, refused, start_threads};
use crate::report::Console;

/// Measure training: forward, loss, backward and update on random images
#[derive(Debug, Args)]
pub(super) struct Train {
    /// Models to train, from the pipeline's `models`
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "model1,model2,model3,model4,model5,model6"
    )]
    models: Vec<String>,
    /// Pipeline that declares the models [default: the built-in copy of `pipelines/table1.yaml`]
    #[arg(long, value_name = "FILE")]
    pipeline: Option<PathBuf>,
    /// Images per step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    batch_size: u16,
    /// Steps to measure; the result is the median
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    steps: u16,
    #[command(flatten)]
    device_args: DeviceArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Serialize)]
struct BenchParams<'a> {
    model: &'a str,
    image_size: u16,
    channels: u16,
    batch_size: u16,
    device: String,
}

/// The pipeline that declares the paper's CNNs.
const TABLE1: &str = include_str!("../../../pipelines/table1.yaml");

impl Train {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let options = LoadOptions::default();
        let pipeline = match &self.pipeline {
            Some(file) => spec::load(file, &options),
            None => spec::parse(Path::new("table1.yaml"), TABLE1, &options),
        };
        let pipeline = pipeline.map_err(Error::Invalid)?;
        if let Some(name) = &self.common.here {
            return self.measure(console, name, &self.bench(&pipeline, name)?);
        }
        for name in &self.models {
            self.bench(&pipeline, name)?;
        }
        let visible = self.device_args.visible()?;
        let mut models = self.models.iter();
        models.try_for_each(|name| self.common.run_in_child(name, visible.clone()))
    }

    /// Creates and checks the benchmark for a model of the pipeline.
    fn bench(&self, pipeline: &Pipeline, name: &str) -> Result<TrainBench, Error> {
        let Some((_, model)) = pipeline.models().find(|(known, _)| *known == name) else {
            let known = pipeline.models().map(|(known, _)| known);
            let hint = suggest::hint("models", name, known);
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            return Err(Error::Usage(format!("there is no model `{name}`{hint}")));
        };
        let image = self.common.image();
        let (batch_size, steps) = (self.batch_size.into(), self.steps.into());
        let device = self.device_args.device()?;
        TrainBench::new(model, image, batch_size, steps, device).map_err(refused)
    }

    fn measure(&self, console: &Console, name: &str, bench: &TrainBench) -> Result<(), Error> {
        let threads = start_threads(self.common.threads)?;
        let measured = bench.measure().map_err(failed)?;
        let params = BenchParams {
            model: name,
            image_size: self.common.image_size,
            channels: self.common.channels,
            batch_size: self.batch_size,
            device: self.device_args.device()?.to_string(),
        };
        self.common.print(console, name, &params, threads, measured)
    }
}
