//! Runs Slurm's commands.
//!
//! A controller that is down blocks a command for about 9 s and makes it return 1. That says nothing about any job, so
//! [`Error::NoAnswer`] is a different error from [`Error::Refused`].

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use contract::{lock, one_line};

use crate::Error;

/// Time after which a command is killed. Slurm's commands give up by themselves before, except if a file system hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time after which a person is told that Slurm does not answer.
const SILENCE: Duration = Duration::from_secs(5);
/// Largest answer that is read, in bytes: more than a million jobs.
const MOST_BYTES: u64 = 1 << 30;
/// Bytes that are read at once.
const CHUNK: usize = 1 << 16;

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
    /// `true` while a person knows that Slurm does not answer.
    is_silent: Arc<AtomicBool>,
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
        let text = Pipe::drain(child.stdout.take());
        let errors = Pipe::drain(child.stderr.take());
        let on_silence = || self.tell_silence(program, &errors.so_far());
        let status = wait(&mut child, &on_silence).map_err(failed)?;
        let Some(status) = status else {
            let said = format!("`{program}` took more than {} s", PATIENCE.as_secs());
            return Err(Error::NoAnswer { said });
        };
        let [text, errors] = [text, errors].map(Pipe::finish);
        let result = if status.success() {
            Ok(Answer { text })
        } else {
            // If the command was killed, nobody knows what Slurm would have answered.
            let said = match as_sentence(program, &errors) {
                said if said.is_empty() => format!("`{program}` ended with {status}"),
                said => said,
            };
            Err(failure(program, said, status.code().is_none()))
        };
        if !matches!(result, Err(Error::NoAnswer { .. }))
            && self.is_silent.swap(false, Ordering::Relaxed)
        {
            tracing::warn!("Slurm answers again");
        }
        result
    }

    /// Tells a person that Slurm does not answer, once for each silence.
    fn tell_silence(&self, program: &str, errors: &str) {
        if self.is_silent.swap(true, Ordering::Relaxed) {
            return;
        }
        let said = match as_sentence(program, errors) {
            said if said.is_empty() => String::new(),
            said => format!(" ({})", one_line(&said)),
        };
        let seconds = SILENCE.as_secs();
        tracing::warn!(
            "Slurm does not answer: `{program}` has run for {seconds} s{said}; \
             `scontrol ping` shows whether the controller is up"
        );
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
        // Ctrl-C in a terminal must not end a submission halfway.
        command.process_group(0);
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

/// Returns the lines of a message on one line, without the name of the program at the beginning of each.
fn as_sentence(program: &str, text: &str) -> String {
    let prefix = format!("{program}: error: ");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines = lines.map(|line| line.strip_prefix(&prefix).unwrap_or(line));
    lines.collect::<Vec<_>>().join("; ")
}

/// Reads a pipe to its end in a thread. Bytes that are not UTF-8 are replaced.
struct Pipe {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: thread::JoinHandle<()>,
}

impl Pipe {
    fn drain(pipe: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let read = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let Some(pipe) = pipe else { return };
            let mut pipe = pipe.take(MOST_BYTES);
            let mut chunk = vec![0; CHUNK];
            // What was read before an error is returned: the exit status tells whether it is complete.
            while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                lock(&read).extend_from_slice(&chunk[..count]);
            }
        });
        Self { bytes, reader }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&lock(&self.bytes)).into_owned()
    }

    fn finish(self) -> String {
        let Self { bytes, reader } = self;
        let _ = reader.join();
        String::from_utf8_lossy(&lock(&bytes)).into_owned()
    }
}

/// Waits for a command, and kills it after [`PATIENCE`]. Returns `None` if it was killed. Calls `on_silence` once if
/// it takes longer than [`SILENCE`].
fn wait(child: &mut Child, on_silence: &dyn Fn()) -> std::io::Result<Option<ExitStatus>> {
    let began = Instant::now();
    let mut is_told = false;
    let mut pauses = VecDeque::from([1, 2, 5, 10, 20]);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if !is_told && began.elapsed() > SILENCE {
            is_told = true;
            on_silence();
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
    fn lines_of_a_message_become_one() {
        let text = "sbatch: error: Memory specification can not be satisfied\n\nsbatch: error: Batch job submission failed\n";
        let expected = "Memory specification can not be satisfied; Batch job submission failed";
        assert_eq!(as_sentence("sbatch", text), expected);
        assert_eq!(as_sentence("sbatch", "\n"), "");
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
