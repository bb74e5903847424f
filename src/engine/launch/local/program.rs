//! Runs a user's program in a process of its own.

use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use contract::{Failure, Program, ShowPath, files, printable};
use signal_hook::consts::SIGKILL;

use super::leftovers::Tag;
use super::logs::{Logs, tail};
use super::memory::remedy;
use super::usage::{reap, wait};
use super::watch::watch;
use super::workers::{Workers, pid};
use crate::graph::Limits;
use crate::launch::{Ending, Usage};

/// Lines of a failed program's output that are shown.
const SHOWN: usize = 15;

/// Text before the log's path, at the end of the message about a failed program.
pub(crate) const WHOLE_LOG: &str = "\n  full log: ";

/// Runs `program` to its end. Its standard output and standard error go to `log`.
///
/// The program leads a process group of its own, which ends with this process in any case. If it exceeds its
/// limits it is asked to stop, or killed. Processes that it leaves running are ended and reported to `warn`.
pub(super) fn run(
    program: &Program,
    (log, logs): (&Path, &Logs),
    workers: &Workers,
    limits: Limits,
    warn: &dyn Fn(String),
) -> Ending<()> {
    let started = Instant::now();
    let tag = workers.tag();
    let ran = logs.record(log, |out, written| {
        let ran = carry_out(program, (log, out, written), workers, limits, tag, warn);
        // A program that did not start has a tag, too.
        workers.end_leftovers_of(tag, None);
        ran
    });
    logs.remove_later_if_empty(log);
    let (result, usage) =
        ran.unwrap_or_else(|error| (Err(not_run(program, &error)), Usage::default()));
    Ending {
        result,
        seconds: started.elapsed().as_secs_f64(),
        usage,
    }
}

fn not_run(program: &Program, error: &io::Error) -> Failure {
    let name = program.argv.first().map_or("", String::as_str);
    let why = match error.kind() {
        io::ErrorKind::NotFound if files::exists(&program.path).unwrap_or(true) => {
            "the interpreter in its first line does not exist".to_owned()
        }
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "it is not executable, or you have no permission to execute it".to_owned()
        }
        _ if error.raw_os_error() == Some(libc::ENOEXEC) => {
            "its format is unknown; a script must begin with `#!` and its interpreter".to_owned()
        }
        _ => return Failure::System(format!("failed to run `{name}`: {error}")),
    };
    Failure::Data(format!("`{name}` cannot be run: {why}"))
}

fn carry_out(
    program: &Program,
    (log, out, written): (&Path, File, &File),
    workers: &Workers,
    limits: Limits,
    tag: Tag,
    warn: &dyn Fn(String),
) -> io::Result<(Result<(), Failure>, Usage)> {
    let start = out.metadata()?.len();
    let mut command = Command::new(&program.path);
    if let [name, args @ ..] = program.argv.as_slice() {
        command.arg0(name).args(args);
    }
    command
        .env_clear()
        .envs(&program.env)
        .current_dir(&program.folder)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out);
    let Some(child) = workers.spawn_guarded(&mut command, &tag)? else {
        return Ok((Err(Failure::Cancelled), Usage::default()));
    };
    // The command would keep the log open.
    drop(command);
    let pid = pid(&child);
    let (ended, excess) = watch(pid, limits, workers, || wait(pid));
    // Processes that it left running would write to outputs that are being stored.
    let left = workers.end_leftovers_of(tag, Some(pid));
    // A program that was stopped could not end its processes itself.
    let was_stopped = excess.is_some() || workers.is_stopping();
    if let Some(left) = left.wording(was_stopped) {
        warn(left);
    }
    workers.forget(pid);
    ended?;
    let (status, usage) = reap(pid)?;
    workers.reaped(pid);
    let result = match excess {
        _ if status.success() => Ok(()),
        _ if workers.is_stopping() => Err(Failure::Cancelled),
        Some(excess) => Err(excess.failure()),
        None => {
            let oom = status.signal() == Some(SIGKILL) && workers.has_lost_to_oom();
            Err(judge(
                status,
                &usage,
                oom,
                &output_tail(written, log, start),
            ))
        }
    };
    Ok((result, usage))
}

fn judge(status: ExitStatus, usage: &Usage, oom_killed: bool, output_tail: &str) -> Failure {
    let signal = status.signal();
    if oom_killed {
        return Failure::OutOfMemory(format!(
            "the kernel killed the program, which had used up to {:.0} MiB; {}",
            usage.peak_memory_mib,
            remedy()
        ));
    }
    let how = match signal.map(|signal| (signal, signal_hook::low_level::signal_name(signal))) {
        Some((_, Some(name))) => format!("the program was killed by {name}"),
        Some((signal, None)) => format!("the program was killed by signal {signal}"),
        None => format!(
            "the program ended with exit code {}",
            status.code().unwrap_or_default()
        ),
    };
    Failure::Program(format!("{how}{output_tail}"))
}

/// Returns the lines at the end of the open log, written from `start` on, indented and with the log's path.
fn output_tail(written: &File, log: &Path, start: u64) -> String {
    let text = tail(written, start);
    let lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return ", without any output".to_owned();
    }
    let shown = lines[lines.len().saturating_sub(SHOWN)..].iter();
    let shown: String = shown
        .map(|line| format!("\n  | {}", printable(line)))
        .collect();
    format!(":{shown}{WHOLE_LOG}{}", log.shown())
}
