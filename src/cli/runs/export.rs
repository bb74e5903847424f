//! `runner runs export`: writes a run for other tools.

use std::path::Path;

use clap::{Args, ValueEnum};
use contract::ShowPath;
use engine::error::Error;
use export::{NewFolder, Record, mlflow, ro_crate, tensorboard};
use pages::Reader;

use crate::cli::pipeline::{ANALYSIS, catalogue};
use crate::cli::report::pipeline_file;
use crate::cli::run_filter::RunFilter;
use crate::report::{Console, Verbosity};

/// Write a run for TensorBoard or as an RO-Crate, or send it to an MLflow server
///
/// A run that failed or goes on is exported as far as it got. What is missing is said on standard error.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// Run: an id, the beginning of an id, `latest`, or `latest~N` for the Nth run before the latest
    #[arg(value_name = "RUN")]
    run: String,
    /// Folder to write; for mlflow, the address of a tracking server, such as http://127.0.0.1:5000
    #[arg(value_name = "TARGET")]
    target: String,
    #[command(flatten)]
    filter: RunFilter,
    /// Format of the records
    #[arg(long, value_enum)]
    format: Format,
    /// Include the files of models and generators
    #[arg(long)]
    with_models: bool,
    /// Also write into a folder that is not empty: replace files with the same names, keep all others. For mlflow:
    /// replace the run if the server has it
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Event files: metrics by epoch, pictures and hyperparameters
    Tensorboard,
    /// A run with nested runs on a tracking server, with parameters, metrics and files
    Mlflow,
    /// Results with a description of what they were made from (Provenance Run Crate)
    RoCrate,
}

impl Export {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        if self.with_models && self.format == Format::Tensorboard {
            return Err(Error::Usage(
                "`--with-models` needs `--format mlflow` or `--format ro-crate`: event files contain no models"
                    .to_owned(),
            ));
        }
        let destination = self.destination()?;
        let store = self.filter.store.existing()?;
        let run = self.filter.find(&store, &self.run, console)?;
        let catalogue = catalogue();
        let reader = Reader {
            store: &store,
            catalogue: &catalogue,
            analysis: ANALYSIS,
            shown: None,
        };
        let record = Record::read(reader, &run)?;
        let pipeline = || pipeline_file(&store, &run);
        let (summary, notes) = self.write(&record, destination, &pipeline)?;
        for note in record.notes.iter().chain(&notes) {
            console.message(&format!("note: {note}"));
        }
        if console.verbosity > Verbosity::Quiet {
            console.message(&format!("run {}: {summary}", run.report.run));
        }
        Ok(())
    }

    /// Checks the target before anything is read.
    fn destination(&self) -> Result<Destination, Error> {
        let is_address = self.target.contains("://");
        match self.format {
            Format::Mlflow => mlflow::Server::parse(&self.target).map(Destination::Server),
            _ if is_address => Err(Error::Usage(
                "TARGET must be a folder; only `--format mlflow` takes an address".to_owned(),
            )),
            Format::Tensorboard | Format::RoCrate => {
                NewFolder::begin(Path::new(&self.target), self.force).map(Destination::Folder)
            }
        }
    }

    /// Returns a summary, and notes about what is left out.
    fn write(
        &self,
        record: &Record<'_>,
        destination: Destination,
        pipeline: &dyn Fn() -> Result<Vec<u8>, String>,
    ) -> Result<(String, Vec<String>), Error> {
        let folder = match destination {
            Destination::Server(server) => {
                let options = mlflow::Options {
                    with_models: self.with_models,
                    replace: self.force,
                };
                return mlflow::send(record, server, &options);
            }
            Destination::Folder(folder) => folder,
        };
        let (summary, notes) = match self.format {
            Format::RoCrate => ro_crate::write(record, &folder, pipeline(), self.with_models)?,
            Format::Tensorboard | Format::Mlflow => tensorboard::write(record, &folder)?,
        };
        folder.finish()?;
        let target = Path::new(&self.target).shown();
        Ok((format!("{summary}, in `{target}`"), notes))
    }
}

enum Destination {
    Folder(NewFolder),
    Server(mlflow::Server),
}
