//! Runs Slurm's commands.
//!
//! A controller that is down blocks a command for about 9 s and makes it return 1. That says nothing about any job, so
//! [`Error::NoAnswer`] is a different error from [`Error::Refused`].

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;

/// Time after which a command is killed. Slurm's commands give up by themselves before, except if a file system hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// Largest answer that is read, in bytes: more than a million jobs.
const MOST_BYTES: u64 = 1 << 30;

/// Variables of the environment that stay although their names begin with one of [`PREFIXES`]: they say where the
/// cluster is, and which of the site's resources a person wants.
const KEPT: [&str; 10] = [
    "SLURM_CONF",
    "SLURM_JWT",
    "SLURM_CLUSTERS",
    "SBATCH_CLUSTERS",
    "SBATCH_ACCOUNT",
    "SBATCH_PARTITION",
    "SBATCH_QOS",
    "SBATCH_CONSTRAINT",
    "SBATCH_RESERVATION",
    "SBATCH_EXPORT",
];
/// Variables that would change what a command does or prints. If the driver is itself a job, `SLURM_*` describes its
/// own allocation, which `sbatch` would read as options.
const PREFIXES: [&str; 5] = ["SLURM_", "SBATCH_", "SQUEUE_", "SCONTROL_", "SACCT_"];

/// Runs Slurm's commands, found in `PATH`.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// Folder in which the commands are, instead of `PATH`.
    folder: Option<PathBuf>,
    /// Further variables of the environment.
    variables: Vec<(OsString, OsString)>,
}

/// Answer of a command that was carried out.
pub(crate) struct Answer {
    pub(crate) text: String,
}

impl Client {
    /// Looks for the commands in `folder` instead of `PATH`.
    #[must_use]
    pub fn in_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Sets a variable of the environment, such as `SLURM_CONF`.
    #[must_use]
    pub fn with(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    pub(crate) fn run(&self, program: &'static str, arguments: &[String]) -> Result<Answer, Error> {
        self.run_holding(program, arguments, None)
    }

    /// Runs a command that keeps `held` open as its standard input. If this process dies, a lock on `held` stays until
    /// the command has ended.
    pub(crate) fn run_holding(
        &self,
        program: &'static str,
        arguments: &[String],
        held: Option<File>,
    ) -> Result<Answer, Error> {
        let mut command = self.command(program);
        command.args(arguments);
        command.stdin(held.map_or_else(Stdio::null, Stdio::from));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        tracing::debug!(?command, "asking Slurm");
        let failed = |source| Error::NotStarted { program, source };
        let mut child = command.spawn().map_err(failed)?;
        let text = drain(child.stdout.take());
        let errors = drain(child.stderr.take());
        let status = wait(&mut child).map_err(failed)?;
        let Some(status) = status else {
            let said = format!("`{program}` took more than {} s", PATIENCE.as_secs());
            return Err(Error::NoAnswer { said });
        };
        let [text, errors] = [text, errors].map(|reader| reader.join().unwrap_or_default());
        if status.success() {
            return Ok(Answer { text });
        }
        // A command that was killed says nothing: neither an answer nor a refusal.
        let said = match errors.trim() {
            "" => format!("`{program}` ended with {status}"),
            errors => errors.to_owned(),
        };
        Err(failure(program, said, status.code().is_none()))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = match &self.folder {
            Some(folder) => Command::new(folder.join(program)),
            None => Command::new(program),
        };
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let is_slurms = PREFIXES.iter().any(|prefix| text.starts_with(prefix));
            if is_slurms && !KEPT.contains(&text.as_ref()) {
                command.env_remove(&name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        // Messages are compared below.
        command.env("LC_ALL", "C");
        command
    }
}

/// Parts of messages that mean that the controller, or the way to it, is not there now.
const NO_ANSWER: [&str; 12] = [
    "unable to contact slurm controller",
    "unable to connect",
    "unable to establish",
    "connection refused",
    "connection timed out",
    "socket timed out",
    "communications connection failure",
    "communication connection failure",
    "zero bytes were transmitted",
    "transport endpoint is not connected",
    "slurm backup controller in standby mode",
    "protocol authentication error",
];
/// Parts of messages that mean that the controller takes no more jobs now.
const FULL: [&str; 5] = [
    "temporarily unable",
    "resource temporarily unavailable",
    "job submit limit",
    "maxsubmitjob",
    "too many jobs",
];

fn failure(program: &'static str, said: String, was_killed: bool) -> Error {
    let lower = said.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    if was_killed || has(&NO_ANSWER) {
        Error::NoAnswer { said }
    } else if has(&FULL) {
        Error::Full { said }
    } else {
        Error::Refused { program, said }
    }
}

/// Reads a pipe to its end in a thread. Bytes that are not UTF-8 are replaced.
fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What was read before an error is returned: the exit status tells whether it is complete.
            let _ = pipe.take(MOST_BYTES).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Waits for a command, and kills it after [`PATIENCE`]. Returns `None` if it was killed.
fn wait(child: &mut Child) -> std::io::Result<Option<std::process::ExitStatus>> {
    let began = Instant::now();
    let mut pauses = VecDeque::from([1, 2, 5, 10, 20]);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if began.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        let pause = pauses.pop_front().unwrap_or(20);
        if pauses.is_empty() {
            pauses.push_back(20);
        }
        thread::sleep(Duration::from_millis(pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart() {
        let kind = |said: &str| match failure("sbatch", said.to_owned(), false) {
            Error::NoAnswer { .. } => "no answer",
            Error::Full { .. } => "full",
            Error::Refused { .. } => "refused",
            other => panic!("{other}"),
        };
        let down = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)";
        assert_eq!(kind(down), "no answer");
        assert_eq!(
            kind(
                "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
            ),
            "no answer"
        );
        assert_eq!(
            kind(
                "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
            ),
            "full"
        );
        assert_eq!(
            kind("sbatch: error: invalid partition specified: nope"),
            "refused"
        );
        assert!(matches!(
            failure("squeue", String::new(), true),
            Error::NoAnswer { .. }
        ));
    }

    #[test]
    fn a_missing_command_is_an_error_with_a_hint() {
        let client = Client::default().in_folder("/nowhere");
        let error = client.run("squeue", &[]).err().unwrap();
        assert!(
            error.to_string().starts_with("failed to run `squeue`"),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("login node"));
    }
}
