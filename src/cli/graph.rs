//! `runner graph`: draws the stages of a pipeline.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use contract::ShowPath;
use engine::error::Error;
use engine::plan::PlanOptions;
use engine::run::planned;
use engine::run::replay::known_graph;

use super::pipeline::{PipelineArgs, StoreArgs, find};
use super::{output_file, unwritten};
use crate::report::Console;
use crate::report::diagram::{Detail, Diagram, Format};

/// Draw the stages and their connections, and show which stages are cached, run or wait
#[derive(Debug, Args)]
pub(super) struct Graph {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// Format of the drawing [default: by the extension of FILE; mermaid without FILE]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Print one JSON object
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Draw a box for every instance of a matrix, not one for all
    #[arg(long)]
    expand: bool,
    /// Draw only STAGE and what it needs
    #[arg(long, value_name = "STAGE")]
    until: Option<String>,
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Graph {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let format = self.format()?;
        if let Some(file) = &self.output {
            output_file::DRAWING.check(file)?;
        }
        let store = self.store.if_exists()?;
        let graph = known_graph(self.pipeline.experiment()?, store.as_ref())?;
        let until = self
            .until
            .as_ref()
            .map(|name| find(&graph, "--until", name))
            .transpose()?;
        let options = PlanOptions {
            until: until.clone(),
            ..PlanOptions::default()
        };
        let plan = store
            .map(|store| planned(&graph, &store, &options))
            .transpose()?;
        let detail = if self.expand {
            Detail::Instances
        } else {
            Detail::Stages
        };
        let diagram = Diagram::of(&graph, plan.as_ref(), until.as_deref(), detail);
        let text = diagram.render(format);
        match &self.output {
            Some(file) => fs::write(file, text).map_err(Error::io("write", file)),
            None => console.result(&text).map_err(unwritten),
        }
    }

    fn format(&self) -> Result<Format, Error> {
        match (self.format, &self.output) {
            _ if self.json => Ok(Format::Json),
            (Some(format), _) => Ok(format),
            (None, None) => Ok(Format::Mermaid),
            (None, Some(file)) => format_of(file).ok_or_else(|| {
                Error::Usage(format!(
                    "`{}` has no extension of a known format; use .mmd, .dot, .svg or .json, or give \
                     `--format`",
                    file.shown()
                ))
            }),
        }
    }
}

/// The format that matches the extension of a file's name.
fn format_of(file: &Path) -> Option<Format> {
    match file.extension()?.to_str()? {
        "mmd" | "mermaid" => Some(Format::Mermaid),
        "dot" | "gv" => Some(Format::Dot),
        "svg" => Some(Format::Svg),
        "json" => Some(Format::Json),
        _ => None,
    }
}
