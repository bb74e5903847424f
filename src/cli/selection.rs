use std::collections::HashSet;

use clap::Args;
use petgraph::graph::NodeIndex;
use serde::{Deserialize, Serialize};

use super::pipeline::find;
use crate::error::Error;
use crate::graph::Graph;
use crate::plan::{Force, PlanOptions};
use crate::sweep::Round;

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

    /// As `options`, for a round of a sweep: of what is its own.
    pub fn options_of(&self, graph: &Graph, round: &Round) -> Result<PlanOptions, Error> {
        let PlanOptions { force, until } = self.options(graph)?;
        let Some(own) = round.until.as_deref() else {
            return Ok(PlanOptions { force, until });
        };
        let nodes = |wanted: Vec<NodeIndex>, of: &[NodeIndex]| {
            let of: HashSet<&NodeIndex> = of.iter().collect();
            wanted.into_iter().filter(|n| of.contains(n)).collect()
        };
        Ok(PlanOptions {
            // What an earlier round made is new enough.
            force: match force {
                Force::None => Force::None,
                Force::All => Force::Nodes(round.new.clone()),
                Force::Nodes(wanted) => Force::Nodes(nodes(wanted, &round.new)),
            },
            until: Some(match until {
                Some(until) => nodes(until, own),
                None => own.to_vec(),
            }),
        })
    }
}
