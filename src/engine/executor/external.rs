//! Runs stages whose work is done by a user's program.

use std::time::Instant;

use contract::{External, Failure, Folder, Gathered, Request};

use super::local::Local;
use super::make::Making;
use super::process::{Ending, VISIBLE_GPUS};
use super::remains::{self, remains_folder};
use super::usage::Usage;
use super::watched::Watched;
use super::{Limits, program};
use crate::event::Event;

/// Request, folder and inputs of a program.
pub(super) struct Scratch<'a> {
    pub request: &'a Request,
    /// The folder in which the program runs.
    pub folder: &'a Folder,
    pub inputs: &'a Watched<'a>,
}

impl Local<'_> {
    /// Runs the program to its end in the staging folder. Returns its outputs.
    pub(super) fn run_program(
        &self,
        making: &Making<'_>,
        external: &dyn External,
        reason: &str,
        scratch: &Scratch<'_>,
        limits: Limits,
    ) -> (Ending, Gathered) {
        self.reporter.send(&Event::StageStarted {
            stage: self.name(making.action.node),
            reason: reason.to_owned(),
        });
        let started = Instant::now();
        let mut usage = Usage::default();
        let made = self.in_scratch(making, external, scratch, limits, &mut usage);
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
        &self,
        making: &Making<'_>,
        external: &dyn External,
        scratch: &Scratch<'_>,
        limits: Limits,
        usage: &mut Usage,
    ) -> Result<Gathered, Failure> {
        let request = scratch.request;
        let mut program = external.prepare(request)?;
        scratch.inputs.start();
        let asked = self.graph.stages[making.action.node].resources.gpus;
        if asked.is_some() {
            let gpus = request.gpus.join(",");
            program.env.insert(VISIBLE_GPUS.to_owned(), gpus);
        } else if let Ok(gpus) = std::env::var(VISIBLE_GPUS) {
            // If `runner` is limited to some GPUs, its programs are too.
            program.env.entry(VISIBLE_GPUS.to_owned()).or_insert(gpus);
        }
        let log = self.logs.of(&self.name(making.action.node));
        let warn = |message| self.warn(making.action, message);
        let ending = program::run(&program, &log, &self.logs, self.workers, limits, &warn);
        self.logs.let_go(log);
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
                    self.reporter.send(&Event::StageWarning {
                        stage: self.name(making.action.node),
                        message: message.clone(),
                        passing: false,
                    });
                }
                Ok(gathered)
            }
            // A program that was asked to stop may succeed with half its work done.
            Err(_) if self.workers.is_stopping() => Err(Failure::Cancelled),
            Err(failure) => {
                let folder = remains_folder(&self.folder, &self.name(making.action.node));
                Err(failure.with(&remains::keep(staging, &program.outputs, &folder)))
            }
        }
    }
}
