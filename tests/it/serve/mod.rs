//! `runner serve`: who may ask, what is shown, and what follows a run that goes on.

mod access;
pub(crate) mod client;
mod control;
mod live;
mod metrics;
mod pages;
mod results;
mod together;
