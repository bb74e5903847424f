//! Stages whose work a program of the user's does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Failure, Request};

/// A stage whose work a program of the user's does: the engine runs that as a process, and asks the
/// stage only what to run, and what came of it.
pub trait External: Send + Sync {
    /// Puts what the program reads into the empty folder `scratch`, and says what to run.
    fn prepare(&self, request: &Request, scratch: &Path) -> Result<Program, Failure>;

    /// What the program made: for every output port a file or folder, in `scratch` or `request.staging`.
    ///
    /// # Errors
    /// If an output is missing, or there is something that is none.
    fn gather(
        &self,
        request: &Request,
        scratch: &Path,
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
    /// What lies in the scratch folder for it to read: files, by their path there.
    pub mounted: BTreeSet<PathBuf>,
}
