//! `runner init`: writes a small pipeline to start from.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use contract::ShowPath;
use engine::error::Error;

use crate::cli::output_path;
use crate::report::Console;

/// Write a small pipeline to start from: `pipeline.yaml`, which runs in a few seconds
#[derive(Debug, Args)]
pub(super) struct Init {
    /// Folder for the pipeline; created if it does not exist
    #[arg(default_value = ".")]
    dir: PathBuf,
}

/// Name of the pipeline's file.
const NAME: &str = "pipeline.yaml";

const PIPELINE: &str = include_str!("pipeline.yaml");

impl Init {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        output_path::check_folder(&self.dir)?;
        fs::create_dir_all(&self.dir).map_err(Error::io("create", &self.dir))?;
        let here = self.dir.as_os_str() == ".";
        let file = if here {
            PathBuf::from(NAME)
        } else {
            self.dir.join(NAME)
        };
        let mut created = match File::create_new(&file) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::Usage(format!(
                    "`{}` already exists and is not overwritten; choose another folder with \
                     `runner init DIR`",
                    file.shown()
                )));
            }
            other => other.map_err(Error::io("create", &file))?,
        };
        created
            .write_all(PIPELINE.as_bytes())
            .map_err(Error::io("write", &file))?;
        let mut next = String::new();
        if !here {
            next = format!("  cd {}\n", self.dir.shown());
        }
        console.message(&format!(
            "wrote `{}`; next:\n{next}  runner run {NAME}               run it (takes a few seconds)\n  \
             runner run {NAME} -S epochs=20  change a value, and run what depends on it\n  \
             runner report {NAME}            write a page with all results and the misclassified images\n  \
             runner table {NAME}             test which model is best\n  \
             runner metrics                         list all metrics\n  \
             runner artifacts ls                    list the results, which are also in artifacts/latest\n  \
             runner predict 'cnn[small]' path/to/images -o predictions.csv --explain maps  apply a model to your images\n\
             `runner serve --open` shows runs in the browser while they go on",
            file.shown()
        ));
        Ok(())
    }
}
