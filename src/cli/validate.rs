use std::path::PathBuf;

use clap::Args;

use super::pipeline::Overrides;
use super::unwritten;
use crate::error::Error;
use crate::report::{Console, wording};

/// Check pipelines: references, parameters, shapes; run nothing
#[derive(Debug, Args)]
pub struct Validate {
    /// The pipelines
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
}

impl Validate {
    /// Checks every file, also after one that is invalid.
    pub fn execute(self, console: &Console) -> Result<(), Error> {
        let mut diagnostics = Vec::new();
        for file in &self.files {
            match self.overrides.load(file) {
                Ok(graph) => {
                    let stages = wording::stages(graph.stages.node_count());
                    let line = match self.files.as_slice() {
                        [_] => format!("ok: {stages}"),
                        _ => format!("{}: ok: {stages}", file.display()),
                    };
                    console.result(&line).map_err(unwritten)?;
                }
                Err(Error::Invalid(found)) => diagnostics.extend(found),
                Err(other) => return Err(other),
            }
        }
        if diagnostics.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(diagnostics))
        }
    }
}
