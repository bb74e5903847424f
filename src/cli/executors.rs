//! Options and settings of the places where stages run, other than this machine.

use std::collections::BTreeMap;

use clap::ValueEnum;
use engine::error::Error;
use engine::graph::Graph;
use engine::launch::{Executors, OnInterrupt};
use engine::spec::{Diagnostic, Executor, Processors};

use crate::config::Config;

/// Values of `--on-interrupt`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum OnInterruptArg {
    Leave,
    Cancel,
}

impl From<OnInterruptArg> for OnInterrupt {
    fn from(argument: OnInterruptArg) -> Self {
        match argument {
            OnInterruptArg::Leave => Self::Leave,
            OnInterruptArg::Cancel => Self::Cancel,
        }
    }
}

/// Returns the processors that are configured for executors. Settings that cannot be used are reported by [`of`].
pub(super) fn processors() -> BTreeMap<Executor, Processors> {
    let slurm = Config::load().and_then(|config| config.slurm());
    let slurm = slurm.map(|settings| Processors {
        cpu: settings.processor,
        gpu: settings.gpu,
    });
    let slurm = slurm.map(|processors| (Executor::Slurm, processors));
    slurm.into_iter().collect()
}

/// A diagnostic on one line.
fn said(error: &Diagnostic) -> String {
    match &error.hint {
        Some(hint) => format!("{}; {hint}", error.message),
        None => error.message.clone(),
    }
}

/// Returns the settings of executors. `graph` has the stages that are known at the beginning of a run.
///
/// # Errors
/// If settings that one of these stages needs cannot be used, or lack the user's consent.
pub(super) fn of(graph: &Graph, on_interrupt: OnInterruptArg) -> Result<Executors, Error> {
    let mut stages = graph.stages.node_weights();
    let is_needed = stages.any(|stage| stage.executor == Executor::Slurm);
    let slurm = match Config::load().and_then(|config| config.slurm()) {
        Err(errors) if is_needed => return Err(Error::Invalid(errors)),
        // A later round of a sweep may need them.
        slurm => slurm.map_err(|errors| errors.iter().map(said).collect::<Vec<_>>().join("; ")),
    };
    Ok(Executors {
        slurm,
        on_interrupt: on_interrupt.into(),
    })
}
