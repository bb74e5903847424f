//! [`LiveStage`]: the state of a stage of a run.

use contract::Progress;
use engine::event::{RunState, StageReport};
use engine::run::planned_stage::PlannedStage;
use engine::scheduler::Outcome;
use jiff::Timestamp;

use super::series::Series;

/// A stage of a run.
pub(crate) struct LiveStage {
    /// Its id in addresses and pages.
    pub(crate) id: String,
    pub(crate) planned: PlannedStage,
    pub(crate) state: LiveState,
    /// Offset after the last event that changed the state, in bytes; 0 if there was none.
    pub(crate) changed: u64,
    /// Offset after the last event about this stage, also about its progress, in bytes.
    pub(crate) touched: u64,
}

pub(crate) enum LiveState {
    Waiting,
    Running(Box<Running>),
    Ended(Box<StageReport>),
}

/// A stage that is running.
pub(crate) struct Running {
    pub(crate) since: Timestamp,
    pub(crate) reason: String,
    /// The place where it waits or runs, if it is not the machine of the run.
    pub(crate) place: Option<String>,
    pub(crate) progress: Option<Progress>,
    /// The first progress and its time, from which the time left is estimated.
    pub(crate) start: Option<(f64, Timestamp)>,
    /// The figures of its progress so far.
    pub(crate) series: Series,
    /// The newest picture of its result so far, which is in the run's folder.
    pub(crate) picture: Option<NewestPicture>,
    /// The last warnings.
    pub(crate) warnings: Vec<String>,
}

/// A picture that a running stage showed.
pub(crate) struct NewestPicture {
    pub(crate) caption: String,
    /// Offset after the event about it, in bytes; tells pictures apart.
    pub(crate) at: u64,
}

impl Running {
    pub(crate) fn new(since: Timestamp, reason: String) -> Self {
        Self {
            since,
            reason,
            place: None,
            progress: None,
            start: None,
            series: Series::default(),
            picture: None,
            warnings: Vec::new(),
        }
    }
}

impl LiveStage {
    /// The outcome, such as `cached` or `failed`. For a stage that has not ended: `running`, `waiting`, `killed` or
    /// `not started`, depending on the state of the run.
    pub(crate) fn word(&self, run: RunState) -> &'static str {
        match (&self.state, run) {
            (LiveState::Ended(end), _) => match end.outcome {
                Outcome::Cached => "cached",
                Outcome::Succeeded => "succeeded",
                Outcome::Failed => "failed",
                Outcome::Skipped => "skipped",
                Outcome::Cancelled => "cancelled",
            },
            (LiveState::Running(_), RunState::Running) => "running",
            (LiveState::Running(_), _) => "killed",
            (LiveState::Waiting, RunState::Running) => "waiting",
            (LiveState::Waiting, _) => "not started",
        }
    }
}
