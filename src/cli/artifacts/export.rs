//! `runner artifacts export`: copies the files of an artifact out of the store.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use clap::Args;
use contract::ShowPath;
use engine::error::Error;
use engine::wording;

use super::lookup::ArtifactArgs;
use crate::cli::cache::size;
use crate::report::{Console, Verbosity};

/// Verify the files of an artifact and copy them into a folder
///
/// If the folder does not exist yet, it appears complete or not at all.
#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    artifact: ArtifactArgs,
    /// Destination folder
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Also write into a folder that is not empty: replace files with the same names, keep all others
    #[arg(long)]
    force: bool,
}

impl Export {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let store = self.artifact.store.existing()?;
        let artifact = self.artifact.find(&store)?;
        let dir = self.dir.shown();
        let is_filled = match fs::read_dir(&self.dir) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) => match error.kind() {
                ErrorKind::NotFound => false,
                ErrorKind::NotADirectory => {
                    return Err(Error::Usage(format!("`{dir}` is not a folder")));
                }
                _ => return Err(Error::io("read", &self.dir)(error)),
            },
        };
        if is_filled && !self.force {
            return Err(Error::Usage(format!(
                "`{dir}` is not empty; `--force` replaces files with the same names"
            )));
        }
        let tree = store.tree(&artifact.digest)?;
        store.export(&tree, &self.dir)?;
        if console.verbosity > Verbosity::Quiet {
            let files = wording::counted(tree.files.len(), "file");
            let bytes: u64 = tree.files.values().map(|blob| blob.bytes).sum();
            console.message(&format!(
                "{}: {files}, {}, in `{dir}`",
                artifact.name(),
                size(bytes)
            ));
        }
        Ok(())
    }
}
