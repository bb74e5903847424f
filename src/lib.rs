//! A declarative experiment pipeline runner: the engine.
//!
//! It knows YAML, graphs, keys, stores and processes; all numerics are in the crate [`stages`],
//! which knows none of those. Data goes one way, and nothing flows back but events:
//!
//! ```text
//! table1.yaml ─ spec ────── a typed document; every value knows its place in the file
//!                 └ sweep ─── trials and seeds: which copies of the pipeline there are
//!                     └ graph ─── stages and what connects them: references, matrices, ports, shapes
//!                         └ plan ─── fingerprints and keys; which stages are hits, why others run
//!                             └ scheduler ─── which stage starts next, in which slots
//!                                 └ executor ─── a lease, then a worker process
//!                                     └ stages ─── the work itself
//!                                         └ store ─── blobs, trees, action records
//!                                             └ report ─── bars, records, tables
//! ```
//!
//! Everything above the scheduler runs no stage; it reads the pipeline, the bytes of sources, and the
//! store. `cli` puts the rooms together, one file to a subcommand; `config` reads what the options are
//! where nobody types them; `error` has the exit codes.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read what they wrote")
)]

pub mod cli;
pub mod config;
pub mod devices;
pub mod error;
pub mod executor;
pub mod explain;
pub mod forecast;
pub mod graph;
pub mod plan;
pub mod report;
pub mod scheduler;
pub mod schema;
pub mod spec;
pub mod store;
pub mod sweep;

/// The allocator of the binary.
pub use mimalloc::MiMalloc as Allocator;
