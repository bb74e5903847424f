//! The program of a command, or the shell that runs its text.

use schemars::JsonSchema;
use serde::Deserialize;

use contract::Text;

/// The program and its arguments, or a text for a shell.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a list of texts, or one text with `shell: true`"
)]
pub enum Argv {
    /// A text for a shell.
    Line(#[schemars(with = "Text")] String),
    /// The program and its arguments.
    Words(#[schemars(with = "Vec<Text>")] Vec<String>),
}

/// The shell that runs `argv`, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected `true`, `false` or `sh`")]
pub enum Shell {
    /// bash if true, no shell if false.
    Bash(bool),
    /// Another shell, by its name.
    Named(OtherShell),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OtherShell {
    /// `/bin/sh`.
    Sh,
}

impl Default for Shell {
    fn default() -> Self {
        Self::Bash(false)
    }
}

impl Shell {
    /// Returns the shell's program and its options, without the text to run; empty if there is no shell.
    pub fn program(self) -> &'static [&'static str] {
        match self {
            Self::Bash(false) => &[],
            Self::Bash(true) => &["bash", "-eo", "pipefail", "-c"],
            Self::Named(OtherShell::Sh) => &["/bin/sh", "-ec"],
        }
    }
}

impl Argv {
    /// Returns the program and its arguments. For a text, the program is `shell`.
    pub fn words(&self, shell: Shell) -> Vec<String> {
        match self {
            Self::Line(line) => {
                let program = shell.program().iter().copied();
                program.chain([line.as_str()]).map(str::to_owned).collect()
            }
            Self::Words(words) => words.clone(),
        }
    }
}
