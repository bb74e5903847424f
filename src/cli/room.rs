//! Options for the resources that a run may use.

use clap::Args;

use engine::forecast::Machine;
use engine::graph::Graph;
use engine::scheduler::Room;
use engine::spec::parse_bytes;

/// Limits of a run; without them it may use the whole machine.
#[derive(Debug, Default, Args)]
pub struct RoomArgs {
    /// Cores to use [default: all]
    #[arg(short, long, value_name = "N", env = "RUNNER_JOBS", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Memory to use: 8GiB [default: all]
    #[arg(long, value_name = "SIZE", env = "RUNNER_MEMORY", value_parser = parse_bytes)]
    memory: Option<u64>,
}

impl RoomArgs {
    /// Resources for the stages of a graph on `machine`.
    pub fn room(&self, graph: &Graph, machine: &Machine) -> Room {
        Room {
            cpus: self.jobs.map_or(machine.cpus, usize::from),
            memory: self.memory.or(machine.ram),
            gpus: graph.gpus.clone(),
        }
    }
}
