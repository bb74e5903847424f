//! `runner sweep show`: ranks the trials of a sweep.

use contract::ShowPath;
use std::path::PathBuf;

use clap::Args;
use engine::error::Error;

use super::report::stored;
use crate::cli::pipeline::{PipelineArgs, StoreArgs};
use crate::cli::unwritten;
use crate::report::Console;
use crate::report::sweep::{figures, render};
use crate::report::table::Format;

/// Width of the text in columns if there is no terminal.
pub const WIDTH: usize = 100;

/// Rank the trials by the results in the store, best first, and show which axes matter
#[derive(Debug, Args)]
pub struct Show {
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
    pub fn execute(self, console: &Console) -> Result<(), Error> {
        let course = super::course(&self.pipeline)?;
        let store = self.store.open()?;
        let report = stored(course, &store)?;
        let format = if self.json { Format::Json } else { self.format };
        let width = console.width().map_or(WIDTH, usize::from);
        let text = render(&report, self.limit, format, width);
        console.result(&text).map_err(unwritten)?;
        if let Some(folder) = &self.figures {
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
            let failed = |failure: contract::Failure| Error::System(failure.to_string());
            let axes = folder.join("parallel-coordinates.png");
            figures::parallel_coordinates(&report, &axes).map_err(failed)?;
            console.say(&format!("drawn: {}", axes.shown()));
            let curves = folder.join("learning-curves.png");
            if figures::learning_curves(&report, &curves).map_err(failed)? {
                console.say(&format!("drawn: {}", curves.shown()));
            }
        }
        Ok(())
    }
}
