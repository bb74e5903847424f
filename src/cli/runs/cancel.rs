//! `runner runs cancel`: stops a run of another process.

use clap::Args;
use engine::error::Error;
use engine::event::RunState;
use engine::run::cancel::{CancelMode, NotCancelled, cancel};
use engine::run::progress::RunningStage;
use store::{NotSignalled, Store};

use crate::cli::node::with_hint;
use crate::cli::run_filter::RunFilter;
use crate::report::{Console, Verbosity};

/// Ask a run to stop, as Ctrl-C does where it was started
///
/// Returns at once; trainings save a checkpoint first. `runner attach` shows when the run has ended. Only the process
/// of this run is ever signalled: on the machine where it runs, or through Slurm if `runner submit` started it.
#[derive(Debug, Args)]
pub(super) struct Cancel {
    /// Run: an id, the beginning of an id, or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    #[command(flatten)]
    filter: RunFilter,
    /// If the run is stopping already, kill its stages, as a second Ctrl-C does
    #[arg(long)]
    again: bool,
}

impl Cancel {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let store = self.filter.store.existing()?;
        let found = self.filter.find(&store, &self.run, console)?;
        let run = found.report;
        if run.state != RunState::Running {
            let (id, state) = (&run.run, run.state);
            return Err(Error::Usage(format!(
                "run `{id}` is not in progress: its state is `{state}`"
            )));
        }
        let mode = match self.again {
            true => CancelMode::Again,
            false => CancelMode::Gently,
        };
        match cancel(&store, &run.run, mode) {
            Err(NotCancelled::Refused {
                why: why @ NotSignalled::OtherMachine { .. },
                run,
            }) => cancel_job(&store, run, why)?,
            cancelled => cancelled.map_err(described)?,
        }
        if console.verbosity > Verbosity::Quiet {
            let id = &run.run;
            console.message(&format!(
                "asked run `{id}` to stop; `runner attach {id}` shows when it has ended"
            ));
            let running = found.progress.map(|now| now.progress.running);
            let mut running = running.iter().flatten();
            if !self.again && running.any(RunningStage::outlives_run) {
                console.message(&format!(
                    "its Slurm jobs go on; `runner runs cancel {id} --again` within 10 s cancels them"
                ));
            }
        }
        Ok(())
    }
}

/// Stops a run whose driver is a Slurm job that `runner submit` started.
fn cancel_job(store: &Store, run: String, why: NotSignalled) -> Result<(), Error> {
    let owner = store.owner(&run).map_err(Error::Store)?.flatten();
    let Some(job) = owner.and_then(|owner| owner.slurm_job) else {
        return Err(described(NotCancelled::Refused { run, why }));
    };
    // The run goes on, so its job does too, and the id names no other job of this cluster.
    match slurm::Client::default().terminate_in_background(job) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::System(format!(
            "run `{run}` is executed by Slurm job {job}, which this machine's Slurm does not know"
        ))),
        Err(error) => Err(Error::System(format!(
            "run `{run}` is executed by Slurm job {job}: {}",
            with_hint(&error)
        ))),
    }
}

fn described(error: NotCancelled) -> Error {
    match error {
        NotCancelled::Store(error) => Error::Store(error),
        NotCancelled::NotRunning { .. } | NotCancelled::Unknown { .. } => {
            Error::Usage(error.to_string())
        }
        NotCancelled::Stopping { run } => Error::Usage(format!(
            "run `{run}` is stopping already; `--again` kills its stages"
        )),
        NotCancelled::Refused {
            why: NotSignalled::OtherMachine { .. },
            ..
        } => Error::System(format!("{error}; use `runner runs cancel` there")),
        NotCancelled::Refused { .. } => Error::System(error.to_string()),
    }
}
