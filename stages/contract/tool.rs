//! Programs on this machine that a stage runs.

use std::path::PathBuf;

/// A program that a stage runs, or a script for such a program. Another program or version may give other
/// results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Name in the pipeline: `python3`, `/opt/tool/run.sh`.
    pub name: String,
    /// The file that the name leads to now; `None` if there is none.
    pub path: Option<PathBuf>,
    /// Command whose output identifies the program; `None` if the content of the file does.
    pub version: Option<String>,
}
