//! Runs that pages show, kept up to date while somebody looks.

mod hub;
mod run;
mod series;

pub(crate) use hub::{Hub, Looked, Watched};
pub(crate) use run::{LiveRun, LiveStage, LiveState, Running};
