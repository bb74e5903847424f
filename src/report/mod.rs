//! Reports for users: progress on the terminal, logs, tables and diagrams.
//!
//! The engine sends [events](engine::event::Event) to observers: the terminal ([`bars`], or [`lines`] if the
//! output is not a terminal; [`live`] has what both share) and the run's event log. Observers send nothing back to the
//! engine.

mod bars;
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
mod lines;
pub mod live;
pub mod logs;
pub mod markdown;
pub mod metrics;
pub mod predictions;
pub mod sweep;
pub mod table;
mod ticker;
pub mod warnings;
mod xml;

pub use console::{Console, Verbosity};
pub use live::{Display, Viewer};
pub use warnings::Warnings;

/// Creates the display of a run that suits the terminal.
pub fn display(console: &Console, viewer: Viewer) -> Box<dyn Display> {
    if console.is_live() {
        Box::new(bars::Bars::new(console.clone(), viewer))
    } else {
        Box::new(lines::Lines::new(console.clone(), viewer))
    }
}
