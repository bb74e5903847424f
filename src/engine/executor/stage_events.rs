//! Passes on the events of a running stage, and collects the messages that become part of its record.

use std::path::Path;
use std::sync::Mutex;

use contract::{Position, StageEvent, into_inner, lock};

use super::context::Context;
use super::pictures::{self, picture_file};
use crate::event::Event;
use crate::plan::{Change, MissReason, PlannedAction, State};

/// Messages of a stage that become part of its record.
#[derive(Default)]
pub(super) struct Messages {
    pub notes: Vec<String>,
    pub warnings: Vec<String>,
    pub resumed: Option<Position>,
    /// Name of the machine that ran the stage, if it is another one.
    pub node: Option<String>,
}

/// Receives the events of one attempt at a stage.
pub(super) struct StageEvents<'a> {
    context: &'a Context<'a>,
    stage: String,
    /// The folder with the stage's outputs.
    staging: &'a Path,
    /// `true` if the user may expect that the stage resumes where an earlier run ended.
    expects_checkpoint: bool,
    messages: Mutex<Messages>,
}

impl<'a> StageEvents<'a> {
    /// Reports the start of the stage.
    pub(super) fn begin(
        context: &'a Context<'a>,
        action: &PlannedAction,
        reason: &str,
        staging: &'a Path,
    ) -> Self {
        let stage = context.name(action.node);
        context.reporter.send(Event::StageStarted {
            stage: stage.clone(),
            reason: reason.to_owned(),
        });
        let extended = extended(context, action);
        if let Some(Extended::Bound(why)) = &extended {
            let (stage, why) = (stage.clone(), why.clone());
            context.reporter.send(Event::StageStartsOver { stage, why });
        }
        Self {
            context,
            stage,
            staging,
            expects_checkpoint: context.resume && matches!(extended, Some(Extended::Open)),
            messages: Mutex::default(),
        }
    }

    /// Passes on an event.
    pub(super) fn receive(&self, event: StageEvent) {
        let stage = self.stage.clone();
        let messages = &self.messages;
        self.context.reporter.send(match event {
            StageEvent::Progress(progress) => Event::StageProgress { stage, progress },
            StageEvent::Warning {
                message,
                about_run_only,
            } => {
                if !about_run_only {
                    lock(messages).warnings.push(message.clone());
                }
                Event::StageWarning {
                    stage,
                    message,
                    about_run_only,
                }
            }
            StageEvent::Place {
                node,
                text,
                outlives_run,
            } => {
                lock(messages).node.clone_from(&node);
                Event::StagePlace {
                    stage,
                    node,
                    text,
                    outlives_run,
                }
            }
            StageEvent::Note { message } => {
                lock(messages).notes.push(message.clone());
                Event::StageNote { stage, message }
            }
            StageEvent::Resumed { from } => {
                lock(messages).resumed = Some(from);
                Event::StageResumed { stage, from }
            }
            StageEvent::NoCheckpoint if self.expects_checkpoint => Event::StageStartsOver {
                stage,
                why: "there is no checkpoint to resume from".to_owned(),
            },
            StageEvent::StartsOver { why } => Event::StageStartsOver { stage, why },
            StageEvent::Checkpoint {
                position, seconds, ..
            } => Event::StageCheckpoint {
                stage,
                position,
                seconds,
            },
            StageEvent::Picture { file, caption } => {
                let to = picture_file(self.context.folder, &stage);
                match pictures::copy(self.staging, &file, &to) {
                    Ok(()) => Event::StagePicture { stage, caption },
                    Err(error) => {
                        tracing::warn!("a picture of {stage} is not shown: {error}");
                        return;
                    }
                }
            }
            StageEvent::NoCheckpoint | StageEvent::Succeeded | StageEvent::Failed { .. } => return,
        });
    }

    /// Returns the messages for the record.
    pub(super) fn into_messages(self) -> Messages {
        into_inner(self.messages)
    }
}

/// The only change since an earlier run: the parameter that sets where the stage ends.
enum Extended {
    /// The stage can resume.
    Open,
    /// The stage starts over, for this reason.
    Bound(String),
}

/// Returns whether the user may expect that the stage resumes where an earlier run ended.
fn extended(context: &Context<'_>, action: &PlannedAction) -> Option<Extended> {
    let State::Runs(MissReason::Changed {
        first: Change::Param(first),
        more: 0,
    }) = &action.state
    else {
        return None;
    };
    let resumable = context.graph.stages[action.node].stage.resumable()?;
    let is_meant = |param: &&str| first.path == format!("params.{param}");
    if let Some((param, why)) = resumable.bound.filter(|(param, _)| is_meant(param)) {
        return Some(Extended::Bound(format!("`{param}` changed, and {why}")));
    }
    let is_open = resumable.open_ended.iter().any(is_meant);
    is_open.then_some(Extended::Open)
}
