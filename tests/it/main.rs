//! The binary as a person meets it, and the library where that is nearer to the point.

mod bench;
mod bombs;
mod cache;
mod command_line;
mod failures;
mod fuzz;
mod guarantees;
mod limits;
mod readme;
mod resuming;
mod running;
mod sandbox;
mod snapshots;
mod sources;
mod spec;
mod table1;
