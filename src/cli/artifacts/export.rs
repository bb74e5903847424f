//! `runner artifacts export`: copies the files of an artifact out of the store.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use contract::{Artifact, Failure, ShowPath, files};
use engine::atomic_file::{self, Flush};
use engine::error::Error;
use engine::wording;
use stages::onnx;
use store::{Store, Tree};

use super::lookup::{ArtifactArgs, FoundArtifact};
use crate::cli::cache::size;
use crate::cli::output_path;
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
    /// Form of the files
    #[arg(long, value_enum, default_value_t = Format::Files)]
    format: Format,
    /// Include each `batch_norm` in the weights of the layer before it, where no activation is between them. Results
    /// differ in the last digits
    #[arg(long)]
    fold_batch_norm: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// As they are in the store
    Files,
    /// One file `model.onnx`, for a model or generator
    Onnx,
}

impl Export {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        if self.fold_batch_norm && self.format != Format::Onnx {
            return Err(Error::Usage(
                "`--fold-batch-norm` needs `--format onnx`".to_owned(),
            ));
        }
        let store = self.artifact.store.existing()?;
        let artifact = self.artifact.find(&store)?;
        let dir = self.dir.shown();
        if output_path::is_filled(&self.dir)? && !self.force {
            return Err(Error::Usage(format!(
                "`{dir}` is not empty; `--force` replaces files with the same names"
            )));
        }
        let tree = store.tree(&artifact.digest)?;
        let written = match self.format {
            Format::Files => {
                store.export(&tree, &self.dir)?;
                let bytes: u64 = tree.files.values().map(|blob| blob.bytes).sum();
                format!(
                    "{}, {}, in `{dir}`",
                    wording::counted(tree.files.len(), "file"),
                    size(bytes)
                )
            }
            Format::Onnx => {
                let bytes = self.converted(&store, &tree, &artifact)?;
                let file = self.dir.join(onnx::ONNX_FILE);
                write(&self.dir, &file, &bytes)?;
                format!("`{}`, {}", file.shown(), size(bytes.len() as u64))
            }
        };
        if console.verbosity > Verbosity::Quiet {
            console.message(&format!("{}: {written}", artifact.name()));
        }
        Ok(())
    }

    /// Returns the content of an ONNX file for `artifact`.
    fn converted(
        &self,
        store: &Store,
        tree: &Tree,
        artifact: &FoundArtifact,
    ) -> Result<Vec<u8>, Error> {
        store.results().verify(tree)?;
        let artifact = Artifact {
            label: artifact.name(),
            files: store.files_of(tree),
            ..Artifact::default()
        };
        let options = onnx::Options {
            fold_batch_norm: self.fold_batch_norm,
        };
        onnx::convert(&artifact, options).map_err(|failure| match failure {
            Failure::Data(message) => Error::Usage(message),
            other => Error::System(other.to_string()),
        })
    }
}

/// Writes `bytes` to `file` in `folder`, which is created if it does not exist. After an error, there is no new folder.
fn write(folder: &Path, file: &Path, bytes: &[u8]) -> Result<(), Error> {
    let is_new =
        !files::leads_to(folder, fs::Metadata::is_dir).map_err(Error::io("access", folder))?;
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let written = atomic_file::write(file, ".export-", Flush::No, |out| out.write_all(bytes));
    if written.is_err() && is_new {
        let _ = fs::remove_dir(folder);
    }
    written.map_err(Error::io("write", file))
}
