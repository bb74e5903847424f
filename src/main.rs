use std::process::ExitCode;

use clap::Parser;
use runner::cli::Cli;

/// Stages allocate and free images and tensors from several threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    Cli::parse().execute()
}
