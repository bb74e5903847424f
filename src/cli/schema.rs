//! `runner schema`: prints the JSON Schema of pipeline files.

use clap::Args;
use engine::error::Error;
use engine::schema::document;

use super::unwritten;
use crate::report::Console;

/// Print a JSON Schema of the pipeline file, for editors that complete and check it
///
/// Editors with a YAML language server use the schema if the first line of a pipeline is a comment,
/// `yaml-language-server: $schema=PATH`, with the path from the pipeline to the schema.
#[derive(Debug, Args)]
pub(super) struct Schema {}

impl Schema {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let schema = document(stages::kinds(), stages::params_schema);
        let text =
            serde_json::to_string_pretty(&schema).map_err(|e| Error::Internal(e.to_string()))?;
        console.result(&text).map_err(unwritten)
    }
}
