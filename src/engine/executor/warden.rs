//! What ends programs of the user's when this process is killed.
//!
//! A worker of our own notices that its standard input closed; a program of the user's does not look.
//! So a small process of our own does: it is told of every program that runs, and ends those that are
//! left once nobody holds the other end of its standard input.
//!
//! It is told in lines: `?ID` by the child that is to be a program, before it is one; `+ID` once it is, or
//! `!` if it never became one; `-ID` when it has ended. So there is no moment at which a program runs and
//! nobody would end it.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use super::own_binary::own_binary;

/// The engine's side.
#[derive(Debug)]
pub struct Warden {
    process: Child,
}

impl Warden {
    pub fn start() -> io::Result<Self> {
        let mut command = own_binary()?;
        command
            .arg("warden")
            // A Ctrl-C at the terminal is not for it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(Self {
            process: command.spawn()?,
        })
    }

    /// The id of its process.
    pub fn id(&self) -> i32 {
        // Process ids are positive and fit.
        self.process.id().cast_signed()
    }

    /// Has the child of `command`, the leader of a group of its own, tell of itself before it becomes the
    /// program. One at a time: what follows is [`watch`](Self::watch) or [`withdraw`](Self::withdraw).
    pub fn announce(&self, command: &mut Command) -> io::Result<()> {
        let Some(stdin) = &self.process.stdin else {
            return Ok(());
        };
        let warden = stdin.as_fd().try_clone_to_owned()?;
        let tell = move || {
            let mut line = [0; 16];
            let mut room = &mut line[..];
            writeln!(room, "?{}", std::process::id())?;
            let unused = room.len();
            rustix::io::write(&warden, &line[..line.len() - unused])?;
            Ok(())
        };
        // SAFETY: between fork and exec it asks for an id, writes it on the stack and to a pipe: nothing
        // that another thread may have locked.
        unsafe { command.pre_exec(tell) };
        Ok(())
    }

    /// Tells it that what was announced, if anything was, never became a program.
    pub fn withdraw(&mut self) -> io::Result<()> {
        self.say("!\n")
    }

    /// Tells it of a process group that is to end with this process.
    pub fn watch(&mut self, group: i32) -> io::Result<()> {
        self.say(&format!("+{group}\n"))
    }

    /// Tells it that a group's leader has ended, before the id may be another's.
    pub fn forget(&mut self, group: i32) {
        if let Err(error) = self.say(&format!("-{group}\n")) {
            tracing::debug!(%error, group, "the warden was not told");
        }
    }

    fn say(&mut self, line: &str) -> io::Result<()> {
        match &mut self.process.stdin {
            Some(stdin) => stdin.write_all(line.as_bytes()),
            None => Ok(()),
        }
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The other side: what `runner warden` does.
pub fn serve() -> ExitCode {
    let mut groups = BTreeSet::new();
    let mut announced = None;
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let Some((sign, id)) = line.split_at_checked(1) else {
            continue;
        };
        let group = id.parse().ok().and_then(Pid::from_raw);
        let group = group.map(Pid::as_raw_nonzero);
        match (sign, group) {
            ("?", _) => announced = group,
            ("+", Some(group)) => {
                groups.insert(group);
                announced = None;
            }
            ("-", Some(group)) => {
                groups.remove(&group);
            }
            ("!", _) => announced = None,
            _ => {}
        }
    }
    groups.extend(announced);
    for group in groups.into_iter().filter_map(|id| Pid::from_raw(id.get())) {
        if let Err(error) = kill_process_group(group, Signal::KILL) {
            tracing::debug!(?group, %error, "a program was not ended");
        }
    }
    ExitCode::SUCCESS
}
