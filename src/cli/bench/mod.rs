//! `runner bench`: measures the work that stages spend most of their time on.

mod data;
mod depthwise;
mod device;
mod gan;
mod machine;
mod train;

use std::fmt::Display;

use clap::{Args, Subcommand};
use contract::{Failure, ImageShape, Invalid};
use engine::error::Error;
use engine::launch::{own_binary, peak_memory_mib};
use serde::Serialize;
use stages::bench::Throughput;

use super::unwritten;
use crate::report::Console;

/// Measure how fast this machine trains and reads images
#[derive(Debug, Args)]
pub(super) struct Bench {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(train::Train),
    Gan(gan::Gan),
    Data(data::Data),
    Depthwise(depthwise::Depthwise),
    Machine(machine::Machine),
}

/// Options of every measurement except `machine`.
#[derive(Debug, Args)]
struct Common {
    /// Height and width of the images in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    image_size: u16,
    /// Channels of the images: 1 for gray, 3 for RGB
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    channels: u16,
    /// Threads to use [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
    /// Run this measurement in the current process
    #[arg(long, hide = true)]
    here: Option<String>,
}

/// A line of results: first the parameters, then the measurements.
#[derive(Serialize)]
struct Line<'a, Params> {
    #[serde(flatten)]
    params: &'a Params,
    threads: usize,
    images_per_second: f64,
    /// Peak memory of the whole process.
    peak_rss_mib: u64,
}

impl Bench {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        match self.command {
            Command::Train(train) => train.execute(console),
            Command::Gan(gan) => gan.execute(console),
            Command::Data(data) => data.execute(console),
            Command::Depthwise(depthwise) => depthwise.execute(console),
            Command::Machine(machine) => machine.execute(console),
        }
    }
}

impl Common {
    fn image(&self) -> ImageShape {
        ImageShape {
            height: self.image_size.into(),
            width: self.image_size.into(),
            channels: self.channels.into(),
        }
    }

    /// Runs a measurement in a separate process, because peak memory can only be read for a whole process.
    /// Stages also run in separate processes. `visible` is added to the environment of the process.
    fn run_in_child(
        &self,
        what: &str,
        visible: Option<(&'static str, String)>,
    ) -> Result<(), Error> {
        let failed = |cause: &dyn Display| Error::System(format!("failed to measure: {cause}"));
        let status = own_binary().and_then(|mut command| {
            command.args(std::env::args_os().skip(1));
            command.envs(visible);
            command.arg(format!("--here={what}")).status()
        });
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(failed(&status)),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Prints a measurement, as text or as JSON.
    fn print(
        &self,
        console: &Console,
        name: &str,
        params: &impl Serialize,
        threads: usize,
        measured: Throughput,
    ) -> Result<(), Error> {
        let line = Line {
            params,
            threads,
            images_per_second: (measured.images_per_second * 10.0).round() / 10.0,
            peak_rss_mib: peak_memory_mib() as u64,
        };
        let text = if self.json {
            serde_json::to_string(&line).map_err(|e| Error::Internal(e.to_string()))?
        } else {
            format!(
                "{name}: {:.1} images/s, {} MiB at most, {threads} threads",
                line.images_per_second, line.peak_rss_mib
            )
        };
        console.result(&text).map_err(unwritten)
    }
}

/// Starts `wanted` threads for the measurement, or one per core, and returns their number.
fn start_threads(wanted: Option<u16>) -> Result<usize, Error> {
    let mut pool = rayon::ThreadPoolBuilder::new().stack_size(stages::STACK_SIZE);
    if let Some(threads) = wanted {
        pool = pool.num_threads(threads.into());
    }
    pool.build_global()
        .map_err(|e| Error::System(format!("failed to start threads: {e}")))?;
    Ok(rayon::current_num_threads())
}

/// Converts an invalid benchmark to a usage error.
fn refused(invalid: Invalid) -> Error {
    Error::Usage(invalid.to_string())
}

/// Converts a failed measurement to an error. Bad data is a usage error, because the user can repair it.
fn failed(failure: Failure) -> Error {
    match failure {
        Failure::Data(message) => Error::Usage(message),
        Failure::System(message) => Error::System(message),
        Failure::OutOfMemory(_) => Error::System(failure.to_string()),
        other => Error::Internal(other.to_string()),
    }
}
