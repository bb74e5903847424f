//! The node's side of a Slurm job: `runner node JOB_FOLDER`.
//!
//! The node opens the store of the driver, runs the stage as a process of its own, stores its checkpoints, and leaves its
//! outputs in the job folder. It records no result: the driver checks and records it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use contract::{Failure, Folder, Request, files};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slurm::{EndResult, Identity, Interrupt, Interrupts, JobFolder, Node, Start, Used, check};

use super::interrupt::stop;
use super::message;
use super::this_node::{Throttle, processor_for};
use super::{Ending, Kept, Launch, Launcher, Local, Placement, Scratch, VISIBLE_GPUS, Work};
use crate::error::Error;
use crate::graph::{Catalogue, Limits};
use store::keys::Key;
use store::{Checkpoints, Store};

/// The work of a job.
#[derive(Serialize, Deserialize)]
pub(super) struct NodeWork {
    /// Action key of the stage.
    pub key: Key,
    /// Name of the stage instance.
    pub stage: String,
    /// Working folder of the driver, where relative paths start.
    pub folder: PathBuf,
    /// Absolute path of the store.
    pub store: PathBuf,
    /// Its `staging`, `gpus` and `resume` are set by the node.
    pub request: Request,
    /// The parameters as the pipeline has them.
    pub params: Value,
    pub has_own_gpus: bool,
    /// Folder for the outputs of a program that failed.
    pub failed_outputs: PathBuf,
    /// Key of the checkpoints, if the stage keeps any.
    pub checkpoints: Option<Key>,
    /// `false` to start over. A job that was interrupted continues in any case.
    pub resume: bool,
    pub timeout: Option<Duration>,
    pub memory: Option<u64>,
    /// Kind of processor that the stage needs. `None` if it does not compute.
    pub processor: Option<String>,
    /// Digest of the stamps of the stage's sources.
    pub sources: String,
}

/// Returns the version of this program with a digest of its file, so that two builds of one version differ.
pub(super) fn version() -> Result<String, String> {
    let path = std::env::current_exe();
    let digest = path.and_then(|path| {
        let file = files::open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(store::digest_open(&file, bytes)?.0.to_string())
    });
    match digest {
        Ok(digest) => Ok(format!("{} ({:.12})", env!("CARGO_PKG_VERSION"), digest)),
        Err(error) => Err(format!("failed to read the file of this program: {error}")),
    }
}

/// Returns the facts by which driver and node recognize each other.
///
/// # Errors
/// If the file of this program cannot be read.
pub fn identity(catalogue: &Catalogue) -> Result<Identity, Error> {
    Ok(Identity {
        version: version().map_err(Error::System)?,
        processor: (catalogue.processor)().to_owned(),
    })
}

/// Runs the job of a folder. Returns the exit code for the batch script.
///
/// # Errors
/// If the job cannot be run. The driver then finds no ending.
pub fn run(folder: PathBuf, catalogue: &Catalogue) -> Result<i32, Error> {
    let identity = identity(catalogue)?;
    let system = |error: slurm::Error| Error::System(error.to_string());
    let stopper = Arc::new(Stopper {
        local: Arc::new(Local::default()),
        saves_checkpoints: OnceLock::new(),
    });
    let for_signals = Arc::clone(&stopper);
    let _interrupts = Interrupts::listen(move |interrupt| for_signals.interrupt(interrupt))
        .map_err(|error| Error::System(format!("failed to watch for signals: {error}")))?;
    let node = match Node::start(JobFolder::at(folder), &identity).map_err(system)? {
        Start::Run(node) => *node,
        Start::Idle(idle) => {
            tracing::warn!("there is nothing to do here: {idle:?}");
            return Ok(0);
        }
    };
    let (result, used) = match check::on_node(&node.request().work).map_err(system)? {
        Some(answer) => (Some(EndResult::Succeeded(answer)), Used::default()),
        None => stage(&node, catalogue, &stopper)?,
    };
    match result {
        Some(result) => node.end(result, used).map_err(system),
        // It was killed before it had a result.
        None => Ok(1),
    }
}

