//! The warden ends user programs if this process is killed.
//!
//! A worker notices that its standard input was closed, but a user's program does not look. A small process
//! of runner therefore keeps a list of the running programs and ends those that are left once its own
//! standard input is closed.
//!
//! It receives one line for each change: `?ID` from the child that will become a program, before it does;
//! `+ID` once it has, or `!` if it never did; `-ID` when it has ended. So there is no moment at which a
//! program runs without being on the list.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use super::own_binary::own_binary;

/// The engine's side of the warden.
#[derive(Debug)]
pub struct Warden {
    process: Child,
}

impl Warden {
    pub fn start() -> io::Result<Self> {
        let mut command = own_binary()?;
        command
            .arg("warden")
            // A Ctrl-C at the terminal must not reach it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(Self {
            process: command.spawn()?,
        })
    }

    /// Returns the id of the warden's process.
    pub fn id(&self) -> i32 {
        // Process ids are positive and fit.
        self.process.id().cast_signed()
    }

    /// Makes the child of `command`, which leads a process group of its own, announce itself before it
    /// becomes the program. Only one at a time may be announced: call [`watch`](Self::watch) or
    /// [`withdraw`](Self::withdraw) next.
    pub fn announce(&self, command: &mut Command) -> io::Result<()> {
        let Some(stdin) = &self.process.stdin else {
            return Ok(());
        };
        let warden = stdin.as_fd().try_clone_to_owned()?;
        let announce = move || {
            let mut line = [0; 16];
            let mut free = &mut line[..];
            writeln!(free, "?{}", std::process::id())?;
            let unused = free.len();
            rustix::io::write(&warden, &line[..line.len() - unused])?;
            Ok(())
        };
        // SAFETY: between fork and exec, `announce` gets an id, formats it on the stack and writes it to a
        // pipe. None of these takes a lock that another thread may hold.
        unsafe { command.pre_exec(announce) };
        Ok(())
    }

    /// Takes back the announcement, if there was one: the child never became a program.
    pub fn withdraw(&mut self) -> io::Result<()> {
        self.send("!\n")
    }

    /// Adds a process group to end if this process ends.
    pub fn watch(&mut self, group: i32) -> io::Result<()> {
        self.send(&format!("+{group}\n"))
    }

    /// Removes a group whose leader has ended, before its id may be reused.
    pub fn forget(&mut self, group: i32) {
        if let Err(error) = self.send(&format!("-{group}\n")) {
            tracing::debug!(%error, group, "failed to tell the warden that a program has ended");
        }
    }

    fn send(&mut self, line: &str) -> io::Result<()> {
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

/// Runs the warden process, `runner warden`.
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
            tracing::debug!(?group, %error, "failed to kill a program");
        }
    }
    ExitCode::SUCCESS
}
