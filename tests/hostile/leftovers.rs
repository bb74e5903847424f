//! Programs that leave processes behind, and programs that block.

use std::env;
use std::ffi::c_int;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Signal, setsid};

use super::Named;
use super::place::Place;
use super::processes::{fork, harm, ignore_signals, leave, pause, signal_self, sleep, start, wait};
use super::tame;

pub(crate) const PROGRAMS: &[Named] = &[
    ("new-session", new_session),
    ("double-fork", double_fork),
    ("closed-descriptors", closed_descriptors),
    ("no-environment", no_environment),
    ("ignored-signals", ignored_signals),
    ("fork-on-term", fork_on_term),
    ("stopped", stopped),
    ("killed-parent", killed_parent),
    ("late-output", late_output),
    ("late-output-by-path", late_output_by_path),
    ("open-output", open_output),
    ("many-late-files", many_late_files),
    ("deaf", deaf),
    ("stops-itself", stops_itself),
    ("waits-for-fifo", waits_for_fifo),
    ("sleeps", |_| {
        sleep();
        Ok(())
    }),
    ("waits-for-session", waits_for_session),
    ("holds-log", holds_log),
    ("locks-store", locks_store),
];

/// Leaves a sleeping process in a session of its own.
fn new_session(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    leave(sleeper)
}

fn sleeper() -> io::Result<()> {
    sleep();
    Ok(())
}

/// Leaves a sleeping process whose parent has ended.
fn double_fork(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    wait(start(|| leave(sleeper))?)
}

/// Leaves a proper daemon, with no open descriptor and `/` as its working directory.
fn closed_descriptors(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    leave(|| {
        env::set_current_dir("/")?;
        for descriptor in 0..64 {
            close(descriptor);
        }
        sleeper()
    })
}

fn close(descriptor: c_int) {
    // SAFETY: nothing in this process uses a descriptor after this, and none is owned by a value.
    unsafe { libc::close(descriptor) };
}

/// Leaves a sleeping process with an empty environment.
fn no_environment(place: &Place) -> io::Result<()> {
    tame::outputs()?;
    leave(|| {
        let mut sleeper = Command::new(env::current_exe()?);
        sleeper.env_clear().arg("sleep").arg(place.root());
        Err(sleeper.exec())
    })
}

fn ignored_signals(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    leave(|| {
        ignore_signals();
        sleeper()
    })
}

/// Leaves a process that forks on SIGTERM, at most five times, and ends, so that only its child lives on.
fn fork_on_term(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    let asked = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&asked))?;
    leave(|| {
        let mut forks = 0;
        harm(2, |_| {
            if asked.swap(false, Ordering::SeqCst) && forks < 5 {
                forks += 1;
                if fork()?.is_some() {
                    std::process::exit(0);
                }
                setsid()?;
            }
            Ok(())
        })
    })
}

fn stopped(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    leave(|| signal_self(Signal::STOP))
}

fn killed_parent(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    leave(sleeper)?;
    signal_self(Signal::KILL)
}

/// Writes to outputs while they are taken into the store, by paths relative to its working directory.
fn late_output(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    leave(|| {
        harm(10, |round| {
            pause(50);
            fs::write("result", format!("late {round}\n"))?;
            fs::write("made/late", format!("late {round}\n"))
        })
    })
}

/// Does the same by absolute paths, which may belong to another program by then.
fn late_output_by_path(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    let scratch = env::current_dir()?;
    leave(|| {
        env::set_current_dir("/")?;
        harm(10, |round| {
            pause(50);
            for output in ["result", "digest", "data/small"] {
                let _ = fs::write(scratch.join(output), format!("late {round}\n"));
            }
            fs::write(scratch.join("late"), "late\n")
        })
    })
}

fn open_output(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    let output = File::options().write(true).open("result")?;
    leave(|| harm(20, |_| output.write_all_at(b"POISON", 0)))
}

/// Keeps creating files in its working directory.
fn many_late_files(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    leave(|| harm(1, |round| fs::write(format!("ignored/{round}"), "late\n")))
}

/// Ignores the signal that is sent at its timeout.
fn deaf(_: &Place) -> io::Result<()> {
    ignore_signals();
    sleeper()
}

fn stops_itself(_: &Place) -> io::Result<()> {
    signal_self(Signal::STOP)?;
    sleeper()
}

fn waits_for_fifo(_: &Place) -> io::Result<()> {
    fs::create_dir_all("ignored")?;
    mknodat(
        CWD,
        "ignored/fifo",
        FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )?;
    File::open("ignored/fifo")?;
    Ok(())
}

/// Starts a child that is in another session and ignores signals, then sleeps until its timeout.
fn waits_for_session(_: &Place) -> io::Result<()> {
    leave(|| {
        ignore_signals();
        sleeper()
    })?;
    sleeper()
}

/// Writes to the log of its stage after the stage has ended.
fn holds_log(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    leave(|| harm(10, |_| io::stdout().write_all(b"still here\n")))
}

/// Holds the store's locks, during its stage and after it.
fn locks_store(place: &Place) -> io::Result<()> {
    tame::outputs()?;
    let open = |name| {
        File::options()
            .read(true)
            .write(true)
            .open(place.store(name))
    };
    let locks = ["collector.lock", "leases.lock", "tmp/.lock"].map(open);
    leave(|| {
        harm(10, |_| {
            for lock in locks.iter().flatten() {
                let _ = lock.try_lock();
            }
            Ok(())
        })
    })?;
    pause(100);
    Ok(())
}
