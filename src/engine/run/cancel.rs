//! Stops a run from another process.

use store::{NotSignalled, Store};

use super::progress::RunProgress;

/// Reason why a run was not stopped.
#[derive(Debug, thiserror::Error)]
pub enum NotCancelled {
    /// No living process executes it.
    #[error("run `{run}` is not in progress")]
    NotRunning { run: String },
    /// It was asked to stop before. A second request would kill its stages.
    #[error("run `{run}` is stopping already")]
    Stopping { run: String },
    /// An older version of runner executes it, which did not record its process.
    #[error("the process of run `{run}` is not known; stop it where it was started")]
    Unknown { run: String },
    #[error("run `{run}` cannot be stopped from here: {why}")]
    Refused { run: String, why: NotSignalled },
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Way to stop a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelMode {
    /// Like the first Ctrl-C: trainings save a checkpoint. Has no effect on a run that is stopping.
    Gently,
    /// Like the first Ctrl-C or, if the run is stopping, like the second one, which kills everything.
    Again,
}

/// Asks the process of the run `run` to stop, as Ctrl-C does, and returns at once. No other process is ever signalled,
/// even if the process has just ended and its id was reused.
///
/// # Errors
/// If the run is not in progress, or its process is not on this machine or belongs to another user.
pub fn cancel(store: &Store, run: &str, mode: CancelMode) -> Result<(), NotCancelled> {
    let name = || run.to_owned();
    let not_running = || NotCancelled::NotRunning { run: name() };
    let owner = store.owner(run)?.ok_or_else(not_running)?;
    let owner = owner.ok_or_else(|| NotCancelled::Unknown { run: name() })?;
    if mode == CancelMode::Gently
        && let Ok((progress, _)) = RunProgress::read(&store.runs_folder().join(run))
        && progress.signal.is_some()
    {
        return Err(NotCancelled::Stopping { run: name() });
    }
    let is_still_owner = || matches!(store.owner(run), Ok(Some(Some(now))) if now == owner);
    owner.terminate(is_still_owner).map_err(|why| match why {
        NotSignalled::Ended => not_running(),
        why => NotCancelled::Refused { run: name(), why },
    })
}
