//! The engine's side of a worker process: starts it, sends the request, receives events and judges its end.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::time::Instant;

use contract::{Failure, Request, ShowPath, StageEvent};
use signal_hook::consts::{SIGABRT, SIGKILL};

use super::logs::{Logs, tail};
use super::memory::remedy;
use super::own_binary::own_binary;
use super::usage::{reap, wait};
use super::watch::{Excess, watch};
use super::workers::{Workers, pid};
use crate::graph::Limits;
use crate::launch::{Ending, Usage, message};

/// Runs `request` in a worker process: this binary, as `runner worker`.
///
/// Passes the worker's events to `on_event`. Standard error goes to `log`, which is kept small. The worker
/// watches its standard input, so it ends when this process ends in any way. If it exceeds its limits it is
/// asked to stop, or killed.
pub(super) fn run(
    request: &Request,
    (log, logs): (&Path, &Logs),
    workers: &Workers,
    limits: Limits,
    on_event: &dyn Fn(StageEvent),
) -> Ending<()> {
    let started = Instant::now();
    let ran = logs.record(log, |out, written| {
        converse(request, (log, out, written), workers, limits, on_event)
    });
    let (result, usage) = ran.unwrap_or_else(|e| {
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

/// Environment variable with the GPUs that CUDA may use.
pub const VISIBLE_GPUS: &str = "CUDA_VISIBLE_DEVICES";

fn converse(
    request: &Request,
    (log, out, written): (&Path, File, &File),
    workers: &Workers,
    limits: Limits,
    on_event: &dyn Fn(StageEvent),
) -> io::Result<(Result<(), Failure>, Usage)> {
    let start = out.metadata()?.len();
    let mut command = own_binary()?;
    command
        .arg("worker")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(out);
    // Empty if the stage has none: a stage on the CPU must not take memory of a GPU.
    command.env(VISIBLE_GPUS, request.gpus.join(","));
    let Some(mut child) = workers.spawn(&mut command)? else {
        return Ok((Err(Failure::Cancelled), Usage::default()));
    };
    let pid = pid(&child);
    let (last, excess) = watch(pid, limits, workers, || {
        // Kept open until the end: when it closes, the worker knows that runner is gone.
        let stdin = send_request(&mut child, request);
        let last = receive_events(&mut child, on_event);
        let ended = wait(pid);
        drop(stdin);
        ended.map(|()| last)
    });
    workers.forget(pid);
    let (status, usage) = reap(pid)?;
    workers.reaped(pid);
    let ended = Ended {
        last: last?,
        status,
        usage,
        excess,
        oom_killed: status.signal() == Some(SIGKILL) && workers.has_lost_to_oom(),
        log,
        stderr_tail: tail(written, start),
    };
    Ok((ended.judge(workers.is_stopping()), usage))
}

/// Sends the request. An error is only logged: if the worker has ended already, its exit status shows it.
fn send_request(child: &mut Child, request: &Request) -> Option<ChildStdin> {
    let mut stdin = child.stdin.take()?;
    let sent = serde_json::to_string(request)
        .map_err(io::Error::from)
        .and_then(|line| writeln!(stdin, "{line}"));
    if let Err(error) = sent {
        tracing::debug!(%error, "failed to send the request to the worker");
    }
    Some(stdin)
}

/// Passes on events until the worker closes its output. Returns the result if that is its last message.
fn receive_events(child: &mut Child, on_event: &dyn Fn(StageEvent)) -> Option<Result<(), Failure>> {
    let lines = BufReader::new(child.stdout.take()?)
        .lines()
        .map_while(Result::ok);
    let mut last = None;
    for line in lines {
        match message::read(line.as_bytes()) {
            Ok(StageEvent::Succeeded) => last = Some(Ok(())),
            Ok(StageEvent::Failed { failure }) => last = Some(Err(failure)),
            Ok(event) => on_event(event),
            Err(error) => tracing::warn!(%error, line, "a worker sent a line that is not an event"),
        }
    }
    last
}

/// The facts that determine the result of a worker that has ended.
struct Ended<'a> {
    /// Result in its last message, if there was one.
    last: Option<Result<(), Failure>>,
    status: ExitStatus,
    usage: Usage,
    /// The limit that it exceeded, if it was stopped for that.
    excess: Option<Excess>,
    /// `true` if the worker was killed with SIGKILL and the kernel killed a process for lack of memory meanwhile.
    oom_killed: bool,
    log: &'a Path,
    /// End of its standard error.
    stderr_tail: String,
}

impl Ended<'_> {
    fn judge(self, stopping: bool) -> Result<(), Failure> {
        match (&self.last, &self.excess) {
            (Some(Ok(())), _) if self.status.success() => Ok(()),
            (Some(Err(failure)), _) if *failure != Failure::Cancelled => Err(failure.clone()),
            (_, Some(excess)) if !stopping => Err(excess.failure()),
            _ if stopping => Err(Failure::Cancelled),
            (Some(Err(_)), _) => Err(Failure::System(
                "its worker process received a signal to stop that runner did not send".to_owned(),
            )),
            _ => Err(self.unexpected()),
        }
    }

    /// Returns the failure of a worker that ended without sending a result.
    fn unexpected(&self) -> Failure {
        let peak = self.usage.peak_memory_mib;
        let signal = self.status.signal();
        let name = signal.and_then(signal_hook::low_level::signal_name);
        match (signal, name) {
            (Some(SIGKILL), _) if self.oom_killed => Failure::OutOfMemory(format!(
                "the kernel killed its worker process, which had used up to {peak:.0} MiB; {}",
                remedy()
            )),
            (Some(SIGKILL), _) => Failure::System(format!(
                "its worker process was killed by SIGKILL, which runner did not send; it had used up to \
                 {peak:.0} MiB"
            )),
            (Some(SIGABRT), _) if self.log_ends_with_failed_allocation() => {
                Failure::OutOfMemory(format!(
                    "the system refused more memory for its worker process, which had used up to {peak:.0} \
                 MiB"
                ))
            }
            (Some(_), Some(name)) => Failure::Internal(format!(
                "its worker process was killed by {name}; see `{}`",
                self.log.shown()
            )),
            _ => Failure::Internal(format!(
                "its worker process ended without a result ({}); see `{}`",
                self.status,
                self.log.shown()
            )),
        }
    }

    /// Returns whether the log ends with Rust's message about a failed allocation.
    fn log_ends_with_failed_allocation(&self) -> bool {
        let mut lines = self.stderr_tail.lines().rev().take(5);
        lines.any(|line| line.starts_with("memory allocation of "))
    }
}
