//! `--version`: one line, or with `--verbose` also the details of the build.

use std::env::consts::{ARCH, OS};

use contract::FORMAT_VERSION;
use engine::error::Error;
use engine::spec::DOCUMENT_VERSION;
use store::FORMAT;

use super::unwritten;
use crate::report::{Console, Verbosity};

pub(super) fn print(console: &Console) -> Result<(), Error> {
    let mut text = format!("runner {}", env!("CARGO_PKG_VERSION"));
    if console.verbosity == Verbosity::Verbose {
        let devices = stages::device::CLASSES;
        text += &format!(
            "\ndevices: {}\nallocator: {}\nstore: {FORMAT}\nartifacts: version {FORMAT_VERSION}\n\
             pipeline documents: version {DOCUMENT_VERSION}\ntarget: {ARCH}-{OS}{}",
            devices.join(", "),
            allocator(),
            environment(),
        );
    }
    console.result(&text).map_err(unwritten)
}

/// Name of the allocator's crate.
fn allocator() -> &'static str {
    let name = std::any::type_name::<crate::Allocator>();
    name.split("::").next().unwrap_or(name)
}

/// Suffix of the target for its C library, which decides where a binary runs.
fn environment() -> &'static str {
    if cfg!(target_env = "gnu") {
        "-gnu"
    } else if cfg!(target_env = "musl") {
        "-musl"
    } else {
        ""
    }
}
