//! `runner bench machine`: measures the peak speed of the processor and its memory.

use clap::Args;
use engine::error::Error;
use stages::bench::measure_machine;

use super::start_threads;
use crate::cli::unwritten;
use crate::report::Console;

/// Measure the peak speed of this machine: arithmetic and memory bandwidth
#[derive(Debug, Args)]
pub(super) struct Machine {
    /// Threads to use [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Machine {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let threads = start_threads(self.threads)?;
        let peak = measure_machine();
        let text = if self.json {
            serde_json::to_string(&peak).map_err(|e| Error::Internal(e.to_string()))?
        } else {
            format!(
                "{:.0} GF/s in registers, {:.1} GB/s from and to memory, {threads} threads",
                peak.gflops, peak.gigabytes_per_second
            )
        };
        console.result(&text).map_err(unwritten)
    }
}
