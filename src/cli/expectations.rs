//! Judges expectations and reports the verdicts.

use std::path::PathBuf;

use clap::Args;
use contract::Metric;
use engine::error::Error;
use engine::graph::InstanceName;
use engine::run::measurements::Measurements;
use petgraph::graph::NodeIndex;

use super::output_file;
use crate::report::expectations::{Judgement, Judgements, Subject};
use crate::report::{Console, junit};

/// Options about expectations.
#[derive(Debug, Args)]
pub(super) struct ExpectationArgs {
    /// Exit with code 101 if an expectation failed or could not be checked
    #[arg(long)]
    strict: bool,
    /// Write stages and expectations to FILE as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// A measured value, and the class that it is of.
struct Measured {
    mean: f64,
    class: Option<String>,
}

/// Judges all expectations of the pipeline, by the values that tables show.
pub(super) fn judge(results: &Measurements<'_>) -> Judgements {
    let mut all = Vec::new();
    for expectation in &results.graph.expectations {
        let metric = &expectation.metric;
        let mut judge = |instance: InstanceName, measured: Result<Measured, String>| {
            let metric = metric.clone();
            let subject = Subject { instance, metric };
            let class = measured.as_ref().ok().and_then(|one| one.class.clone());
            let value = measured.map(|measured| measured.mean);
            all.push(Judgement::of(subject, expectation.bounds, value).of_class(class));
        };
        let mean = |metrics: &[Metric]| {
            let sum: f64 = metrics.iter().map(|metric| metric.value).sum();
            let class = metrics.first().and_then(|metric| metric.of.clone());
            let is_same = metrics.iter().all(|metric| metric.of == class);
            Measured {
                mean: sum / metrics.len() as f64,
                class: class.filter(|_| is_same),
            }
        };
        let measured = |nodes: &[NodeIndex]| {
            let metrics = results.measured(nodes, metric);
            let pooled = results.of_folds(nodes, metric);
            match (pooled, metrics) {
                (Some(pooled), metrics) => Ok(Measured {
                    mean: pooled.mean,
                    class: metrics.ok().and_then(|metrics| mean(&metrics).class),
                }),
                (None, metrics) => metrics.map(|metrics| mean(&metrics)),
            }
        };
        if let Some(row) = &expectation.row {
            let nodes = results.in_row(&expectation.stage, row);
            let subject = Subject::instance_of_row(&expectation.stage, row);
            judge(subject, measured(&nodes));
            continue;
        }
        let nodes = results.instances(|name| expectation.matches(name));
        let mut subjects: Vec<InstanceName> = Vec::new();
        for name in nodes
            .iter()
            .map(|&node| results.graph.stages[node].name.in_copy())
        {
            if !subjects.contains(&name) {
                subjects.push(name);
            }
        }
        for subject in subjects {
            let nodes = results.instances(|name| name.in_copy() == subject);
            judge(subject, measured(&nodes));
        }
        if nodes.is_empty() {
            let absent = InstanceName {
                stage: expectation.stage.clone(),
                axes: expectation.axes.clone(),
                copy: Vec::new(),
            };
            let why = results.measured(&[], metric).err().unwrap_or_default();
            judge(absent, Err(why));
        }
    }
    Judgements::new(all)
}

impl ExpectationArgs {
    /// Rejects a JUnit file that cannot be written, or that would replace another file, before anything runs.
    pub(super) fn check(&self) -> Result<(), Error> {
        match &self.junit {
            Some(file) => {
                output_file::JUNIT.destination(file)?;
                junit::check(file).map_err(Error::io("write", file))
            }
            None => Ok(()),
        }
    }

    /// Writes the JUnit file, if one was requested.
    pub(super) fn write_junit(
        &self,
        results: &Measurements<'_>,
        judgements: &Judgements,
    ) -> Result<(), Error> {
        let Some(file) = &self.junit else {
            return Ok(());
        };
        let text = junit::document(&results.graph.pipeline, results.stages, judgements.all());
        junit::write(file, &text).map_err(Error::io("write", file))
    }

    /// Returns the first error of these: `ended` (the result of the stages), `junit` (of writing the JUnit
    /// file) and, with `--strict`, unmet expectations. If `ended` and `junit` are both errors, prints the one
    /// in `junit`.
    pub(super) fn conclude(
        &self,
        console: &Console,
        ended: Result<(), Error>,
        junit: Result<(), Error>,
        judgements: &Judgements,
    ) -> Result<(), Error> {
        if let (Err(_), Err(error)) = (&ended, &junit) {
            console.message(&error.to_string());
        }
        ended.and(junit)?;
        match judgements.unmet().filter(|_| self.strict) {
            Some(unmet) => Err(Error::Unmet(unmet)),
            None => Ok(()),
        }
    }
}
