//! Runs a built-in stage in a worker process, and stores its checkpoints.

use std::thread;

use contract::{Failure, Gathered, Request, Resume, StageEvent};

use super::checkpoint_writer::CheckpointWriter;
use super::{Local, process};
use crate::launch::{Ending, Kept, Launch};

/// Runs the worker to its end. It resumes from the furthest checkpoint, if it may and there is one.
pub(super) fn run(
    local: &Local,
    launch: &Launch<'_>,
    kept: Option<Kept<'_>>,
    on_event: &dyn Fn(StageEvent),
) -> Ending {
    let worker = |request: &Request, on_event: &dyn Fn(StageEvent)| {
        let log = (launch.log, &local.logs);
        process::run(request, log, &local.workers, launch.limits, on_event)
    };
    (launch.on_linked)();
    let ending = match kept {
        None => worker(launch.request, on_event),
        Some(kept) => match with_checkpoints(launch, kept, on_event, worker) {
            Ok(ending) => ending,
            Err(error) => Ending::failed(Failure::System(error.to_string())),
        },
    };
    Ending {
        result: ending.result.map(|()| Gathered::default()),
        seconds: ending.seconds,
        usage: ending.usage,
    }
}

fn with_checkpoints(
    launch: &Launch<'_>,
    Kept {
        checkpoints,
        resume,
    }: Kept<'_>,
    on_event: &dyn Fn(StageEvent),
    worker: impl Fn(&Request, &dyn Fn(StageEvent)) -> Ending<()>,
) -> Result<Ending<()>, store::Error> {
    // Dropped after the checkpoint writer has stored its content.
    let fresh = checkpoints.staging()?;
    let kept = match resume {
        true => checkpoints.furthest_first()?,
        false => {
            checkpoints.discard_all()?;
            Vec::new()
        }
    };
    if resume && kept.is_empty() {
        on_event(StageEvent::NoCheckpoint);
    }
    tracing::debug!(stage = launch.stage, ?kept, "checkpoints");
    let request = Request {
        resume: Some(Resume {
            folder: fresh.path().to_owned(),
            kept,
        }),
        ..launch.request.clone()
    };
    Ok(thread::scope(|scope| {
        let writer = CheckpointWriter::start(scope, checkpoints, fresh.path());
        worker(&request, &|event| {
            if let StageEvent::Checkpoint {
                folder, position, ..
            } = &event
            {
                writer.queue(folder.clone(), *position);
            }
            on_event(event);
        })
    }))
}
