use std::process::ExitCode;

/// Stages allocate and free images and tensors from several threads at once.
#[global_allocator]
static ALLOCATOR: runner::Allocator = runner::Allocator;

fn main() -> ExitCode {
    runner::cli::execute()
}
