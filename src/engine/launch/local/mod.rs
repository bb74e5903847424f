//! Runs stages in processes on this machine.

mod built_in;
mod checkpoint_writer;
mod external;
mod failed_outputs;
mod leftovers;
mod logs;
mod memory;
mod own_binary;
mod process;
mod program;
mod usage;
pub mod warden;
mod watch;
mod workers;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use contract::{Program, StageEvent};

use super::{Ending, Launch, Launcher, Work};
use crate::graph::Limits;
use logs::Logs;
use workers::Workers;

pub use own_binary::own_binary;
pub use process::VISIBLE_GPUS;
pub(crate) use program::WHOLE_LOG;
pub use usage::peak_memory_mib;

/// Runs each stage in a process of its own.
#[derive(Debug, Default)]
pub struct Local {
    workers: Workers,
    logs: Logs,
}

impl Local {
    /// Runs a program that is not a stage. Processes that it leaves running are ended and reported to `warn`.
    pub(crate) fn run_program(
        &self,
        program: &Program,
        limits: Limits,
        log: &Path,
        warn: &dyn Fn(String),
    ) -> Ending<()> {
        program::run(program, (log, &self.logs), &self.workers, limits, warn)
    }
}

impl Launcher for Local {
    fn run(&self, launch: &Launch<'_>, on_event: &dyn Fn(StageEvent)) -> Ending {
        match launch.work {
            Work::BuiltIn(kept) => built_in::run(self, launch, kept, on_event),
            Work::Program(scratch) => external::run(self, launch, scratch, on_event),
        }
    }

    fn stopping(&self) -> &AtomicBool {
        self.workers.stopping()
    }

    fn stop(&self) {
        self.workers.stop();
    }

    fn kill_programs(&self) {
        self.workers.kill_programs();
    }

    fn kill(&self) {
        self.workers.kill();
    }

    fn finish(&self) -> Option<String> {
        self.logs.remove_empty();
        let left = self.workers.end_leftovers();
        left.wording(self.workers.is_stopping())
    }
}
