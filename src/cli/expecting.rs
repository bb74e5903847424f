//! What becomes of expectations: a verdict on each, and on all of them.

use std::path::PathBuf;

use clap::Args;

use super::table::Results;
use crate::error::Error;
use crate::graph::InstanceName;
use crate::report::expectations::{Judgement, Judgements, Subject};
use crate::report::{Console, junit};

/// What to do about expectations.
#[derive(Debug, Args)]
pub struct Expecting {
    /// End with exit code 101 if an expectation failed, or is not known
    #[arg(long)]
    strict: bool,
    /// Write stages and expectations to FILE, as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Judges all that the pipeline expects.
pub fn judge(results: &Results<'_>) -> Judgements {
    let graph = results.graph;
    let mut all = Vec::new();
    for expectation in &graph.expectations {
        let subject = |instance: &InstanceName| Subject {
            instance: instance.clone(),
            metric: expectation.metric.clone(),
        };
        let instances = expectation.instances(graph);
        for &node in &instances {
            let metric = results.metric(node, &expectation.metric);
            all.push(Judgement::of(
                subject(&graph.stages[node].name),
                expectation.bounds,
                metric.map(|metric| metric.value),
            ));
        }
        if instances.is_empty() {
            let absent = InstanceName {
                stage: expectation.stage.clone(),
                axes: expectation.axes.clone(),
            };
            let measured = Err("no such stage".to_owned());
            all.push(Judgement::of(
                subject(&absent),
                expectation.bounds,
                measured,
            ));
        }
    }
    Judgements::new(all)
}

impl Expecting {
    /// Refuses a file that cannot be written, before anything runs.
    pub fn check(&self) -> Result<(), Error> {
        match &self.junit {
            Some(file) => junit::check(file).map_err(Error::io("write", file)),
            None => Ok(()),
        }
    }

    /// Writes what is to be kept of a run, or of a look at results.
    pub fn keep(&self, results: &Results<'_>, judgements: &Judgements) -> Result<(), Error> {
        let Some(file) = &self.junit else {
            return Ok(());
        };
        let text = junit::document(&results.graph.pipeline, results.stages, judgements.all())
            .map_err(Error::Internal)?;
        junit::write(file, &text).map_err(Error::io("write", file))
    }

    /// What it all comes to: how the stages `ended`, whether what is kept could be written, and, with
    /// `--strict`, the expectations, in this order.
    pub fn conclude(
        &self,
        console: &Console,
        ended: Result<(), Error>,
        kept: Result<(), Error>,
        judgements: &Judgements,
    ) -> Result<(), Error> {
        if let (Err(_), Err(error)) = (&ended, &kept) {
            console.say(&error.to_string());
        }
        ended.and(kept)?;
        match judgements.unmet().filter(|_| self.strict) {
            Some(unmet) => Err(Error::Unmet(unmet)),
            None => Ok(()),
        }
    }
}
