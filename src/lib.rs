//! A declarative experiment pipeline runner: the engine.
//!
//! The engine handles YAML, graphs, keys, stores and processes. All numerics are in the crate [`stages`],
//! which depends on none of these. Data flows in one direction, and only events flow back:
//!
//! ```text
//! table1.yaml ─ spec ────── a typed document; every value has a position in the file
//!                 └ sweep ─── trials and seeds: the copies of the pipeline to run
//!                     └ graph ─── stages and their connections: references, matrices, ports, shapes
//!                         └ plan ─── fingerprints and keys; which stages are hits, why others run
//!                             └ scheduler ─── which stage starts next, in which slots
//!                                 └ executor ─── a lease, then a worker process
//!                                     └ stages ─── the computation
//!                                         └ store ─── blobs, trees, action records
//!                                             └ report ─── bars, records, tables
//! ```
//!
//! The modules above the scheduler run no stages. They only read the pipeline, the bytes of sources, and
//! the store. `cli` combines the modules, with one file per subcommand. `config` reads the defaults of
//! options from configuration files. `error` defines the exit codes.

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
