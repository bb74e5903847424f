//! Options for the resources that a run may use.

use clap::Args;
use engine::forecast::Machine;
use engine::graph::Graph;
use engine::scheduler::Capacity;
use engine::spec::parse_bytes;

/// Number of stages that other machines may run at once. Each takes a thread here. Executors have limits of their own.
const MOST_ELSEWHERE: usize = 4096;

/// Limits of a run; without them it may use the whole machine.
#[derive(Debug, Default, Args)]
pub(super) struct ResourceArgs {
    /// Cores to use [default: all]
    #[arg(short, long, value_name = "N", env = "RUNNER_JOBS", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Memory to use: 8GiB [default: all]
    #[arg(long, value_name = "SIZE", env = "RUNNER_MEMORY", value_parser = parse_bytes)]
    memory: Option<u64>,
}

impl ResourceArgs {
    /// Resources for the stages of a graph on `machine`.
    pub(super) fn capacity(&self, graph: &Graph, machine: &Machine) -> Capacity {
        Capacity {
            cpus: self.jobs.map_or(machine.cpus, usize::from),
            memory: self.memory.or(machine.ram),
            gpus: graph.gpus.clone(),
            elsewhere: MOST_ELSEWHERE,
        }
    }
}
