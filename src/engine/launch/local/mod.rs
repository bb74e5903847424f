//! Runs stages in processes on this machine.

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

use std::sync::atomic::AtomicBool;

use contract::StageEvent;

use super::{Ending, Launch, Launcher, Work};
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

impl Launcher for Local {
    fn run(&self, launch: &Launch<'_>, on_event: &dyn Fn(StageEvent)) -> Ending {
        let Self { workers, logs } = self;
        match launch.work {
            Work::Request(request) => {
                let log = (launch.log, logs);
                process::run(request, log, workers, launch.limits, on_event)
            }
            Work::Program(program) => {
                let warn = |message| {
                    on_event(StageEvent::Warning {
                        message,
                        about_run_only: true,
                    });
                };
                let log = (launch.log, logs);
                program::run(program, log, workers, launch.limits, &warn)
            }
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
