//! What stages ask of Slurm.

use std::collections::BTreeMap;

use petgraph::graph::NodeIndex;
use slurm::{Pack, Resources, Settings};

use super::OVERHEAD;
use crate::graph::{Graph, Instance};
use crate::plan::Plan;
use crate::spec::{Diagnostic, Executor, Limits};

/// Returns the request for a stage with these limits.
pub(super) fn resources(
    limits: &Limits,
    cpus: usize,
    gpus: usize,
    gpu_memory: Option<u64>,
) -> Resources {
    Resources {
        cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
        memory: limits.memory.map(|bytes| bytes.saturating_add(OVERHEAD)),
        seconds: limits.timeout.map(|timeout| timeout.as_secs_f64()),
        gpus: u32::try_from(gpus).unwrap_or(u32::MAX),
        gpu_memory,
    }
}

/// Returns how many instances share a job.
pub(super) fn pack(size: u32) -> Pack {
    Pack {
        size: size.max(1),
        at_once: 1,
    }
}

/// Returns the request for an instance.
pub(super) fn of_instance(instance: &Instance) -> Resources {
    resources(
        &instance.limits,
        instance.threads(),
        instance.gpus(),
        instance.gpu_memory(),
    )
}

/// The requests of the stages that a plan would submit to Slurm.
#[derive(Debug, Default)]
pub struct SlurmRequests {
    /// Options of `sbatch`, with the number of stages that have the same ones: `--cpus-per-task=2 --mem=1088M`.
    pub options: BTreeMap<String, usize>,
    /// Requests that cannot be expressed.
    pub refusals: Vec<(NodeIndex, Diagnostic)>,
}

impl SlurmRequests {
    pub fn of(graph: &Graph, plan: &Plan, settings: &Settings) -> Self {
        let mut requests = Self::default();
        for action in plan.misses() {
            let instance = &graph.stages[action.node];
            if instance.executor != Executor::Slurm {
                continue;
            }
            let pack = pack(instance.pack);
            match of_instance(instance).options(pack, settings) {
                Ok(options) => {
                    // A job always has one node and one task.
                    let shown = options
                        .iter()
                        .filter(|option| !matches!(option.as_str(), "--nodes=1" | "--ntasks=1"));
                    let mut shown = shown.cloned().collect::<Vec<_>>().join(" ");
                    if pack.size > 1 {
                        shown += &format!(" for up to {} stages", pack.size);
                    }
                    *requests.options.entry(shown).or_default() += 1;
                }
                Err(error) => {
                    let hint = error.hint();
                    let place = "gpu_memory";
                    let error = graph.diagnose_resource(action.node, place, error.to_string());
                    requests.refusals.push((action.node, error.hint(hint)));
                }
            }
        }
        requests
    }
}
