//! Options and settings of the places where stages run, other than this machine.

use std::collections::BTreeMap;

use clap::ValueEnum;
use engine::error::Error;
use engine::graph::Graph;
use engine::launch::{Executors, OnInterrupt};
use engine::spec::{Executor, Processors};

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

/// Returns the settings of the executors that a graph uses.
///
/// # Errors
/// If they cannot be used, or lack the user's consent.
pub(super) fn of(graph: &Graph, on_interrupt: OnInterruptArg) -> Result<Executors, Error> {
    let mut stages = graph.stages.node_weights();
    let slurm = match stages.any(|stage| stage.executor == Executor::Slurm) {
        true => Config::load().and_then(|config| config.slurm()),
        false => Ok(slurm::Settings::default()),
    };
    Ok(Executors {
        slurm: slurm.map_err(Error::Invalid)?,
        on_interrupt: on_interrupt.into(),
    })
}
