//! Stages whose work is done by a user's program.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Failure, Folder, Request};

/// A stage whose work is done by a user's program. The engine runs the program as a process. The stage only
/// prepares it and collects its outputs.
pub trait External: Send + Sync {
    /// Writes the program's inputs into `request.staging`, the empty folder in which the program will run,
    /// and returns the program to run.
    fn prepare(&self, request: &Request) -> Result<Program, Failure>;

    /// Collects the program's outputs from the folder `staging`. Everything is reached relative to this open
    /// folder, because the program may have replaced the folder's path by a link.
    ///
    /// # Errors
    /// If an output is missing, if there is an undeclared file, or if the program wrote to an input.
    fn gather(&self, staging: &Folder, program: &Program) -> Result<Gathered, Failure>;
}

/// Outputs that a program made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gathered {
    /// By output port.
    pub made: BTreeMap<String, Made>,
    /// Warnings about the outputs.
    pub warnings: Vec<String>,
}

/// Output that a program made for one port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Made {
    /// The file or folder at this path in the staging folder.
    At(PathBuf),
    /// A text file with this name and content.
    File {
        name: Cow<'static, str>,
        text: String,
    },
}

/// Program to run.
#[derive(Clone, Debug, Default)]
pub struct Program {
    pub path: PathBuf,
    /// Arguments. The first is the program's name, as the pipeline spells it.
    pub argv: Vec<String>,
    /// The complete environment.
    pub env: BTreeMap<String, String>,
    /// The working folder.
    pub folder: PathBuf,
    /// Paths in the staging folder at which the program must write its outputs.
    pub outputs: Vec<PathBuf>,
    /// Files in the staging folder that the program reads, by their path there.
    pub mounted: BTreeMap<PathBuf, Mount>,
}

/// A file that a program reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mount {
    /// A private copy of a code or data file, or the index of an input. The program may change it.
    Source,
    /// A hard link to an input's file in the store. The engine watches that file.
    Linked,
    /// A private copy of the input's file `original`. The stage fails if the program changes the copy, as it
    /// would for a linked file.
    Copied {
        role: String,
        original: PathBuf,
        inode: u64,
        /// Time of the copy's last change before the program started, in seconds and nanoseconds. `None` if
        /// that was so recent that a change by the program might not alter the time.
        changed: Option<(i64, i64)>,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn outputs_are_sent_with_files_as_text() {
        let made = [
            ("table", Made::At(PathBuf::from("out/table"))),
            (
                "metrics",
                Made::File {
                    name: "metrics.json".into(),
                    text: "{}\n".to_owned(),
                },
            ),
        ];
        let gathered = Gathered {
            made: made.map(|(port, made)| (port.to_owned(), made)).into(),
            warnings: vec!["a metric is NaN".to_owned()],
        };
        let sent = serde_json::to_value(&gathered).unwrap();
        assert_eq!(
            sent["made"],
            json!({ "table": { "At": "out/table" }, "metrics": { "File": { "name": "metrics.json", "text": "{}\n" } } })
        );
        assert_eq!(serde_json::from_value::<Gathered>(sent).unwrap(), gathered);
    }
}
