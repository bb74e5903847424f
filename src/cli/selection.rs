use clap::Args;
use serde::{Deserialize, Serialize};

use super::pipeline::find;
use crate::error::Error;
use crate::graph::Graph;
use crate::plan::{Force, PlanOptions};

/// Which stages are meant.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
pub struct Selection {
    /// Run STAGE although it is cached; without a STAGE, run everything
    #[arg(short, long, value_name = "STAGE", num_args = 0..=1, default_missing_value = "")]
    force: Vec<String>,
    /// Run only STAGE and what it needs
    #[arg(long, value_name = "STAGE")]
    until: Option<String>,
}

impl Selection {
    /// # Errors
    /// If a name is no stage's.
    pub fn options(&self, graph: &Graph) -> Result<PlanOptions, Error> {
        let mut nodes = Vec::new();
        for name in self.force.iter().filter(|name| !name.is_empty()) {
            nodes.extend(find(graph, "--force", name)?);
        }
        let force = match self.force.as_slice() {
            [] => Force::None,
            names if names.iter().any(String::is_empty) => Force::All,
            _ => Force::Nodes(nodes),
        };
        let until = self
            .until
            .as_ref()
            .map(|name| find(graph, "--until", name))
            .transpose()?;
        Ok(PlanOptions { force, until })
    }
}
