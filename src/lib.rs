//! The command line of runner, which runs declarative experiment pipelines.
//!
//! This package is the binary. It combines the [`engine`], which knows no numerics, with the stage kinds in
//! [`stages`], which know no YAML, keys or schedules. `cli` has one file per subcommand, `config` reads the
//! defaults of options, and `report` renders runs and results.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read what they wrote")
)]

pub mod cli;
pub mod config;
pub mod report;

/// The allocator of the binary.
pub use mimalloc::MiMalloc as Allocator;