/// Runs the stage of a job. Returns `None` as the result if it was stopped and cannot continue later.
fn stage(
    node: &Node,
    catalogue: &Catalogue,
    stopper: &Stopper,
) -> Result<(Option<EndResult>, Used), Error> {
    let work = message::read_value::<NodeWork>(&node.request().work)
        .map_err(|error| Error::System(format!("the work of the job cannot be read: {error}")))?;
    let failed = |failure: &Failure| {
        let value = serde_json::to_value(failure).map_err(|e| Error::Internal(e.to_string()));
        value.map(EndResult::Failed)
    };
    if let Err(failure) = check_processor(&work, node, catalogue) {
        return Ok((Some(failed(&failure)?), Used::default()));
    }
    std::env::set_current_dir(&work.folder).map_err(Error::io("enter", &work.folder))?;
    let store = Store::open(&work.store)?;
    let checkpoints = work.checkpoints.map(|key| store.checkpoints(&key));
    let checkpoints = checkpoints.transpose()?;
    let _ = stopper.saves_checkpoints.set(checkpoints.is_some());
    let ending = run_stage(
        &work,
        node,
        catalogue,
        (&store, checkpoints.as_ref()),
        stopper,
    )?;
    let used = Used {
        seconds: ending.seconds,
        cpu_seconds: ending.usage.cpu_seconds,
        peak_memory_mib: ending.usage.peak_memory_mib,
    };
    let result = match ending.result {
        Ok(gathered) => {
            let outputs = serde_json::to_value(gathered);
            let outputs = outputs.map_err(|error| Error::Internal(error.to_string()))?;
            Some(EndResult::Succeeded(outputs))
        }
        Err(Failure::Cancelled) => checkpoints.map(|_| EndResult::Paused),
        Err(failure) => Some(failed(&failure)?),
    };
    Ok((result, used))
}

fn run_stage(
    work: &NodeWork,
    node: &Node,
    catalogue: &Catalogue,
    (store, checkpoints): (&Store, Option<&Checkpoints<'_>>),
    stopper: &Stopper,
) -> Result<Ending, Error> {
    let outputs = node.outputs();
    let staging = Folder::open(&outputs).map_err(Error::io("open", &outputs))?;
    let request = Request {
        staging: outputs,
        gpus: visible_gpus(),
        ..work.request.clone()
    };
    let stage = (catalogue.parse)(&request.kind, work.params.clone());
    let stage = stage.map_err(|invalid| Error::Internal(invalid.to_string()))?;
    if stage.canonical() != request.params {
        return Ok(Ending::failed(Failure::Data(
            "the stage has other parameters on this node, because a variable in its `env` is set here and not on the \
             machine of the driver; unset it in `slurm.setup`, or give it a value in the pipeline"
                .to_owned(),
        )));
    }
    // An interrupted job continues, even if the stage had to start over.
    let resume = work.resume || node.started().restart > 0;
    let launch = Launch {
        stage: &work.stage,
        placement: &Placement::default(),
        store,
        request: &request,
        staging: &staging,
        work: match stage.external() {
            Some(external) => Work::Program(Scratch {
                external,
                has_own_gpus: work.has_own_gpus,
                failed_outputs: &work.failed_outputs,
            }),
            None => Work::BuiltIn(checkpoints.map(|checkpoints| Kept {
                checkpoints,
                resume,
            })),
        },
        limits: Limits {
            timeout: work.timeout,
            memory: work.memory,
            retries: None,
        },
        log: &node.folder().log(),
        on_linked: &|| {},
        key: work.key,
    };
    let throttle = Throttle::default();
    let ending = stopper.local.run(&launch, &|event| {
        if throttle.passes(&event)
            && let Err(error) = node.event(&event)
        {
            tracing::warn!("an event is lost: {error}");
        }
    });
    if let Some(left) = stopper.local.finish() {
        tracing::warn!("the program {left}");
    }
    Ok(ending)
}

/// Stops the stage of this node when Slurm asks for it.
struct Stopper {
    local: Arc<dyn Launcher>,
    /// `false` if the stage cannot continue later, so that it may as well run until the time limit.
    saves_checkpoints: OnceLock<bool>,
}

impl Stopper {
    fn interrupt(&self, interrupt: Interrupt) {
        match interrupt {
            Interrupt::BeforeLimit if self.saves_checkpoints.get() == Some(&false) => {}
            Interrupt::BeforeLimit | Interrupt::Terminated => stop(&self.local),
        }
    }
}

/// Returns the GPUs that Slurm has assigned to this job.
fn visible_gpus() -> Vec<String> {
    let gpus = std::env::var(VISIBLE_GPUS).unwrap_or_default();
    let gpus = gpus.split(',').filter(|gpu| !gpu.is_empty());
    gpus.map(str::to_owned).collect()
}

/// Checks that this node has the kind of processor for which the result will be recorded.
fn check_processor(work: &NodeWork, node: &Node, catalogue: &Catalogue) -> Result<(), Failure> {
    let Some(needed) = &work.processor else {
        return Ok(());
    };
    let found = processor_for(work.request.device, catalogue)?;
    if found == *needed {
        return Ok(());
    }
    let name = &node.started().node;
    Err(Failure::Data(format!(
        "the processor of node `{name}` is of the kind {found}, and the result is for {needed}; set `slurm.processor` \
         or `slurm.gpu` to what the nodes have, or choose nodes with `slurm.constraint`"
    )))
}
