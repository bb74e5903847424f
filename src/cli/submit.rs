//! `runner submit`: runs a pipeline in a Slurm job of its own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use contract::{ShowPath, files};
use engine::error::Error;
use engine::spec::{parse_bytes, parse_duration};
use serde_json::json;
use slurm::Settings;
use slurm::background::{self, Background};
use store::{DRIVER_JOB, FORMAT};

use super::node::with_hint;
use super::{Command, command_line, unwritten};
use crate::config::Config;
use crate::report::{Console, Verbosity};

/// Folder in the store with the logs of these jobs.
const LOGS: &str = "drivers";

/// Submit a run to Slurm: it goes on without a terminal, and its stages are jobs as well
///
/// Submits `runner run FILE OPTIONS --executor slurm` as a job of one core, which submits and follows the jobs of the
/// stages. Before its time limit it ends and is put back into the queue. The jobs of the stages go on meanwhile, and
/// the next start finds them again.
///
/// Options for the job come before FILE. Everything after FILE is passed on to `runner run`.
#[derive(Debug, Args)]
pub(super) struct Submit {
    /// Time limit of the job, after which it starts again: 2d, 12h [default: the site's]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    time: Option<Duration>,
    /// Cores of the job: more than one is needed only for stages that run locally
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    cpus: u16,
    // The id differs from that of `run --memory`, whose default a configuration file can set.
    /// Memory of the job
    #[arg(long = "memory", id = "submit.memory", value_name = "SIZE", default_value = "2GiB", value_parser = parse_bytes)]
    memory: u64,
    /// Partition for the job, instead of the one for stages (`slurm.partition`)
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,
    /// Print one JSON object: the id of the job and the path of its log
    #[arg(long)]
    json: bool,
    /// Pipeline file, and options of `runner run`
    #[arg(
        value_name = "FILE",
        required = true,
        num_args = 1..,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    run: Vec<OsString>,
}

impl Submit {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let arguments: Vec<OsString> = ["runner", "run"]
            .map(OsString::from)
            .into_iter()
            .chain(self.run.iter().cloned())
            .collect();
        // Mistakes are shown here and not in the log of a job.
        let Some(Command::Run(run)) = command_line::of_another_process(&arguments)?.command else {
            return Err(Error::Internal("`run` is not a subcommand".to_owned()));
        };
        run.check()?;
        let settings = self.settings()?;
        let minutes = self.minutes(&settings)?;
        let store = run.store().alone()?;
        let logs = store.root().join(FORMAT).join(LOGS);
        let logs = std::path::absolute(&logs).map_err(Error::io("find", &logs))?;
        let mut command = vec![binary(&settings)?.into_os_string()];
        command.extend(arguments.into_iter().skip(1));
        let job = Background {
            command,
            folder: std::env::current_dir()
                .map_err(|e| Error::System(format!("failed to find the working directory: {e}")))?,
            logs: logs.clone(),
            cpus: self.cpus.into(),
            memory: self.memory,
            minutes,
            id_variable: DRIVER_JOB,
            defaults: vec![
                ("RUNNER_EXECUTOR", "slurm".to_owned()),
                ("RUNNER_JOBS", self.cpus.to_string()),
                ("RUNNER_MEMORY", format!("{}MiB", self.memory >> 20)),
            ],
        };
        let id = slurm::Client::default()
            .submit_in_background(&settings, &job)
            .map_err(|error| Error::System(with_hint(&error)))?;
        let log = background::log_of(&logs, id);
        if self.json {
            let text = json!({ "job": id, "log": log.to_string_lossy() }).to_string();
            return console.result(&text).map_err(unwritten);
        }
        let text = format!("submitted Slurm job {id}; log: {}", log.shown());
        console.result(&text).map_err(unwritten)?;
        if console.verbosity > Verbosity::Quiet {
            console.message(
                "once it has started, `runner attach latest` follows it, and `runner runs cancel latest` stops it",
            );
        }
        Ok(())
    }

    /// The settings of the site, for the job of the driver.
    fn settings(&self) -> Result<Settings, Error> {
        let config = Config::load().map_err(Error::Invalid)?;
        let mut settings = config.slurm().map_err(Error::Invalid)?;
        if let Some(partition) = &self.partition {
            settings.partition = Some(partition.clone());
            let checked = settings.check().map_err(|mut errors| errors.swap_remove(0));
            checked
                .map_err(|error| Error::Usage(format!("`--partition`: {}", with_hint(&error))))?;
        }
        Ok(settings)
    }

    /// The time limit of the job, in whole minutes.
    fn minutes(&self, settings: &Settings) -> Result<Option<u32>, Error> {
        let Some(time) = self.time else {
            return Ok(settings.time_limit);
        };
        // Something must be left between the start and the signal before the limit.
        let shortest = background::SHORTEST.max(2 * settings.grace / 60);
        let minutes = u32::try_from(time.as_secs() / 60).unwrap_or(u32::MAX);
        match minutes >= shortest {
            true => Ok(Some(minutes)),
            false => Err(Error::Usage(format!(
                "`--time` is too short; use at least {shortest} minutes, as the job ends {} s before the limit and starts again",
                settings.grace
            ))),
        }
    }
}

/// Path of the binary of the job: that of the site's nodes, or else this one. In a container, the site's path does not
/// lead to the binary outside.
fn binary(settings: &Settings) -> Result<PathBuf, Error> {
    if let (Some(binary), true) = (&settings.binary, settings.container.is_empty()) {
        return Ok(binary.clone());
    }
    let own = std::env::current_exe()
        .map_err(|e| Error::System(format!("failed to find this binary: {e}")))?;
    match files::exists(&own) {
        Ok(true) => Ok(own),
        _ => Err(Error::System(format!(
            "`{}`, from which this process was started, does not exist any more; start again, or set `slurm.binary`",
            own.shown()
        ))),
    }
}
