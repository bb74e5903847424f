//! Stages whose work a program of the user's does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Failure, Request};

/// A stage whose work a program of the user's does: the engine runs that as a process, and asks the
/// stage only what to run, and what came of it.
pub trait External: Send + Sync {
    /// Puts what the program reads into the folder `request.staging`, in which it will run, and says what
    /// to run. There is nothing in the folder yet, but perhaps empty folders of the inputs' roles.
    fn prepare(&self, request: &Request) -> Result<Program, Failure>;

    /// What the program made: for every output port a file or folder in `request.staging`.
    ///
    /// # Errors
    /// If an output is missing, or there is something that is none.
    fn gather(
        &self,
        request: &Request,
        program: &Program,
    ) -> Result<BTreeMap<String, PathBuf>, Failure>;
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
    /// What lies in the staging folder for it to read: files, by their path there.
    pub mounted: BTreeSet<PathBuf>,
}
