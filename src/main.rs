//! The `runner` binary. Everything except the allocator is in the library crate.

use std::process::ExitCode;

/// mimalloc, because stages allocate and free images and tensors on several threads at once.
#[global_allocator]
static ALLOCATOR: runner::Allocator = runner::Allocator;

fn main() -> ExitCode {
    runner::cli::execute()
}
