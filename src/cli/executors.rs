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
    let Ok(config) = Config::load() else {
        return BTreeMap::new();
    };
    let mut processors = BTreeMap::new();
    if let Ok(slurm) = config.slurm() {
        let declared = Processors {
            cpu: slurm.processor,
            gpu: slurm.gpu,
        };
        processors.insert(Executor::Slurm, declared);
    }
    for (host, settings) in config.ssh().unwrap_or_default() {
        let declared = Processors {
            cpu: settings.processor,
            gpu: settings.gpu,
        };
        processors.insert(Executor::Ssh(host), declared);
    }
    processors
}

/// Returns the settings of the executors that a graph uses.
///
/// # Errors
/// If they cannot be used, or lack the user's consent.
pub(super) fn of(graph: &Graph, on_interrupt: OnInterruptArg) -> Result<Executors, Error> {
    let executors = graph.stages.node_weights().map(|stage| &stage.executor);
    let (mut uses_slurm, mut uses_ssh) = (false, false);
    for executor in executors {
        match executor {
            Executor::Local => {}
            Executor::Slurm => uses_slurm = true,
            Executor::Ssh(_) => uses_ssh = true,
        }
    }
    let mut executors = Executors {
        on_interrupt: on_interrupt.into(),
        ..Executors::default()
    };
    if uses_slurm || uses_ssh {
        let config = Config::load().map_err(Error::Invalid)?;
        if uses_slurm {
            executors.slurm = config.slurm().map_err(Error::Invalid)?;
        }
        if uses_ssh {
            executors.ssh = config.ssh().map_err(Error::Invalid)?;
        }
    }
    Ok(executors)
}
