//! The process of `ssh` for one stage.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use contract::lock;
use rustix::process::{Pid, Signal, kill_process_group};

use super::settings::SshHost;

/// Options of every connection. No question is asked, because a run has no terminal to ask. A connection of its own is
/// made, because a shared one would outlive this process. A dead connection ends after a minute.
const OPTIONS: [&str; 8] = [
    "-T",
    "-oBatchMode=yes",
    "-oControlMaster=no",
    "-oControlPath=none",
    "-oClearAllForwardings=yes",
    "-oConnectTimeout=30",
    "-oServerAliveInterval=15",
    "-oServerAliveCountMax=4",
];
/// Bytes kept of the end of the client's standard error.
const KEPT: usize = 4096;
/// Time that the client may take to end after the conversation.
const GRACE: Duration = Duration::from_secs(5);
/// Interval between looks at a client that is ending.
const POLL: Duration = Duration::from_millis(10);

/// A running client. It leads a process group of its own, so a Ctrl-C at the terminal does not reach it.
pub(super) struct Client {
    child: Mutex<Child>,
    id: Pid,
    /// Collects the end of its standard error.
    errors: Mutex<Option<JoinHandle<Vec<u8>>>>,
}

/// End of a client.
pub(super) struct Exit {
    pub(super) status: ExitStatus,
    /// The end of what it wrote to standard error.
    pub(super) said: String,
}

impl Client {
    /// Starts the client and the program on the host.
    pub(super) fn start(
        host: &str,
        settings: &SshHost,
    ) -> io::Result<(Self, ChildStdin, ChildStdout)> {
        let mut command = Command::new("ssh");
        command
            .args(OPTIONS)
            .args(["--", host, &remote_command(&settings.binary)])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let id = Pid::from_child(&child);
        let (input, output, errors) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = (input, output, errors) else {
            return Err(io::Error::other("a pipe is missing"));
        };
        let errors = thread::Builder::new().spawn(move || end_of(errors))?;
        let client = Self {
            child: Mutex::new(child),
            id,
            errors: Mutex::new(Some(errors)),
        };
        Ok((client, input, output))
    }

    /// Ends the client, and with it the program on the host, which notices that its connection is closed.
    pub(super) fn kill(&self) {
        // While the lock is held, the child is not reaped, so its id is not given to another process.
        let mut child = lock(&self.child);
        if let Ok(None) = child.try_wait()
            && let Err(error) = kill_process_group(self.id, Signal::KILL)
        {
            tracing::debug!(%error, "failed to kill `ssh`");
        }
    }

    /// Waits for the end of the client, whose standard input must be closed. It is killed if that takes too long.
    pub(super) fn wait(&self) -> io::Result<Exit> {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = lock(&self.child).try_wait()? {
                break status;
            }
            if began.elapsed() > GRACE {
                self.kill();
            }
            thread::sleep(POLL);
        };
        let errors = lock(&self.errors).take();
        let said = errors.and_then(|errors| errors.join().ok());
        Ok(Exit {
            status,
            said: String::from_utf8_lossy(&said.unwrap_or_default()).into_owned(),
        })
    }
}

/// Returns the command for the host's shell.
fn remote_command(binary: &str) -> String {
    let binary = match binary.strip_prefix("~/") {
        Some(rest) => format!("\"$HOME\"/{}", quoted(rest)),
        None => quoted(binary),
    };
    format!("{binary} node --ssh")
}

/// Quotes a word for any usual shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Reads to the end, and returns the last [`KEPT`] bytes.
fn end_of(mut from: impl Read) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut piece = [0; KEPT];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        kept.extend_from_slice(&piece[..read]);
        let excess = kept.len().saturating_sub(KEPT);
        kept.drain(..excess);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_for_the_shell_is_quoted() {
        assert_eq!(remote_command("runner"), "'runner' node --ssh");
        assert_eq!(
            remote_command("~/my programs/runner"),
            "\"$HOME\"/'my programs/runner' node --ssh"
        );
        let echoed = Command::new("sh")
            .args(["-c", &format!("printf %s {}", quoted("it's; $(x)"))])
            .output();
        assert_eq!(echoed.unwrap().stdout, b"it's; $(x)");
    }

    #[test]
    fn only_the_end_of_the_errors_is_kept() {
        let mut text = vec![b'a'; 3 * KEPT];
        text.extend(b"the end");
        let end = end_of(&*text);
        assert_eq!(end.len(), KEPT);
        assert!(end.ends_with(b"athe end"));
    }
}
