//! What ends programs of the user's when this process is killed.
//!
//! A worker of our own notices that its standard input closed; a program of the user's does not look.
//! So a small process of our own does: it is told of every program that runs, and ends those that are
//! left once nobody holds the other end of its standard input.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitCode, Stdio};

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
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let Some((sign, id)) = line.split_at_checked(1) else {
            continue;
        };
        if let Some(group) = id.parse().ok().and_then(Pid::from_raw) {
            match sign {
                "+" => groups.insert(group.as_raw_nonzero()),
                _ => groups.remove(&group.as_raw_nonzero()),
            };
        }
    }
    for group in groups.into_iter().filter_map(|id| Pid::from_raw(id.get())) {
        if let Err(error) = kill_process_group(group, Signal::KILL) {
            tracing::debug!(?group, %error, "a program was not ended");
        }
    }
    ExitCode::SUCCESS
}
