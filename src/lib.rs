pub mod report;
pub mod scheduler;
