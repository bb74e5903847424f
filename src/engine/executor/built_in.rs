//! Runs built-in stages, whose work is done by a worker process: this binary again.

use std::sync::Mutex;
use std::thread;

use contract::{Position, Request, StageEvent, into_inner, lock};

use super::checkpoint_writer::CheckpointWriter;
use super::context::Context;
use super::pictures::{self, picture_file};
use crate::event::Event;
use crate::graph::Limits;
use crate::launch::{Ending, Launch, Work};
use crate::plan::{Change, MissReason, PlannedAction, State};
use store::Checkpoints;

/// Messages of a stage that become part of its record.
#[derive(Default)]
pub(super) struct Messages {
    pub notes: Vec<String>,
    pub warnings: Vec<String>,
    pub resumed: Option<Position>,
}

/// Runs a worker to its end, passes on its events and stores its checkpoints.
pub(super) fn run_worker(
    context: &Context<'_>,
    action: &PlannedAction,
    reason: &str,
    request: &Request,
    limits: Limits,
    checkpoints: Option<&Checkpoints<'_>>,
) -> (Ending, Messages) {
    let name = context.name(action.node);
    context.reporter.send(Event::StageStarted {
        stage: name.clone(),
        reason: reason.to_owned(),
    });
    if let Some(why) = starts_over(context, action, request) {
        let stage = name.clone();
        context.reporter.send(Event::StageStartsOver { stage, why });
    }
    let messages = Mutex::new(Messages::default());
    let log = context.log(action);
    let ending = thread::scope(|scope| {
        let folder = request
            .resume
            .as_ref()
            .map(|resume| resume.folder.as_path());
        let writer = checkpoints
            .zip(folder)
            .map(|(checkpoints, folder)| CheckpointWriter::start(scope, checkpoints, folder));
        let on_event = |event| match event {
            StageEvent::Checkpoint {
                folder,
                position,
                seconds,
            } => {
                if let Some(writer) = &writer {
                    writer.queue(folder, position);
                }
                context.reporter.send(Event::StageCheckpoint {
                    stage: name.clone(),
                    position,
                    seconds,
                });
            }
            StageEvent::Picture { file, caption } => {
                let to = picture_file(context.folder, &name);
                match pictures::copy(&request.staging, &file, &to) {
                    Ok(()) => context.reporter.send(Event::StagePicture {
                        stage: name.clone(),
                        caption,
                    }),
                    Err(error) => tracing::warn!("a picture of {name} is not shown: {error}"),
                }
            }
            event => pass_on(context, &name, event, &messages),
        };
        let launch = Launch {
            work: Work::Request(request),
            limits,
            log: &log,
        };
        context.launcher.run(&launch, &on_event)
    });
    (ending, into_inner(messages))
}

/// Returns why the stage does not resume where an earlier run ended. The user may expect it to resume if only the
/// parameter has changed that sets where the stage ends.
fn starts_over(context: &Context<'_>, action: &PlannedAction, request: &Request) -> Option<String> {
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
        return Some(format!("`{param}` changed, and {why}"));
    }
    let nothing_kept = request
        .resume
        .as_ref()
        .is_some_and(|resume| resume.kept.is_empty());
    (context.resume && nothing_kept && resumable.open_ended.iter().any(is_meant))
        .then(|| "there is no checkpoint to resume from".to_owned())
}

fn pass_on(context: &Context<'_>, stage: &str, event: StageEvent, messages: &Mutex<Messages>) {
    let stage = stage.to_owned();
    context.reporter.send(match event {
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
        StageEvent::Note { message } => {
            lock(messages).notes.push(message.clone());
            Event::StageNote { stage, message }
        }
        StageEvent::Resumed { from } => {
            lock(messages).resumed = Some(from);
            Event::StageResumed { stage, from }
        }
        StageEvent::StartsOver { why } => Event::StageStartsOver { stage, why },
        StageEvent::Picture { .. }
        | StageEvent::Checkpoint { .. }
        | StageEvent::Succeeded
        | StageEvent::Failed { .. } => return,
    });
}
