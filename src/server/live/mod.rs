//! Runs that pages show, kept up to date while somebody looks.

mod events;
mod hub;
mod run;
mod series;
mod stage;

#[cfg(test)]
pub(crate) use series::Series;

pub(crate) use hub::{Hub, Looked, Watched};
pub(crate) use run::LiveRun;
pub(crate) use stage::{LiveStage, LiveState, Running};
