//! Reasons why a stage did not come to an end on a host, as failures with hints.
//!
//! | reason | failure |
//! | --- | --- |
//! | the host cannot be reached, or the connection was lost | of the system, so it may be retried |
//! | the name, the host's key, the user's key, the program or its version is wrong | not retried |
//! | the other side broke a rule of the protocol | not retried |
//! | this machine refused an operation | of the system |
//!
//! A message begins with the reason. The client's own text, which may have banners and warnings of many lines, is in the
//! debug log.

use std::io;
use std::path::Path;

use contract::{Failure, one_line};

use super::client::Exit;

/// Most characters of a line of the client that are shown.
const LONGEST: usize = 300;

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

/// Converts the error of a client that did not start.
pub(super) fn not_started(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound => Failure::Data(
            "there is no program `ssh` on this machine; install the OpenSSH client".to_owned(),
        ),
        _ => Failure::System(format!("failed to start `ssh`: {error}")),
    }
}

/// Returns the failure for a client that ended before the stage did. The message has at most one line of the client.
fn of_exit(host: &str, binary: &str, exit: &Exit, has_run: bool) -> Failure {
    tracing::debug!(
        "`ssh {host}` has ended ({}), and printed:\n{}",
        exit.status,
        contract::printable(&exit.said.replace('\r', ""))
    );
    let said = Said(&exit.said);
    match exit.status.code() {
        Some(255) => of_connection(host, said, has_run),
        Some(127) => Failure::Data(format!(
            "there is no program `{binary}` on `{host}`; copy this one there, and set `ssh.{host}.binary` to its path"
        )),
        Some(126) => Failure::Data(format!(
            "`{binary}` on `{host}` cannot be executed{}; copy a binary there that was built for its processor and system",
            said.last()
        )),
        Some(2) if said.has(&["Usage:", "unexpected argument", "unrecognized subcommand"]) => {
            Failure::Data(format!(
                "`{binary}` on `{host}` is not this version of runner; copy this one there"
            ))
        }
        _ => Failure::System(format!(
            "runner on `{host}` ended without a result ({}){}",
            exit.status,
            said.last()
        )),
    }
}

/// Returns the failure for a client that did not connect, or lost its connection.
fn of_connection(host: &str, said: Said<'_>, has_run: bool) -> Failure {
    if said.has(&["Could not resolve hostname"]) {
        return Failure::Data(format!(
            "`ssh` does not know the host `{host}`; check its name, or add it to `~/.ssh/config`"
        ));
    }
    if said.has(&["REVOKED HOST KEY", "marked as revoked"]) {
        return Failure::Data(format!(
            "the key of `{host}` is marked as revoked; ask its administrator for the new one"
        ));
    }
    if said.has(&["IDENTIFICATION HAS CHANGED", "has changed and you have"]) {
        return Failure::Data(format!(
            "the key of `{host}` is not the one that is known for it; if the host was set up again, `ssh {host}` shows \
             how to remove the old key, and otherwise another machine may answer in its place"
        ));
    }
    if said.has(&["Host key verification failed", "host key is known for"]) {
        return Failure::Data(format!(
            "the key of `{host}` is not known; connect once with `ssh {host}`, and compare the key with the host's \
             before you accept it"
        ));
    }
    if let Some(refusal) = said.line(&["Permission denied", "Too many authentication failures"]) {
        return Failure::Data(format!(
            "`{host}` refuses to log in: {refusal}; runner cannot enter a password, so \
             `ssh -oBatchMode=yes {host} true` must work: use a key and `ssh-agent`"
        ));
    }
    match has_run {
        false => Failure::System(format!(
            "cannot reach `{host}`{}; check that `ssh {host}` works",
            said.last()
        )),
        true => Failure::System(format!(
            "lost the connection to `{host}`{}; a training goes on from its last checkpoint when it runs again",
            said.last()
        )),
    }
}

/// The end of what a client wrote to standard error: its own lines, and those of the host.
#[derive(Clone, Copy)]
struct Said<'a>(&'a str);

impl Said<'_> {
    fn has(self, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.0.contains(text))
    }

    /// Returns the last line with one of the texts.
    fn line(self, texts: &[&str]) -> Option<String> {
        let has = |line: &&str| texts.iter().any(|text| line.contains(text));
        self.0.lines().rev().find(has).map(shown)
    }

    /// Returns the last line for a message, with the colon before it. Empty if there is none.
    fn last(self) -> String {
        let last = self.0.lines().rev().find(|line| !line.trim().is_empty());
        last.map_or_else(String::new, |line| format!(": {}", shown(line)))
    }
}

/// Returns a line for a message, without the name of the program in front and a full stop at the end.
fn shown(line: &str) -> String {
    let line = line.trim();
    let line = line.strip_prefix("ssh: ").unwrap_or(line);
    let line = line.strip_suffix('.').unwrap_or(line);
    let most = line
        .char_indices()
        .nth(LONGEST)
        .map_or(line.len(), |(at, _)| at);
    one_line(&line[..most]).into_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    /// The answer of the client about another key than the known one.
    const CHANGED: &str = "\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\r
Offending ED25519 key in /home/me/.ssh/known_hosts:1\r
Host key for lab has changed and you have requested strict checking.\r
Host key verification failed.\r
";

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
                "No ED25519 host key is known for lab and you have requested strict checking.\r\n\
                 Host key verification failed.\r\n",
                "connect once with `ssh lab`",
            ),
            (255, CHANGED, "`ssh lab` shows how to remove the old key"),
            (
                255,
                "@  WARNING: REVOKED HOST KEY DETECTED!  @\r\nHost key verification failed.\r\n",
                "ask its administrator",
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
    fn a_message_begins_with_the_reason_and_has_no_banner() {
        let banner = "*** PROPERTY OF THE LAB ***\n\nAll use is logged.\r\n";
        for (said, begins) in [
            (
                CHANGED,
                "the key of `lab` is not the one that is known for it; if",
            ),
            (
                "me@lab: Permission denied (publickey,password).\r\n",
                "`lab` refuses to log in: me@lab: Permission denied (publickey,password); runner",
            ),
            (
                "ssh: connect to host lab port 22: No route to host\r\n",
                "lost the connection to `lab`: connect to host lab port 22: No route to host; a",
            ),
        ] {
            let message = failure(255, &format!("{banner}{said}")).to_string();
            assert!(message.starts_with(begins), "{message}");
            assert!(
                !message.contains("LAB") && !message.contains("@@"),
                "{message}"
            );
            assert!(
                !message.contains('\n') && !message.contains("\\n"),
                "{message}"
            );
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
        let text = format!(
            "{}\u{1b}[31mred\rx{}\n",
            "line\n".repeat(50),
            "y".repeat(5000)
        );
        let shown = failure(1, &text).to_string();
        assert!(shown.contains(": \\u001b[31mred\\rxyyy"), "{shown}");
        assert!(!shown.contains("line") && shown.len() < 500, "{shown}");
    }
}
