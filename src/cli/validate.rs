//! `runner validate`: checks pipelines.

use std::path::PathBuf;

use clap::Args;
use contract::ShowPath;
use engine::error::Error;
use engine::run::replay::known_graph;
use engine::wording;
use serde_json::json;

use super::pipeline::Overrides;
use super::resources::ResourceArgs;
use super::{preflight, unwritten};
use crate::report::Console;

/// Check pipelines (references, parameters, shapes) without running anything
#[derive(Debug, Args)]
pub(super) struct Validate {
    /// Pipeline files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    resources: ResourceArgs,
    /// Print one JSON object with all errors and warnings
    #[arg(long)]
    json: bool,
}

impl Validate {
    /// Checks every file, even after an invalid one.
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let mut diagnostics = Vec::new();
        let mut checked = Vec::new();
        for file in &self.files {
            match self
                .overrides
                .experiment(file)
                .and_then(|experiment| known_graph(experiment, None))
            {
                Ok(graph) => {
                    let count = graph.stages.node_count();
                    let findings =
                        preflight::requests(&graph, graph.stages.node_indices(), &self.resources);
                    checked.push(json!({
                        "file": file,
                        "ok": true,
                        "stages": count,
                        "refusals": findings.errors(),
                        "warnings": findings.warnings,
                    }));
                    if self.json {
                        continue;
                    }
                    let stages = wording::stages(count);
                    let line = match self.files.as_slice() {
                        [_] => format!("ok: {stages}"),
                        _ => format!("{}: ok: {stages}", file.shown()),
                    };
                    console.result(&line).map_err(unwritten)?;
                    preflight::print(console, &findings);
                }
                Err(Error::Invalid(found)) => {
                    checked.push(json!({ "file": file, "ok": false, "errors": found }));
                    diagnostics.extend(found);
                }
                Err(other) => return Err(other),
            }
        }
        if self.json {
            let object = json!({ "files": checked });
            console.result(&object.to_string()).map_err(unwritten)?;
        }
        if diagnostics.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(diagnostics))
        }
    }
}
