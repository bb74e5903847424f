//! The worker's side of a worker process: `runner worker`.

use std::io::{self, BufRead, Read, Write};
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use contract::{Failure, Request, StageEvent, lock};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::message;
use crate::error::of_panic;

/// Runs a stage to its end in this process.
pub type Execute =
    fn(&Request, &(dyn Fn(StageEvent) + Sync), cancelled: &AtomicBool) -> Result<(), Failure>;

/// The code of the stage kinds, which a worker runs.
pub struct Kinds {
    pub execute: Execute,
    /// Stack of a thread that computes, in bytes.
    pub stack_size: usize,
}

/// Reads a [`Request`] from standard input, executes it, and writes events as JSON lines to standard output.
/// The last line has the result. The exit code is 0 for success and 1 for a failure.
pub fn serve(kinds: &Kinds) -> ExitCode {
    let cancelled = Arc::new(AtomicBool::new(false));
    let result = prepare(kinds.stack_size, &cancelled)
        .and_then(|request| execute(kinds, &request, &cancelled));
    let code = if result.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    send(
        &result.map_or_else(
            |failure| StageEvent::Failed { failure },
            |()| StageEvent::Succeeded,
        ),
        &cancelled,
    );
    code
}

fn prepare(stack_size: usize, cancelled: &Arc<AtomicBool>) -> Result<Request, Failure> {
    for signal in [SIGTERM, SIGINT] {
        // The first signal sets the flag. A second one exits, in case the stage does not check the flag.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(cancelled))
            .and_then(|_| flag::register(signal, Arc::clone(cancelled)))
            .map_err(failed_to("watch for signals"))?;
    }
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(failed_to("read the request"))?;
    let request: Request = message::read(line.as_bytes())
        .map_err(|e| Failure::Internal(format!("failed to read the request: {e}")))?;
    thread::Builder::new()
        .name("parent".to_owned())
        .spawn(end_with_parent)
        .map_err(failed_to("start a thread"))?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(request.cpus.max(1))
        .stack_size(stack_size)
        .build_global()
        .map_err(|e| Failure::System(format!("failed to start {} threads: {e}", request.cpus)))?;
    Ok(request)
}

/// Converts an error for `map_err`, as `failed to <what>: <cause>`.
fn failed_to(what: &'static str) -> impl Fn(io::Error) -> Failure {
    move |cause| Failure::System(format!("failed to {what}: {cause}"))
}

/// Exits when standard input is closed: the engine keeps it open for as long as it lives.
fn end_with_parent() {
    let _ = io::stdin().lock().read_to_end(&mut Vec::new());
    tracing::warn!("runner has ended, so this worker exits");
    std::process::exit(1);
}

fn execute(kinds: &Kinds, request: &Request, cancelled: &AtomicBool) -> Result<(), Failure> {
    let fault = Arc::new(Mutex::new(None));
    remember_panics(&fault);
    let events = |event: StageEvent| send(&event, cancelled);
    catch_unwind(AssertUnwindSafe(|| {
        (kinds.execute)(request, &events, cancelled)
    }))
    .unwrap_or_else(|_| {
        let fault = lock(&fault).take();
        Err(Failure::Internal(
            fault.unwrap_or_else(|| "panic".to_owned()),
        ))
    })
}

/// Keeps the message and place of the first panic on any thread. The panic is also reported as usual.
fn remember_panics(fault: &Arc<Mutex<Option<String>>>) {
    let fault = Arc::clone(fault);
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        lock(&fault).get_or_insert_with(|| of_panic(info));
        report(info);
    }));
}

fn send(event: &StageEvent, cancelled: &AtomicBool) {
    let sent = serde_json::to_string(event)
        .map_err(io::Error::from)
        .and_then(|line| {
            let mut out = io::stdout().lock();
            writeln!(out, "{line}").and_then(|()| out.flush())
        });
    if let Err(error) = sent {
        // The engine no longer reads the events.
        tracing::warn!(%error, "failed to send an event");
        cancelled.store(true, Ordering::SeqCst);
    }
}
