//! The evaluation with the best value of a metric, for the summary of a run.

use std::collections::HashSet;

use contract::Direction;
use engine::graph::{FOLD_AXIS, SEED_AXIS};

use crate::evaluation::EvaluationView;
use crate::metric::MetricView;
use crate::run::RunView;
use crate::stage::StageView;

/// An evaluation with its most important metric and the value.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    found: &'a EvaluationView,
    metric: &'a MetricView,
    value: f64,
}

impl RunView {
    /// The evaluation with the best value of a metric among those on the [main test images](Self::main_images), with a
    /// label, the stage and the metric. `None` if another one looks as good, or if they differ in their seeds or folds:
    /// the best one is the best by chance. The label does not say "best", because intervals may overlap.
    pub fn best_evaluation(&self) -> Option<(String, &StageView, &MetricView)> {
        let candidates = self.evaluations.iter().filter_map(|found| {
            let metric = *found.headline().first()?;
            let value = metric.value?;
            Some(Candidate {
                found,
                metric,
                value,
            })
        });
        let mut candidates: Vec<Candidate<'_>> = candidates.collect();
        let images = self.main_images(&candidates)?;
        candidates.retain(|one| one.found.dataset == images);
        let (first, rest) = candidates.split_first()?;
        let is_repeat = |one: &Candidate<'_>| {
            let mut axes = self.stages[one.found.stage].axes.iter();
            axes.any(|(axis, _)| axis == SEED_AXIS || axis == FOLD_AXIS)
        };
        let is_alike = |one: &Candidate<'_>| one.metric.name == first.metric.name;
        if rest.is_empty() || !rest.iter().all(is_alike) || candidates.iter().any(is_repeat) {
            return None;
        }
        let (sign, word) = match first.metric.direction? {
            Direction::Maximize => (1.0, "Highest"),
            Direction::Minimize => (-1.0, "Lowest"),
        };
        let best = rest.iter().fold(first, |best, one| {
            match sign * one.value > sign * best.value {
                true => one,
                false => best,
            }
        });
        let shown = best.metric.text();
        let as_good = candidates.iter().filter(|one| one.metric.text() == shown);
        let images = match images.rsplit_once('.') {
            Some((_, part)) => format!("{part} images"),
            None => format!("images of {images}"),
        };
        (as_good.count() == 1).then(|| {
            let label = format!("{word} {} on {images}", best.metric.name);
            (label, &self.stages[best.found.stage], best.metric)
        })
    }

    /// The images that the evaluations have in common. If they have several, the main ones: those of a dataset that the
    /// evaluated model was trained from, since others are external. `None` if these are several, too.
    fn main_images<'a>(&self, candidates: &[Candidate<'a>]) -> Option<&'a str> {
        let images = |candidates: &mut dyn Iterator<Item = &Candidate<'a>>| {
            let mut images = candidates.map(|one| one.found.dataset.as_str());
            let first = images.next()?;
            images.all(|other| other == first).then_some(first)
        };
        let is_main = |one: &&Candidate<'_>| match (one.found.model, one.found.images) {
            (Some(model), Some(images)) => self.makers(model).contains(&images),
            (None, _) | (_, None) => false,
        };
        images(&mut candidates.iter()).or_else(|| images(&mut candidates.iter().filter(is_main)))
    }

    /// The stages that a stage depends on, by position.
    fn makers(&self, stage: usize) -> HashSet<usize> {
        let (mut found, mut open) = (HashSet::new(), vec![stage]);
        while let Some(at) = open.pop() {
            let makers = self.stages[at]
                .inputs
                .iter()
                .filter_map(|input| input.maker);
            open.extend(makers.filter(|&maker| found.insert(maker)));
        }
        found
    }
}
