//! [`StageState`]: how a stage of a run ended, or how far it is.

use engine::event::RunState;
use engine::run::recorded::RecordedStage;
use engine::scheduler::Outcome;

/// State of a stage in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StageState {
    Failed,
    Running,
    Killed,
    Cancelled,
    Skipped,
    NotStarted,
    Succeeded,
    Cached,
}

impl StageState {
    pub(super) fn of(stage: &RecordedStage, run: RunState) -> Self {
        match (&stage.end, stage.started, run) {
            (Some(end), ..) => match end.outcome {
                Outcome::Cached => Self::Cached,
                Outcome::Succeeded => Self::Succeeded,
                Outcome::Failed => Self::Failed,
                Outcome::Skipped => Self::Skipped,
                Outcome::Cancelled => Self::Cancelled,
            },
            (None, true, RunState::Running) => Self::Running,
            (None, true, _) => Self::Killed,
            (None, false, _) => Self::NotStarted,
        }
    }

    /// The run has a result of the stage, or may have it at any time.
    pub(super) fn has_result(self) -> bool {
        matches!(self, Self::Succeeded | Self::Cached | Self::Running)
    }

    /// It was executed, or may have been, and did not succeed.
    pub(super) fn has_broken_off(self) -> bool {
        matches!(self, Self::Failed | Self::Killed | Self::Cancelled)
    }

    /// Its name in a sentence: `succeeded`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Running => "running",
            Self::Killed => "killed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::NotStarted => "not started",
            Self::Succeeded => "succeeded",
            Self::Cached => "cached",
        }
    }

    /// Its CSS class.
    pub fn class(self) -> &'static str {
        match self {
            Self::NotStarted => "not-started",
            other => other.word(),
        }
    }

    /// A sign beside the word, so that states differ without color.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Failed => "✗",
            Self::Running => "▶",
            Self::Killed | Self::Cancelled => "■",
            Self::Skipped | Self::NotStarted => "–",
            Self::Succeeded => "✓",
            Self::Cached => "↺",
        }
    }
}
