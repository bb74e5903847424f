//! Runs a stage whose work is done by a user's program.

use std::time::Instant;

use contract::{Failure, Gathered, StageEvent};

use super::{Local, VISIBLE_GPUS, failed_outputs};
use crate::launch::{Ending, Launch, Launcher, Scratch, Usage};

/// Runs the program to its end in the staging folder, and collects its outputs.
pub(super) fn run(
    local: &Local,
    launch: &Launch<'_>,
    scratch: Scratch<'_>,
    on_event: &dyn Fn(StageEvent),
) -> Ending {
    let started = Instant::now();
    let mut usage = Usage::default();
    let result = in_scratch(local, launch, scratch, on_event, &mut usage);
    Ending {
        result,
        seconds: started.elapsed().as_secs_f64(),
        usage,
    }
}

fn in_scratch(
    local: &Local,
    launch: &Launch<'_>,
    scratch: Scratch<'_>,
    on_event: &dyn Fn(StageEvent),
    usage: &mut Usage,
) -> Result<Gathered, Failure> {
    let request = launch.request;
    let mut program = scratch.external.prepare(request)?;
    (launch.on_linked)();
    if scratch.has_own_gpus {
        let gpus = request.gpus.join(",");
        program.env.insert(VISIBLE_GPUS.to_owned(), gpus);
    } else if let Ok(gpus) = std::env::var(VISIBLE_GPUS) {
        // If `runner` is limited to some GPUs, its programs are too.
        program.env.entry(VISIBLE_GPUS.to_owned()).or_insert(gpus);
    }
    let warn = |message| {
        on_event(StageEvent::Warning {
            message,
            about_run_only: true,
        });
    };
    let ending = local.run_program(&program, launch.limits, launch.log, &warn);
    *usage = ending.usage;
    let staging = launch.staging;
    staging
        .regain()
        .map_err(|e| Failure::io("read", &request.staging, e))?;
    let made = ending
        .result
        .and_then(|()| scratch.external.gather(staging, &program));
    match made {
        Ok(gathered) => Ok(gathered),
        // A program that was asked to stop may end with success and without all of its outputs.
        Err(_) if local.is_stopping() => Err(Failure::Cancelled),
        Err(failure) => {
            let kept = failed_outputs::keep(staging, &program.outputs, scratch.failed_outputs);
            Err(failure.with(&kept))
        }
    }
}
