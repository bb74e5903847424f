//! `runner doctor`: shows the processors and GPUs of this machine, and checks whether they work.

mod cpu;
mod cuda;
mod shared;
mod slurm;
mod ssh;
mod text;

#[cfg(test)]
mod tests;

use clap::Args;
use contract::Precision;
use engine::devices::DeviceChoice;
use engine::error::Error;
use engine::forecast::StoreFolder;
use engine::spec::Executor;
use serde::Serialize;

use self::cpu::Cpu;
use self::cuda::Cuda;
use self::shared::Shared;
use self::slurm::Slurm;
use self::ssh::Ssh;
use super::pipeline::StoreArgs;
use super::unwritten;
use crate::report::{Console, Verbosity};

/// Show the processors and GPUs of this machine, and compare the results of a GPU with those of the CPU
///
/// With `--executor slurm`, also check the cluster: submit one small job that checks the binary, the kind of processor
/// and the shared folder on a node, and wait for its end. With `--executor ssh:HOST`, also check a machine: connect,
/// compare its program and its processor with those here, and train a small model there.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Device that must work: auto (whatever there is), cpu, cuda, cuda:0
    #[arg(long, value_name = "DEVICE", env = "RUNNER_DEVICE", default_value_t)]
    device: DeviceChoice,
    /// Precision of multiplications on GPUs: tf32 (test TF32 and float32), float32 (test only float32, for
    /// GPUs without TF32)
    #[arg(long, value_name = "NAME", env = "RUNNER_PRECISION", default_value_t)]
    precision: Precision,
    // The id differs from the key of a configuration file: a job is submitted only if this was typed.
    /// Place for stages to check as well: slurm (submits one small job), ssh:HOST (trains a small model there)
    #[arg(
        long = "executor",
        id = "doctor.executor",
        value_name = "PLACE",
        default_value_t,
        hide_default_value = true
    )]
    executor: Executor,
    #[command(flatten)]
    store: StoreArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Everything that was found.
#[derive(Debug, Serialize)]
struct Findings {
    runner: &'static str,
    is_built_with_cuda: bool,
    cpu: Cpu,
    memory: Memory,
    store: StoreFolder,
    /// `None` if no shared cache is set.
    remote: Option<Shared>,
    cuda: Cuda,
    /// `None` unless it was asked for.
    slurm: Option<Slurm>,
    /// `None` unless it was asked for.
    ssh: Option<Ssh>,
    /// Descriptions of what is wrong and what to do.
    problems: Vec<String>,
}

/// Memory of the machine, or as much of it as this process may have. Only `bytes` includes swap.
#[derive(Debug, Serialize)]
struct Memory {
    bytes: Option<u64>,
    free_bytes: Option<u64>,
}

impl Doctor {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let findings = self.findings(console)?;
        let text = if self.json {
            serde_json::to_string(&findings).map_err(|e| Error::Internal(e.to_string()))?
        } else {
            findings.text()
        };
        console.result(&text).map_err(unwritten)?;
        match findings.problems.into_iter().next() {
            None => Ok(()),
            Some(problem) => Err(Error::System(problem)),
        }
    }

    fn findings(&self, console: &Console) -> Result<Findings, Error> {
        let (store, machine) = StoreFolder::probe(self.store.folder());
        let cuda = Cuda::detect(self.device, self.precision);
        let mut problems = cuda.problems();
        problems.extend(store.why_not_writable.as_ref().map(|why| {
            format!("the store cannot be written: {why}; choose another folder with `--artifacts`")
        }));
        let remote = Shared::detect(&self.store)?;
        let why_not = remote.as_ref().and_then(|remote| remote.why_not.clone());
        problems.extend(why_not.map(|why| format!("the shared cache does not work: {why}")));
        let (mut slurm, mut ssh) = (None, None);
        match &self.executor {
            Executor::Local => {}
            Executor::Slurm => {
                let found = slurm.insert(Slurm::detect(&self.store, console)?);
                problems.extend_from_slice(&found.problems);
            }
            Executor::Ssh(host) => {
                let found = ssh.insert(Ssh::detect(host, console)?);
                problems.extend_from_slice(&found.problems);
            }
        }
        Ok(Findings {
            runner: env!("CARGO_PKG_VERSION"),
            is_built_with_cuda: stages::device::CLASSES.contains(&"cuda"),
            cpu: Cpu::detect(),
            memory: Memory {
                bytes: machine.memory,
                free_bytes: machine.free_memory,
            },
            store,
            remote,
            cuda,
            slurm,
            ssh,
            problems,
        })
    }
}

/// Prints a message while a check goes on.
fn say(console: &Console, text: &str) {
    if console.verbosity > Verbosity::Quiet {
        console.message(text);
    }
}
