//! Forking, waiting and signals.

use std::io::{self, Read, Write};
use std::process::exit;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, setsid, waitpid};

/// Lifetime of each process, in seconds.
const LIFE: u32 = 40;

/// Time for which processes left behind do harm.
const HARM: Duration = Duration::from_secs(3);

/// Has the kernel end this process when its lifetime is over.
pub(crate) fn bound_life() {
    // SAFETY: `alarm` touches no memory of ours.
    unsafe { libc::alarm(LIFE) };
}

/// Sleeps until the alarm ends this process.
pub(crate) fn sleep() {
    thread::sleep(Duration::from_secs(LIFE.into()));
}

/// Waits for some milliseconds.
pub(crate) fn pause(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}

/// Repeats `work` for three seconds, with a pause of `every` milliseconds after each round. Ignores errors,
/// because the runner removes files meanwhile.
pub(crate) fn harm(every: u64, mut work: impl FnMut(u32) -> io::Result<()>) -> io::Result<()> {
    let started = Instant::now();
    for round in 0.. {
        if started.elapsed() > HARM {
            break;
        }
        let _ = work(round);
        pause(every);
    }
    Ok(())
}

/// Forks; returns `None` in the child, which gets a lifetime of its own.
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: this program has one thread, so the child may use all that the parent could.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            bound_life();
            Ok(None)
        }
        child => Ok(Pid::from_raw(child)),
    }
}

/// Does `work` in a child, which then ends.
pub(crate) fn start(work: impl FnOnce() -> io::Result<()>) -> io::Result<Pid> {
    match fork()? {
        Some(child) => Ok(child),
        None => exit(i32::from(work().is_err())),
    }
}

/// Like `start`, but in a new session. Returns once the child is in it.
pub(crate) fn leave(work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let (mut ready, mut tell) = io::pipe()?;
    start(|| {
        setsid()?;
        tell.write_all(b"!")?;
        drop(tell);
        work()
    })?;
    ready.read_exact(&mut [0])
}

/// Waits for a child.
pub(crate) fn wait(child: Pid) -> io::Result<()> {
    waitpid(Some(child), WaitOptions::empty())?;
    Ok(())
}

/// Sends a signal to this process.
pub(crate) fn signal_self(signal: Signal) -> io::Result<()> {
    Ok(kill_process(getpid(), signal)?)
}

/// Ignores SIGTERM, SIGHUP and SIGINT.
pub(crate) fn ignore_signals() {
    for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT] {
        // SAFETY: `SIG_IGN` sets no handler, so no code of ours runs.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}
