//! `runner kinds`: lists and describes the stage kinds.

use clap::Args;
use contract::KindInfo;
use engine::error::Error;
use engine::schema::{Layout, listing, object, page};
use engine::spec::suggest;
use serde_json::{Value, json};

use super::unwritten;
use crate::report::{Console, Verbosity};

/// List the stage kinds, or describe one: inputs, outputs, parameters
#[derive(Debug, Args)]
pub(super) struct Kinds {
    /// Kind to describe
    kind: Option<String>,
    /// Print JSON: a list of all kinds, or one object
    #[arg(long)]
    json: bool,
}

/// Width of the text in columns if there is no terminal.
const USUAL_WIDTH: usize = 80;
/// Maximum width of the text in columns: longer lines are hard to read.
const WIDEST: usize = 100;

impl Kinds {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let width = console.width().unwrap_or(USUAL_WIDTH).min(WIDEST);
        let text = match (self.kind.as_deref().map(find).transpose()?, self.json) {
            (None, false) => listing(stages::kinds(), width),
            (None, true) => {
                let kinds = stages::kinds().iter();
                let all: Value = kinds
                    .map(|kind| json!({ "name": kind.name, "doc": kind.doc }))
                    .collect();
                all.to_string()
            }
            (Some(kind), false) => {
                let bold = console.width().is_some() && console::colors_enabled();
                page(kind, stages::params_schema, Layout { width, bold })
            }
            (Some(kind), true) => object(kind, stages::params_schema).to_string(),
        };
        // The text is our own and may contain bold headings, so nothing is escaped.
        let text = format!("{}\n", text.trim_end_matches('\n'));
        console.raw(text.as_bytes()).map_err(unwritten)?;
        if self.kind.is_none() && !self.json && console.verbosity > Verbosity::Quiet {
            console.message("\n`runner kinds KIND` describes a kind");
        }
        Ok(())
    }
}

fn find(name: &str) -> Result<&'static KindInfo, Error> {
    let kinds = stages::kinds();
    kinds.iter().find(|kind| kind.name == name).ok_or_else(|| {
        let hint = suggest::hint("kinds", name, kinds.iter().map(|kind| kind.name));
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        Error::Usage(format!("there is no stage kind `{name}`{hint}"))
    })
}
