//! Options and settings of the places where stages run, other than this machine.

use std::collections::BTreeMap;

use clap::ValueEnum;
use engine::error::Error;
use engine::graph::Graph;
use engine::launch::{Executors, OnInterrupt, SlurmRequests};
use engine::plan::Plan;
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

/// Returns what the stages of a plan ask of Slurm; nothing if its settings cannot be used.
pub(super) fn slurm_requests(graph: &Graph, plan: &Plan) -> SlurmRequests {
    let settings = Config::load().and_then(|config| config.slurm());
    settings.map_or_else(
        |_| SlurmRequests::default(),
        |settings| SlurmRequests::of(graph, plan, &settings),
    )
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
    let needs = |is_place: fn(&Executor) -> bool| {
        let mut stages = graph.stages.node_weights();
        stages.any(|stage| is_place(&stage.executor))
    };
    let config = Config::load();
    let slurm = config.clone().and_then(|config| config.slurm());
    let ssh = config.and_then(|config| config.ssh());
    Ok(Executors {
        slurm: usable(slurm, needs(|place| *place == Executor::Slurm))?,
        ssh: usable(ssh, needs(|place| matches!(place, Executor::Ssh(_))))?,
        on_interrupt: on_interrupt.into(),
    })
}

/// Returns settings, or the reason why they cannot be used, which may matter in a later round of a sweep.
///
/// # Errors
/// If the settings are needed now.
fn usable<T>(
    settings: Result<T, Vec<Diagnostic>>,
    is_needed: bool,
) -> Result<Result<T, String>, Error> {
    match settings {
        Err(errors) if is_needed => Err(Error::Invalid(errors)),
        Err(errors) => Ok(Err(errors.iter().map(said).collect::<Vec<_>>().join("; "))),
        Ok(settings) => Ok(Ok(settings)),
    }
}
