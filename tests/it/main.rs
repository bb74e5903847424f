//! Integration tests of the binary, and of the libraries where that is more direct.

#![allow(clippy::disallowed_methods, reason = "tests read what they wrote")]

mod artifacts;
mod bench;
mod bombs;
mod cache;
mod calibrating;
mod command_line;
mod commands;
mod compare;
mod configuration;
mod contrasts;
mod conventions;
mod cuda;
mod declared_metrics;
mod device;
mod doctor;
mod evaluating;
mod expecting;
mod explaining;
mod exported_runs;
mod exporting;
mod failures;
mod file_modes;
mod folds;
mod fuzz;
mod graph;
mod guarantees;
mod heat_maps;
#[cfg(target_os = "linux")]
mod hostile;
mod hostile_names;
mod including;
mod junit;
mod launching;
mod limits;
mod metric_pages;
mod metrics;
mod mutants;
mod output_files;
mod plan;
mod predict;
mod progress;
mod pty;
mod python;
mod readme;
mod records;
mod rectangles;
mod remote;
mod report;
mod resources;
mod resuming;
mod running;
mod runs;
mod sandbox;
mod schema;
#[cfg(target_os = "linux")]
mod serve;
#[cfg(target_os = "linux")]
mod slurm;
mod snapshots;
mod sources;
mod spec;
mod special_files;
mod spelling;
mod ssh;
mod starting_points;
mod sweeping;
mod system_limits;
mod table1;
mod tables;
mod terminal;
mod users;
mod warnings;
