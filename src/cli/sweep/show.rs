//! `runner sweep show`: ranks the trials of a sweep.

use std::path::PathBuf;

use clap::Args;
use contract::ShowPath;
use engine::error::Error;
use engine::run::sweep_report::stored_report;

use crate::cli::pipeline::{ANALYSIS, PipelineArgs, StoreArgs};
use crate::cli::{output_file, output_path, unwritten};
use crate::report::Console;
use crate::report::format::Format;
use crate::report::sweep::{figures, render};

/// Rank the trials by the results in the store, best first, and show which axes matter
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Print one JSON object
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Show only the best N trials
    #[arg(short = 'N', long, value_name = "N")]
    limit: Option<usize>,
    /// Write figures as PNG into DIR: the trials on parallel axes, and their learning curves
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
}

impl Show {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let experiment = super::experiment(&self.pipeline)?;
        let store = self.store.open()?;
        let report = stored_report(experiment, &store, ANALYSIS)?;
        let format = if self.json { Format::Json } else { self.format };
        let text = render(&report, self.limit, format, console.width());
        console.result(&text).map_err(unwritten)?;
        if let Some(folder) = &self.figures {
            output_path::check_folder(folder)?;
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
            let failed = |failure: contract::Failure| Error::System(failure.to_string());
            let [axes, curves] =
                ["parallel-coordinates.png", "learning-curves.png"].map(|name| folder.join(name));
            for figure in [&axes, &curves] {
                output_file::FIGURE.check(figure)?;
            }
            figures::parallel_coordinates(&report, ANALYSIS, &axes).map_err(failed)?;
            console.message(&format!("wrote {}", axes.shown()));
            if figures::learning_curves(&report, ANALYSIS, &curves).map_err(failed)? {
                console.message(&format!("wrote {}", curves.shown()));
            }
        }
        Ok(())
    }
}
