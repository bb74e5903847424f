//! Stages whose work a program of the user's does.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Failure, Folder, Request};

/// A stage whose work a program of the user's does: the engine runs that as a process, and asks the
/// stage only what to run, and what came of it.
pub trait External: Send + Sync {
    /// Puts what the program reads into the folder `request.staging`, in which it will run, and says what
    /// to run. There is nothing in the folder yet.
    fn prepare(&self, request: &Request) -> Result<Program, Failure>;

    /// What the program made for every output port, in the folder `staging`. No path is looked up by its
    /// name any more: the program may have put a link there.
    ///
    /// # Errors
    /// If an output is missing, if there is something that is none, or if an input was written to.
    fn gather(&self, staging: &Folder, program: &Program) -> Result<Gathered, Failure>;
}

/// What a program made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gathered {
    /// By output port.
    pub made: BTreeMap<String, Made>,
    /// Warnings about it.
    pub warnings: Vec<String>,
}

/// What was made for an output port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// The file or folder at this path in the staging folder.
    At(PathBuf),
    /// A file of this name that holds these bytes.
    File { name: &'static str, bytes: Vec<u8> },
}

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The path of the program.
    pub path: PathBuf,
    /// The arguments; the first is the program's name, as written.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// The working folder.
    pub folder: PathBuf,
    /// Where it is to make its outputs in the staging folder.
    pub outputs: Vec<PathBuf>,
    /// The files that lie in the staging folder for it to read, by their path there.
    pub mounted: BTreeMap<PathBuf, Mount>,
}

/// A file that a program reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mount {
    /// A copy of its own of a file of the code or the data, or the index of an input; it may change them.
    Source,
    /// Another name of an input's file in the store, which the engine watches.
    Linked,
    /// A copy of its own of the input's file `original`. A program that changes it is refused, as one
    /// that changes a linked file must be.
    Copied {
        role: String,
        original: PathBuf,
        inode: u64,
        /// When the copy was last changed before the program ran, in seconds and nanoseconds; `None` if
        /// that was so little before that a change by the program may not show.
        changed: Option<(i64, i64)>,
    },
}
