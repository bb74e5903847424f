//! `--notify`: runs a command when a run has ended.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use contract::one_line;
use engine::error::Error;
use engine::event::RunReport;
use engine::wording;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::report::Console;

/// Time after which the command is killed.
const LIMIT: Duration = Duration::from_secs(30);
/// Interval between checks whether the command has ended.
const POLL: Duration = Duration::from_millis(20);
/// Maximum number of bytes of the command's output that a warning shows.
const MOST_OUTPUT: u64 = 500;

/// The command to run at the end of a run.
#[derive(Debug, Default, Args)]
pub(super) struct NotifyArgs {
    /// Run this shell command when the run has ended
    ///
    /// It also runs after a failure, after Ctrl-C, and if everything was cached, but not for a dry run, a pipeline that is
    /// refused, or a second Ctrl-C. These variables tell it what happened: RUNNER_RUN (the run's id), RUNNER_PIPELINE,
    /// RUNNER_STATE (succeeded, failed or cancelled), RUNNER_SECONDS, RUNNER_RAN, RUNNER_CACHED, RUNNER_FAILED,
    /// RUNNER_SKIPPED and RUNNER_CANCELLED (numbers of stages), RUNNER_SUMMARY (all this as a line of text) and
    /// RUNNER_FOLDER (the run's folder). A failure of the command is only a warning. After 30 seconds it is killed.
    #[arg(long, value_name = "COMMAND", env = "RUNNER_NOTIFY")]
    notify: Option<String>,
}

impl NotifyArgs {
    /// Rejects an empty command.
    pub(super) fn check(&self) -> Result<(), Error> {
        match &self.notify {
            Some(command) if command.trim().is_empty() => Err(Error::Usage(
                "the command of `--notify` is empty".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// Returns a value that runs the command, if there is one, when it is dropped: after the results were printed, even
    /// if printing them fails.
    pub(super) fn at_end<'a>(
        &'a self,
        console: &'a Console,
        report: &RunReport,
        folder: &Path,
    ) -> Option<AtEnd<'a>> {
        self.notify.as_ref().map(|command| AtEnd {
            command,
            console,
            variables: variables(report, folder),
        })
    }
}

/// Runs a command when it is dropped. A failure of the command is a warning.
pub(super) struct AtEnd<'a> {
    command: &'a str,
    console: &'a Console,
    variables: Vec<(&'static str, String)>,
}

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        if let Err(why) = run(self.command, &self.variables) {
            let message = format!("warning: the command of `--notify` {why}");
            self.console.message(&message);
        }
    }
}

/// Runs the command to its end, or kills it after [`LIMIT`].
fn run(text: &str, variables: &[(&str, String)]) -> Result<(), String> {
    let failed = |error: io::Error| format!("could not be run: {error}");
    let output = tempfile::tempfile().map_err(failed)?;
    let mut command = Command::new("sh");
    command
        .args(["-c", text])
        .envs(variables.iter().map(|(name, value)| (name, value)))
        // Options of this run are not those of a `runner` that the command starts.
        .env_remove("RUNNER_NOTIFY")
        // Ctrl-C does not end it, and it can be killed with everything that it started.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output.try_clone().map_err(failed)?)
        .stderr(output.try_clone().map_err(failed)?);
    let mut child = command.spawn().map_err(failed)?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if started.elapsed() >= LIMIT {
            // The child is not reaped yet, so its id is not reused.
            let killed = kill_process_group(Pid::from_child(&child), Signal::KILL);
            tracing::debug!(?killed, "the command of `--notify` took too long");
            child.wait().map_err(failed)?;
            let limit = LIMIT.as_secs();
            return Err(format!("did not end within {limit} s and was killed"));
        }
        thread::sleep(POLL);
    };
    if status.success() {
        return Ok(());
    }
    let printed = beginning(output).unwrap_or_default();
    let printed = match one_line(printed.trim()) {
        text if text.is_empty() => String::new(),
        text => format!(": {text}"),
    };
    Err(format!("failed ({status}){printed}"))
}

/// Returns the beginning of what the command printed.
fn beginning(mut output: File) -> io::Result<String> {
    output.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    output.take(MOST_OUTPUT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn variables(report: &RunReport, folder: &Path) -> Vec<(&'static str, String)> {
    let counts = &report.counts;
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let summary = format!(
        "{} {}: {}",
        report.pipeline,
        report.state,
        wording::summary(counts, report.seconds)
    );
    vec![
        ("RUNNER_RUN", report.run.clone()),
        ("RUNNER_PIPELINE", report.pipeline.clone()),
        ("RUNNER_STATE", report.state.to_string()),
        ("RUNNER_SECONDS", format!("{:.1}", report.seconds)),
        ("RUNNER_RAN", counts.succeeded.to_string()),
        ("RUNNER_CACHED", counts.cached.to_string()),
        ("RUNNER_FAILED", counts.failed.to_string()),
        ("RUNNER_SKIPPED", counts.skipped.to_string()),
        ("RUNNER_CANCELLED", counts.cancelled.to_string()),
        ("RUNNER_SUMMARY", summary),
        ("RUNNER_FOLDER", folder.to_string_lossy().into_owned()),
    ]
}
