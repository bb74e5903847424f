//! The binary as a person meets it.

mod command_line;
mod failures;
mod running;
mod sandbox;
