pub mod graph;
pub mod spec;
