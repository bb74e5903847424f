//! Renders runs and results: for a person at a terminal, as text in several formats, as pictures.
//!
//! The terminal is an observer of a run's [events](engine::run::Event): [`bars`] on a terminal, [`lines`]
//! elsewhere.

pub mod bars;
pub mod columns;
pub mod comparison;
pub mod console;
pub mod diagram;
pub mod expectations;
pub mod junit;
pub mod latex;
pub mod lines;
pub mod logs;
pub mod markdown;
pub mod sweep;
pub mod table;
pub mod warnings;

pub use console::{Console, Verbosity};
pub use warnings::Warnings;
