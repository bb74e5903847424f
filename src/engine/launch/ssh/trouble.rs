//! Reasons why a stage did not come to an end on a host, as failures with hints.
//!
//! | reason | failure |
//! | --- | --- |
//! | the host cannot be reached, or the connection was lost | of the system, so it may be retried |
//! | the name, the host's key, the user's key, the program or its version is wrong | not retried |
//! | the other side broke a rule of the protocol | not retried |
//! | this machine refused an operation | of the system |

use std::io;
use std::path::Path;

use contract::{Failure, one_line};

use super::client::Exit;

/// Lines of the client's output that are shown.
const SHOWN: usize = 3;

/// Reason why a conversation ended early.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The stream from or to the host ended or failed.
    Stream(io::Error),
    /// The host broke a rule of the protocol.
    Peer(String),
    /// The host cannot run the stage; more attempts do not help.
    Refused(String),
    /// This machine refused an operation.
    Here(String),
    Cancelled,
}

impl Trouble {
    /// Interprets an error of a conversation. Errors of the streams and of local files have different kinds.
    pub(super) fn of(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::Peer(error.to_string()),
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset => Self::Stream(error),
            _ => Self::Here(error.to_string()),
        }
    }

    /// Returns the failure of a stage that was to run on `host`. `has_run` is `true` if it ran there for a while.
    pub(super) fn failure(
        self,
        (host, binary): (&str, &str),
        exit: Option<&Exit>,
        has_run: bool,
    ) -> Failure {
        match self {
            Self::Cancelled => Failure::Cancelled,
            Self::Here(why) => Failure::System(why),
            Self::Refused(why) => Failure::Data(why),
            Self::Peer(why) => Failure::Data(format!(
                "`{host}` does not speak runner's protocol: {}; check that `{binary}` is runner there, and that the \
                 shell's start-up files print nothing",
                one_line(&why)
            )),
            Self::Stream(error) => match exit {
                Some(exit) => of_exit(host, binary, exit, has_run),
                None => Failure::System(format!("lost the connection to `{host}`: {error}")),
            },
        }
    }
}

/// Converts an error of a file of this machine for `map_err`.
pub(super) fn here(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Trouble {
    move |error| Trouble::Here(Failure::io(what, path, error).to_string())
}

/// Returns the failure for a client that ended before the stage did.
fn of_exit(host: &str, binary: &str, exit: &Exit, has_run: bool) -> Failure {
    let said = &exit.said;
    let has = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    let shown = end_of(said);
    match exit.status.code() {
        Some(255) if has(&["Could not resolve hostname"]) => Failure::Data(format!(
            "`ssh` does not know the host `{host}`{shown}; check its name, or add it to `~/.ssh/config`"
        )),
        Some(255) if has(&["Host key verification failed", "host key is known for"]) => {
            Failure::Data(format!(
                "the key of `{host}` is not known or has changed{shown}; run `ssh {host}` once, and compare the key \
                 with the host's before you accept it"
            ))
        }
        Some(255) if has(&["Permission denied", "Too many authentication failures"]) => {
            Failure::Data(format!(
                "`{host}` refuses to log in{shown}; runner cannot enter a password, so `ssh -oBatchMode=yes {host} true` \
                 must work: use a key and `ssh-agent`"
            ))
        }
        Some(255) if !has_run => Failure::System(format!(
            "cannot reach `{host}`{shown}; check that `ssh {host}` works"
        )),
        Some(255) => Failure::System(format!(
            "lost the connection to `{host}`{shown}; a training goes on from its last checkpoint when it runs again"
        )),
        Some(127) => Failure::Data(format!(
            "there is no program `{binary}` on `{host}`{shown}; copy this one there, and set `ssh.{host}.binary` to its \
             path"
        )),
        Some(126) => Failure::Data(format!(
            "`{binary}` on `{host}` cannot be executed{shown}; copy a binary there that was built for its processor \
             and system"
        )),
        Some(2) if has(&["Usage:", "unexpected argument", "unrecognized subcommand"]) => {
            Failure::Data(format!(
                "`{binary}` on `{host}` is not this version of runner{shown}; copy this one there"
            ))
        }
        _ => Failure::System(format!(
            "runner on `{host}` ended without a result ({}){shown}",
            exit.status
        )),
    }
}

/// Returns the last lines of a text for a message, or nothing if there are none.
fn end_of(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<_> = lines.collect();
    let last = &lines[lines.len().saturating_sub(SHOWN)..];
    match last.is_empty() {
        true => String::new(),
        false => format!(" ({})", one_line(&last.join("; "))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn failure(code: i32, said: &str) -> Failure {
        let exit = Exit {
            status: ExitStatus::from_raw(code << 8),
            said: said.to_owned(),
        };
        let lost = Trouble::Stream(io::ErrorKind::UnexpectedEof.into());
        lost.failure(("lab", "runner"), Some(&exit), true)
    }

    #[test]
    fn reasons_that_stay_are_not_retried_and_have_a_hint() {
        let cases = [
            (
                255,
                "ssh: Could not resolve hostname lab: Name or service not known\r\n",
                "~/.ssh/config",
            ),
            (
                255,
                "Host key verification failed.\r\n",
                "run `ssh lab` once",
            ),
            (
                255,
                "me@lab: Permission denied (publickey).\r\n",
                "ssh-agent",
            ),
            (
                127,
                "bash: line 1: runner: command not found\n",
                "`ssh.lab.binary`",
            ),
            (
                126,
                "cannot execute binary file: Exec format error\n",
                "its processor",
            ),
            (
                2,
                "error: unexpected argument '--ssh' found\n\nUsage: runner",
                "copy this one",
            ),
        ];
        for (code, said, hint) in cases {
            let failure = failure(code, said);
            assert!(!failure.is_transient(), "{failure}");
            assert!(failure.to_string().contains(hint), "{failure}");
        }
    }

    #[test]
    fn lost_connections_may_be_retried() {
        for (code, said) in [
            (
                255,
                "ssh: connect to host lab port 22: Connection refused\r\n",
            ),
            (255, "Timeout, server lab not responding.\r\n"),
            (255, ""),
            (1, "error: disk full\n"),
        ] {
            assert!(failure(code, said).is_transient(), "{said}");
        }
    }

    #[test]
    fn text_of_the_host_is_escaped_and_short() {
        let text = format!("{}\u{1b}[31mred\rx\n", "line\n".repeat(50));
        let shown = failure(1, &text).to_string();
        assert!(shown.contains("line; line; \\u001b[31mred\\rx"), "{shown}");
        assert!(!shown.contains("line; line; line; line"), "{shown}");
    }
}
