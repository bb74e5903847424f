//! The engine of runner, a declarative experiment pipeline runner.
//!
//! The engine knows YAML, graphs, schedules and processes, and nothing numeric. It knows the stage kinds only
//! through the interface in [`contract`], and keeps results in a [`store`]. Data flows in one direction, and only
//! events flow back:
//!
//! ```text
//! table1.yaml ─ spec ────── a typed document; every value has its place in the file
//!                 └ sweep ─── trials and seeds: the copies of the pipeline
//!                     └ graph ─── stages and their connections: references, matrices, ports, shapes
//!                         └ plan ─── fingerprints and keys; which stages are hits, and why the others run
//!                             └ scheduler ─── which stage starts next, in which slots
//!                                 └ executor ─── a hit or a lease; making and recording results
//!                                     ├ launch ─── where a stage runs: a process on this machine
//!                                         └ run ─── events and records of runs
//! ```
//!
//! The modules above the scheduler execute no stage. They read the pipeline, the bytes of sources, and the store.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read what they wrote")
)]

pub mod atomic_file;
pub mod devices;
pub mod error;
pub mod event;
pub mod executor;
pub mod explain;
pub mod forecast;
pub mod graph;
pub mod launch;
pub mod plan;
pub mod run;
pub mod scheduler;
pub mod schema;
pub mod spec;
pub mod sweep;
pub mod wording;
