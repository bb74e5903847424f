//! Programs that start many processes. Each starts a few hundred at most.

use std::io;

use rustix::process::setsid;

use super::Named;
use super::place::Place;
use super::processes::{fork, leave, pause, sleep, start, wait};
use super::tame;

pub(crate) const PROGRAMS: &[Named] = &[
    ("many-children", many_children),
    ("bomb", bomb),
    ("bomb-of-sessions", bomb_of_sessions),
    ("chain", chain),
    ("zombies", zombies),
    ("forks-at-its-end", forks_at_its_end),
];

/// Starts 400 short processes in sequence.
fn many_children(_: &Place) -> io::Result<()> {
    for _ in 0..400 {
        wait(start(|| Ok(()))?)?;
    }
    tame::outputs()
}

/// Starts 126 processes in six generations. Each lives for a second and is not waited for.
fn bomb(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    generation(6)
}

fn generation(more: u32) -> io::Result<()> {
    if more == 0 {
        return Ok(());
    }
    for _ in 0..2 {
        start(|| {
            generation(more - 1)?;
            pause(1000);
            Ok(())
        })?;
    }
    Ok(())
}

/// Leaves 50 sleeping processes, each in a session of its own.
fn bomb_of_sessions(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    for _ in 0..50 {
        leave(|| {
            sleep();
            Ok(())
        })?;
    }
    Ok(())
}

/// Starts a chain of 40 processes. Each lives for 5 ms and then forks the next one; the last one stays. A
/// runner that lists processes and then kills them is too late for each.
fn chain(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    leave(|| {
        for _ in 0..40 {
            if fork()?.is_some() {
                std::process::exit(0);
            }
            setsid()?;
            pause(5);
        }
        sleep();
        Ok(())
    })
}

/// Leaves a process with 100 zombies, which are children that it does not wait for.
fn zombies(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    leave(|| {
        for _ in 0..100 {
            start(|| Ok(()))?;
        }
        sleep();
        Ok(())
    })
}

/// Ends while a child in its process group is still forking.
fn forks_at_its_end(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    start(|| {
        for _ in 0..100 {
            start(|| {
                sleep();
                Ok(())
            })?;
        }
        sleep();
        Ok(())
    })?;
    Ok(())
}
