//! A declarative experiment pipeline runner.

pub mod graph;
pub mod plan;
pub mod spec;
pub mod store;
