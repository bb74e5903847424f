//! Records of runs for other tools.
//!
//! [`Record::read`] collects what there is to tell about a run: parameters, metrics, histories of trainings, files and
//! what each stage read, from the run's folder and from the records of its stages. A module for each format turns it
//! into files in a new folder ([`NewFolder`]), or sends it to a server:
//!
//! | module | result |
//! | --- | --- |
//! | [`tensorboard`] | event files, in a folder for each stage instance |
//! | [`mlflow`] | a run with nested runs on a tracking server; the only module that uses the network |
//! | [`ro_crate`] | a folder with results and `ro-crate-metadata.json` |
//!
//! The run itself decides everything that is written: no time, name or setting of the moment of export is included.
//! Exporting a run twice gives the same bytes, except for the ids that a server assigns.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read what they wrote")
)]

mod folder;
mod lineage_params;
mod media_type;
pub mod mlflow;
mod names;
mod params;
mod record;
pub mod ro_crate;
pub mod tensorboard;

pub use folder::NewFolder;
pub use record::{Curve, Input, Instance, Output, Record};
