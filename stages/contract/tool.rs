//! Programs on this machine that a stage runs.

use std::path::PathBuf;

/// A program that a stage runs, or a script for one: another one may give other results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// As the pipeline has it: `python3`, `/opt/tool/run.sh`.
    pub name: String,
    /// The file that the name leads to now; `None` if there is none.
    pub path: Option<PathBuf>,
    /// The command whose answer tells what it is; `None` if the file's content does.
    pub version: Option<String>,
}
