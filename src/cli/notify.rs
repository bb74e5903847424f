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

use crate::report::{Console, Verbosity};

/// Time after which the command is killed.
const LIMIT: Duration = Duration::from_secs(30);
/// Interval between checks whether the command has ended.
const POLL: Duration = Duration::from_millis(20);
/// Maximum number of bytes of the command's output that are shown.
const MOST_OUTPUT: u64 = 64 << 10;
/// Maximum number of characters of the command's output in a warning.
const MOST_IN_WARNING: usize = 500;

/// The command to run at the end of a run.
#[derive(Debug, Default, Args)]
pub(super) struct NotifyArgs {
    /// Run this shell command when the run has ended
    ///
    /// It also runs after a failure, after Ctrl-C, and if everything was cached, but not for a dry run, a pipeline that
    /// is refused, or a second Ctrl-C. These variables tell it what happened: RUNNER_RUN (the run's id),
    /// RUNNER_PIPELINE, RUNNER_STATE (succeeded, failed or cancelled), RUNNER_SECONDS, RUNNER_RAN, RUNNER_CACHED,
    /// RUNNER_FAILED, RUNNER_SKIPPED and RUNNER_CANCELLED (numbers of stages), RUNNER_SUMMARY (all this as a line of
    /// text) and RUNNER_FOLDER (the run's folder). What the command prints appears on standard error, but not with
    /// `--quiet`. A failure of the command is only a warning. After 30 seconds it is killed.
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
        match run(self.command, &self.variables, LIMIT) {
            Ok(printed) if printed.trim().is_empty() => {}
            Ok(printed) if self.console.verbosity > Verbosity::Quiet => {
                self.console.message(&printed);
            }
            Ok(_) => {}
            Err(why) => {
                let message = format!("warning: the command of `--notify` {why}");
                self.console.message(&message);
            }
        }
    }
}

/// Runs the command to its end, or kills it after `limit`. Returns the beginning of what it printed.
///
/// # Errors
/// If it does not start, fails, or takes too long. The text continues "the command".
fn run(text: &str, variables: &[(&str, String)], limit: Duration) -> Result<String, String> {
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
        if started.elapsed() >= limit {
            // The child is not reaped yet, so its id is not reused.
            let killed = kill_process_group(Pid::from_child(&child), Signal::KILL);
            tracing::debug!(?killed, "the command of `--notify` took too long");
            child.wait().map_err(failed)?;
            let limit = wording::duration(limit.as_secs_f64());
            let printed = in_warning(&beginning(output).unwrap_or_default());
            return Err(format!(
                "did not end within {limit} and was killed{printed}"
            ));
        }
        thread::sleep(POLL);
    };
    let printed = beginning(output).unwrap_or_default();
    match status.success() {
        true => Ok(printed),
        false => Err(format!("failed ({status}){}", in_warning(&printed))),
    }
}

/// The beginning of what a command printed as the end of a warning: `: curl: (6) could not resolve host`.
fn in_warning(printed: &str) -> String {
    let text: String = printed.trim().chars().take(MOST_IN_WARNING).collect();
    match one_line(&text) {
        text if text.is_empty() => String::new(),
        text => format!(": {text}"),
    }
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt;

    use super::*;

    #[test]
    fn a_command_that_does_not_end_is_killed_with_everything_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        let mut open = File::options();
        open.read(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
        let mut reader = open.open(&fifo).unwrap();
        // A child of the shell has the pipe open for as long as it lives.
        let command = format!("sleep 1000 > '{}' & wait", fifo.display());
        let why = run(&command, &[], Duration::from_secs(1)).unwrap_err();
        assert_eq!(why, "did not end within 1.0 s and was killed");
        // Reading fails until nobody has the pipe open for writing.
        while reader.read(&mut [0]).is_err() {
            thread::sleep(POLL);
        }
    }

    #[test]
    fn output_is_returned_or_explains_a_failure() {
        let limit = Duration::from_secs(600);
        let printed = run("echo out; echo err >&2", &[], limit);
        assert_eq!(printed.as_deref(), Ok("out\nerr\n"));
        let failed = run(
            "echo \"$WHY\"; exit 3",
            &[("WHY", "a\nb".to_owned())],
            limit,
        );
        let why = failed.unwrap_err();
        assert!(why.starts_with("failed (exit status: 3): a"), "{why}");
        assert!(!why.contains('\n'), "{why}");
    }
}
