//! Writes to the terminal. Except for clap's help, no other module does, so text from outside is made
//! [`printable`] here, and long messages are shortened.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use console::Term;
use contract::printable;
use indicatif::{MultiProgress, ProgressDrawTarget};

/// Maximum number of characters in a line of a message. A longer line loses its middle: it keeps
/// [`FIRST_CHARACTERS`] at its beginning, and the other characters at its end.
const MOST_CHARACTERS: usize = 1000;
const FIRST_CHARACTERS: usize = 700;
/// Maximum number of lines of a message. A longer message loses its middle: it keeps [`FIRST_LINES`] at its
/// beginning, and the other lines at its end.
const MOST_LINES: usize = 1000;
const FIRST_LINES: usize = 900;

/// Amount of output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Errors, warnings and results only.
    Quiet,
    #[default]
    Normal,
    /// Also cached stages and notes.
    Verbose,
}

/// Writes results to standard output and everything else to standard error, without disturbing the progress
/// bars there.
#[derive(Clone)]
pub struct Console {
    bars: MultiProgress,
    pub verbosity: Verbosity,
}

impl Console {
    pub fn new(verbosity: Verbosity) -> Self {
        let target = if Term::stderr().is_term() && verbosity > Verbosity::Quiet {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            bars: MultiProgress::with_draw_target(target),
            verbosity,
        }
    }

    /// Returns `true` if bars can be drawn.
    pub fn is_live(&self) -> bool {
        !self.bars.is_hidden()
    }

    /// The progress bars on standard error.
    pub fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Writes a result to standard output, made [`printable`]. A reader that closed the pipe is not an
    /// error.
    ///
    /// # Errors
    /// If writing fails.
    pub fn result(&self, text: &str) -> io::Result<()> {
        let text = printable(text);
        self.raw(format!("{}\n", text.trim_end_matches('\n')).as_bytes())
    }

    /// Writes a result unchanged: our own text with colors, or output that the user requested raw.
    ///
    /// # Errors
    /// Same as [`Console::result`].
    pub fn raw(&self, bytes: &[u8]) -> io::Result<()> {
        let written = self.bars.suspend(|| {
            let mut out = io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush())
        });
        match written {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Writes a message to standard error, made [`printable`] and [`shortened`]. Errors are ignored,
    /// because there is nowhere left to report them.
    pub fn message(&self, line: &str) {
        let line = printable(line.trim_end_matches('\n'));
        let line = shortened(&line);
        self.bars.suspend(|| {
            let _ = writeln!(io::stderr().lock(), "{line}");
        });
    }

    /// Width of the terminal in columns; `None` if standard output is not a terminal.
    pub fn width(&self) -> Option<usize> {
        io::stdout()
            .is_terminal()
            .then(|| Term::stdout().size().1.into())
    }
}

/// Removes the middle of long lines, and the middle lines of long messages. The text notes how much is left
/// out.
fn shortened(message: &str) -> Cow<'_, str> {
    let is_short =
        |line: &str| line.len() <= MOST_CHARACTERS || line.chars().count() <= MOST_CHARACTERS;
    let count = message.lines().count();
    if count <= MOST_LINES && message.lines().all(is_short) {
        return Cow::Borrowed(message);
    }
    let left_out = count.saturating_sub(MOST_LINES);
    let mut lines: Vec<Cow<'_, str>> = Vec::with_capacity(count.min(MOST_LINES) + 1);
    for (number, line) in message.lines().enumerate() {
        if number == FIRST_LINES && left_out > 0 {
            lines.push(format!("[{left_out} lines left out]").into());
        }
        if left_out > 0 && (FIRST_LINES..FIRST_LINES + left_out).contains(&number) {
            continue;
        }
        lines.push(if is_short(line) {
            line.into()
        } else {
            without_middle(line).into()
        });
    }
    lines.join("\n").into()
}

/// Removes the middle of a line with more than [`MOST_CHARACTERS`] characters.
fn without_middle(line: &str) -> String {
    let count = line.chars().count();
    let left_out = count - MOST_CHARACTERS;
    let place = |character: usize| {
        line.char_indices()
            .nth(character)
            .map_or(line.len(), |(at, _)| at)
    };
    let (head, tail) = (
        &line[..place(FIRST_CHARACTERS)],
        &line[place(FIRST_CHARACTERS + left_out)..],
    );
    format!("{head} [{left_out} characters left out] {tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_lose_their_middle_and_note_how_much() {
        let line = "é".repeat(MOST_CHARACTERS);
        assert!(matches!(shortened(&line), Cow::Borrowed(_)));
        let long = format!(
            "{}{}{}",
            "a".repeat(FIRST_CHARACTERS),
            "ü".repeat(70),
            "z".repeat(300)
        );
        let message = format!("first\n{long}\nlast");
        let expected = format!(
            "first\n{} [70 characters left out] {}\nlast",
            "a".repeat(FIRST_CHARACTERS),
            "z".repeat(300)
        );
        assert_eq!(shortened(&message), expected);

        let lines: Vec<String> = (0..1234).map(|number| number.to_string()).collect();
        assert!(matches!(
            shortened(&lines[..MOST_LINES].join("\n")),
            Cow::Borrowed(_)
        ));
        let short = shortened(&lines.join("\n")).into_owned();
        let short: Vec<&str> = short.lines().collect();
        assert_eq!(short.len(), MOST_LINES + 1);
        assert_eq!(
            &short[FIRST_LINES - 1..=FIRST_LINES + 1],
            ["899", "[234 lines left out]", "1134"]
        );
        assert_eq!(short.last(), Some(&"1233"));
    }
}
