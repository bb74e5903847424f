//! Writes to the terminal; nothing else does, so text from outside is made [`printable`] here.

use std::io::{self, IsTerminal, Write};

use console::Term;
use indicatif::{MultiProgress, ProgressDrawTarget};
use stages::contract::printable;

/// How much to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Only what went wrong, and the results.
    Quiet,
    #[default]
    Normal,
    /// Also what was cached, and notes.
    Verbose,
}

/// Standard output for results, standard error for everything else, kept apart from the progress
/// bars on it.
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

    /// Whether bars can be drawn.
    pub fn is_live(&self) -> bool {
        !self.bars.is_hidden()
    }

    /// The place for progress bars.
    pub fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Writes a result to standard output, made [`printable`]. A reader that closed it is no error.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn result(&self, text: &str) -> io::Result<()> {
        let text = printable(text);
        self.raw(format!("{}\n", text.trim_end_matches('\n')).as_bytes())
    }

    /// Writes a result as it is: text of our own that has colors, or what was asked for raw.
    ///
    /// # Errors
    /// As [`Console::result`].
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

    /// Writes a message to standard error, made [`printable`]. If that fails, nobody can be told.
    pub fn say(&self, line: &str) {
        let line = printable(line.trim_end_matches('\n'));
        self.bars.suspend(|| {
            let _ = writeln!(io::stderr().lock(), "{line}");
        });
    }

    /// Columns of the terminal that results go to; none where they do not go to one.
    pub fn width(&self) -> Option<u16> {
        io::stdout().is_terminal().then(|| Term::stdout().size().1)
    }
}
