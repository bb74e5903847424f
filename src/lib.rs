pub mod graph;
pub mod report;
pub mod scheduler;
pub mod spec;
