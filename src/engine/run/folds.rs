//! Results of the folds of a cross-validation: the metrics of their predictions together, and the predictions.

use contract::analysis::{Evaluation, Summary};
use petgraph::graph::NodeIndex;

use super::contrasts::evaluation;
use super::measurements::{Measurements, ShownCopy};
use crate::graph::{FOLD_AXIS, InstanceName, PortMetric, SEED_AXIS};

/// The predictions of an instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicted<'a> {
    /// Its name within one copy of the pipeline.
    pub instance: InstanceName,
    /// Its seed; `None` if it does not depend on the seed, or if there is only one.
    pub seed: Option<&'a str>,
    /// Its fold; `None` without a cross-validation, or if it does not depend on the fold.
    pub fold: Option<&'a str>,
    pub evaluation: Evaluation,
}

impl<'a> Measurements<'a> {
    /// The axes in which copies differ in a cross-validation: `fold`, and `seed` if there are several seeds. Empty
    /// without a cross-validation.
    pub fn fold_axes(&self) -> Vec<String> {
        let has_folds = !self.places.is_empty();
        let has_seeds = self.copies.iter().any(|copy| copy.seed.is_some());
        let axes = [(has_folds, FOLD_AXIS), (has_folds && has_seeds, SEED_AXIS)];
        let axes = axes.into_iter().filter(|(is_there, _)| *is_there);
        axes.map(|(_, axis)| axis.to_owned()).collect()
    }

    /// Summarizes a metric of the predictions of all folds together. `None` if the instances are not the folds of a
    /// cross-validation, if one of them has no predictions, or if they were not made for different images: the metric
    /// can then be averaged over the folds only.
    pub fn of_folds(&self, nodes: &[NodeIndex], metric: &PortMetric) -> Option<Summary> {
        let seeds = self.by_seed(nodes);
        if metric.port.is_some() || seeds.iter().all(|folds| folds.len() < 2) {
            return None;
        }
        let read = |folds: &Vec<NodeIndex>| {
            let evaluations = self.evaluations(folds);
            (!evaluations.is_empty()).then_some(evaluations)
        };
        let seeds: Vec<Vec<Evaluation>> = seeds.iter().map(read).collect::<Option<_>>()?;
        let found = self.analysis.summarize_folds(&metric.name, &seeds);
        found
            .inspect_err(|why| tracing::debug!("folds are not pooled: {why}"))
            .ok()?
    }

    /// The instances by seed: those of a seed differ in their fold. Each instance alone if there are no folds.
    pub(super) fn by_seed(&self, nodes: &[NodeIndex]) -> Vec<Vec<NodeIndex>> {
        if self.places.is_empty() {
            return nodes.iter().map(|&node| vec![node]).collect();
        }
        let mut seeds: Vec<(Option<&str>, Vec<NodeIndex>)> = Vec::new();
        for &node in nodes {
            for &place in self.places.get(&node).into_iter().flatten() {
                let seed = self.copies[place].seed;
                let known = seeds.iter().position(|(known, _)| *known == seed);
                let known = known.unwrap_or_else(|| {
                    seeds.push((seed, Vec::new()));
                    seeds.len() - 1
                });
                let folds = &mut seeds[known].1;
                if !folds.contains(&node) {
                    folds.push(node);
                }
            }
        }
        // A stage that does not depend on the seed has the same folds for all seeds.
        let mut distinct: Vec<Vec<NodeIndex>> = Vec::new();
        for (_, folds) in seeds {
            if !distinct.contains(&folds) {
                distinct.push(folds);
            }
        }
        distinct
    }

    /// The predictions of instances, in their order: the name of the instance, its seed and fold if copies of the
    /// pipeline differ in them, and its evaluation.
    ///
    /// # Errors
    /// If an instance has not run, is not an evaluation, or is damaged. The error names it.
    pub fn predictions(&self, nodes: &[NodeIndex]) -> Result<Vec<Predicted<'a>>, String> {
        let predicted = |&node: &NodeIndex| {
            let name = &self.graph.stages[node].name;
            let read = self
                .output(node, None)
                .and_then(|output| evaluation(self.store, self.analysis, &output));
            let evaluation = match read {
                Ok(Some(evaluation)) => evaluation,
                Ok(None) => return Err(format!("`{name}` has no predictions")),
                Err(why) => return Err(format!("`{name}`: {why}")),
            };
            let copies = || self.copies.iter().filter(|copy| copy.nodes.contains(&node));
            let common = |label: fn(&ShownCopy<'a>) -> Option<&'a str>| {
                let mut labels = copies().map(label);
                let first = labels.next()??;
                labels.all(|other| other == Some(first)).then_some(first)
            };
            Ok(Predicted {
                instance: name.in_copy(),
                seed: common(|copy| copy.seed),
                fold: common(|copy| copy.fold),
                evaluation,
            })
        };
        nodes.iter().map(predicted).collect()
    }
}
