//! The engine's side of a worker process.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::time::Instant;

use stages::contract::{Failure, Request, StageEvent};

use super::own_binary::own_binary;
use super::usage::{Usage, reap, wait};
use super::workers::{Workers, pid};

/// How a worker ended, and what it took.
#[derive(Debug)]
pub struct Ending {
    pub result: Result<(), Failure>,
    /// Wall time.
    pub seconds: f64,
    pub usage: Usage,
}

/// Runs `request` in a worker process: this binary, as `runner worker`.
///
/// Passes on what the worker says while it works; what it writes to standard error goes to `log`.
/// The worker ends with this process, however that ends: it watches its standard input.
pub fn run(request: &Request, log: &Path, workers: &Workers, heard: &dyn Fn(StageEvent)) -> Ending {
    let started = Instant::now();
    let (result, usage) = converse(request, log, workers, heard).unwrap_or_else(|e| {
        (
            Err(Failure::System(format!(
                "failed to run a worker process: {e}"
            ))),
            Usage::default(),
        )
    });
    if fs::metadata(log).is_ok_and(|log| log.len() == 0) {
        let _ = fs::remove_file(log);
    }
    Ending {
        result,
        seconds: started.elapsed().as_secs_f64(),
        usage,
    }
}

fn converse(
    request: &Request,
    log: &Path,
    workers: &Workers,
    heard: &dyn Fn(StageEvent),
) -> io::Result<(Result<(), Failure>, Usage)> {
    let log_file = File::options().create(true).append(true).open(log)?;
    let mut command = own_binary()?;
    command
        .arg("worker")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log_file);
    let Some(mut child) = workers.spawn(&mut command)? else {
        return Ok((Err(Failure::Cancelled), Usage::default()));
    };
    // Held open to the end: when it closes, the worker knows that it is alone.
    let stdin = ask(&mut child, request);
    let last = listen(&mut child, heard);
    let pid = pid(&child);
    wait(pid)?;
    workers.forget(pid);
    let (status, usage) = reap(pid)?;
    drop(stdin);
    Ok((
        judge(last, status, usage, workers.is_stopping(), log),
        usage,
    ))
}

/// Sends the request. A worker that is gone already shows in how it ended.
fn ask(child: &mut Child, request: &Request) -> Option<ChildStdin> {
    let mut stdin = child.stdin.take()?;
    let sent = serde_json::to_string(request)
        .map_err(io::Error::from)
        .and_then(|line| writeln!(stdin, "{line}"));
    if let Err(error) = sent {
        tracing::debug!(%error, "the request was not read");
    }
    Some(stdin)
}

/// Passes on events until the worker closes its output; gives the last word if it is an ending.
fn listen(child: &mut Child, heard: &dyn Fn(StageEvent)) -> Option<Result<(), Failure>> {
    let lines = BufReader::new(child.stdout.take()?)
        .lines()
        .map_while(Result::ok);
    let mut last = None;
    for line in lines {
        match serde_json::from_str(&line) {
            Ok(StageEvent::Succeeded) => last = Some(Ok(())),
            Ok(StageEvent::Failed { failure }) => last = Some(Err(failure)),
            Ok(event) => heard(event),
            Err(error) => tracing::warn!(%error, line, "a worker said something that is no event"),
        }
    }
    last
}

fn judge(
    last: Option<Result<(), Failure>>,
    status: ExitStatus,
    usage: Usage,
    stopping: bool,
    log: &Path,
) -> Result<(), Failure> {
    match last {
        Some(Ok(())) if status.success() => Ok(()),
        Some(Err(Failure::Cancelled)) if !stopping => Err(Failure::System(
            "its worker process was told to stop by a signal from outside".to_owned(),
        )),
        Some(Err(failure)) => Err(failure),
        _ if stopping => Err(Failure::Cancelled),
        _ => Err(unexpected(status, usage, log)),
    }
}

/// The failure of a worker that ended without saying how.
fn unexpected(status: ExitStatus, usage: Usage, log: &Path) -> Failure {
    let signal = status.signal();
    let name = signal.and_then(signal_hook::low_level::signal_name);
    match (signal, name) {
        (Some(signal_hook::consts::SIGKILL), _) => Failure::System(format!(
            "its worker process was killed by SIGKILL while it held {:.0} MiB; if the system ran out of memory, \
             lower `--jobs` or what the stage holds at once",
            usage.peak_memory_mib
        )),
        (Some(_), Some(name)) => Failure::Internal(format!(
            "its worker process was killed by {name}; see `{}`",
            log.display()
        )),
        _ => Failure::Internal(format!(
            "its worker process ended without a result ({status}); see `{}`",
            log.display()
        )),
    }
}
