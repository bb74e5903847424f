//! Runs stages whose work is done by a user's program.

use std::time::Instant;

use contract::{External, Failure, Folder, Gathered, Request, StageEvent};

use super::context::Context;
use super::failed_outputs::{self, failed_outputs_folder};
use super::watched::Watched;
use crate::event::Event;
use crate::graph::Limits;
use crate::launch::{Ending, Launch, Usage, VISIBLE_GPUS, Work};
use crate::plan::PlannedAction;

/// Request, folder and inputs of a program.
pub(super) struct Scratch<'a> {
    pub request: &'a Request,
    /// The folder in which the program runs.
    pub folder: &'a Folder,
    pub inputs: &'a Watched<'a>,
}

/// Runs the program to its end in the staging folder. Returns its outputs.
pub(super) fn run_program(
    context: &Context<'_>,
    action: &PlannedAction,
    external: &dyn External,
    reason: &str,
    scratch: &Scratch<'_>,
    limits: Limits,
) -> (Ending, Gathered) {
    context.reporter.send(Event::StageStarted {
        stage: context.name(action.node),
        reason: reason.to_owned(),
    });
    let started = Instant::now();
    let mut usage = Usage::default();
    let made = in_scratch(context, action, external, scratch, limits, &mut usage);
    let (result, made) = match made {
        Ok(made) => (Ok(()), made),
        Err(failure) => (Err(failure), Gathered::default()),
    };
    let ending = Ending {
        result,
        seconds: started.elapsed().as_secs_f64(),
        usage,
    };
    (ending, made)
}

fn in_scratch(
    context: &Context<'_>,
    action: &PlannedAction,
    external: &dyn External,
    scratch: &Scratch<'_>,
    limits: Limits,
    usage: &mut Usage,
) -> Result<Gathered, Failure> {
    let request = scratch.request;
    let mut program = external.prepare(request)?;
    scratch.inputs.start();
    let asked = context.graph.stages[action.node].resources.gpus;
    if asked.is_some() {
        let gpus = request.gpus.join(",");
        program.env.insert(VISIBLE_GPUS.to_owned(), gpus);
    } else if let Ok(gpus) = std::env::var(VISIBLE_GPUS) {
        // If `runner` is limited to some GPUs, its programs are too.
        program.env.entry(VISIBLE_GPUS.to_owned()).or_insert(gpus);
    }
    let log = context.log(action);
    let launch = Launch {
        work: Work::Program(&program),
        limits,
        log: &log,
    };
    // A program sends no events: these are the launcher's own warnings.
    let ending = context.launcher.run(&launch, &|event| {
        if let StageEvent::Warning { message, .. } = event {
            context.warn(action, message);
        }
    });
    *usage = ending.usage;
    let staging = scratch.folder;
    staging
        .regain()
        .map_err(|e| Failure::io("read", &request.staging, e))?;
    let made = ending
        .result
        .and_then(|()| external.gather(staging, &program));
    match made {
        Ok(gathered) => {
            for message in &gathered.warnings {
                context.reporter.send(Event::StageWarning {
                    stage: context.name(action.node),
                    message: message.clone(),
                    about_run_only: false,
                });
            }
            Ok(gathered)
        }
        // A program that was asked to stop may end with success and without all of its outputs.
        Err(_) if context.launcher.is_stopping() => Err(Failure::Cancelled),
        Err(failure) => {
            let folder = failed_outputs_folder(context.folder, &context.name(action.node));
            Err(failure.with(&failed_outputs::keep(staging, &program.outputs, &folder)))
        }
    }
}
