//! A declarative experiment pipeline runner.

pub mod cli;
pub mod error;
pub mod executor;
pub mod graph;
pub mod plan;
pub mod report;
pub mod scheduler;
pub mod spec;
pub mod store;
