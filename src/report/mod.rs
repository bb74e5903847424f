//! Reports for users: progress on the terminal, logs, run records, tables and diagrams.
//!
//! The engine sends [`Event`]s to a [`Reporter`], which passes each one to its observers: the terminal
//! ([`bars`], or [`lines`] if the output is not a terminal) and the [`record`]. Nothing flows back.

pub mod bars;
pub mod columns;
pub mod comparison;
pub mod console;
pub mod diagram;
pub mod event;
pub mod expectations;
pub mod history;
pub mod junit;
pub mod latex;
pub mod lines;
pub mod logs;
pub mod markdown;
pub mod record;
pub mod run_files;
pub mod run_id;
pub mod run_number;
pub mod runs;
pub mod sweep;
pub mod table;
pub mod warnings;
pub mod whole;
pub mod wording;

pub use console::{Console, Verbosity};
pub use event::{
    BestTrial, Event, Judgement, Observer, Reporter, RunReport, RunState, StageReport,
};
pub use run_id::RunId;
pub use warnings::Warnings;
