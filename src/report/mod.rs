//! Reports for users: progress on the terminal, logs, tables and diagrams.
//!
//! The engine sends [events](engine::event::Event) to observers: the terminal ([`bars`], or [`lines`] if the
//! output is not a terminal) and the run's event log. Observers send nothing back to the engine.

pub mod bars;
pub mod columns;
pub mod console;
pub mod contrasts;
pub mod csv;
pub mod diagram;
pub mod expectations;
pub mod format;
mod grid;
pub mod junit;
pub mod latex;
pub mod lines;
pub mod logs;
pub mod markdown;
pub mod metrics;
pub mod sweep;
pub mod table;
pub mod warnings;
mod xml;

pub use console::{Console, Verbosity};
pub use warnings::Warnings;
