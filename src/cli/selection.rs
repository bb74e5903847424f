//! Options that select stages.

use std::collections::BTreeSet;

use clap::Args;
use engine::error::Error;
use engine::graph::Graph;
use engine::plan::{Force, PlanOptions};
use engine::sweep::Round;
use serde::{Deserialize, Serialize};

use super::pipeline::find;

/// Selects stages to run.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
pub(super) struct Selection {
    /// Run STAGE even if it is cached; without STAGE, run everything
    #[arg(short, long, value_name = "STAGE", num_args = 0..=1, default_missing_value = "")]
    force: Vec<String>,
    /// Run only STAGE and what it needs
    #[arg(long, value_name = "STAGE")]
    until: Option<String>,
}

impl Selection {
    /// `true` if stages are to run although they are cached.
    pub(super) fn is_forced(&self) -> bool {
        !self.force.is_empty()
    }

    /// Converts the selection to options of a plan.
    ///
    /// # Errors
    /// If a name matches no stage.
    pub(super) fn options(&self, graph: &Graph) -> Result<PlanOptions, Error> {
        let mut nodes = BTreeSet::new();
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

    /// Like [`Selection::options`], limited to what a round of a sweep adds.
    pub(super) fn options_of(&self, graph: &Graph, round: &Round) -> Result<PlanOptions, Error> {
        let PlanOptions { force, until } = self.options(graph)?;
        let Some(own) = round.until.as_deref() else {
            return Ok(PlanOptions { force, until });
        };
        Ok(PlanOptions {
            // Results of an earlier round of this run are new enough.
            force: match force {
                Force::None => Force::None,
                Force::All => Force::Nodes(round.new.clone()),
                Force::Nodes(wanted) => Force::Nodes(&wanted & &round.new),
            },
            // Only stages that both select: even with `--until evaluate`, a round that needs only a rung does
            // not evaluate.
            until: Some(match until {
                Some(until) => {
                    let both = &graph.with_ancestors(&until) & &graph.with_ancestors(own);
                    both.into_iter().collect()
                }
                None => own.to_vec(),
            }),
        })
    }
}
