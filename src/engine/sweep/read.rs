//! Reads the sweep, the seeds and the folds of a document, and checks them before any trial starts.

use std::collections::HashMap;

use contract::Fold;
use rayon::prelude::*;

use super::axes::{Axis, FOLD, SEED};
use super::domain::Coordinate;
use super::metric::MetricAt;
use super::points::Design;
use super::rungs::Rungs;
use super::seeds::{self, SeedCopy};
use super::space::Point;
use super::trial::Objective;
use crate::graph::{Catalogue, Graph, Identity, Names, identities};
use crate::spec::{Assignment, Diagnostic, Document, Pipeline, SweepSpec};

/// Maximum number of values of an axis that are checked in advance. Any other is checked when its trial is
/// built.
const MAX_PROBED: usize = 100;

/// Maximum number of errors in trials that are reported.
const MAX_ERRORS: usize = 20;

/// A sweep, or a pipeline with several seeds or folds, with all that is needed to build its copies.
pub(super) struct Sweep {
    pub document: Document,
    pub catalogue: Catalogue,
    pub axes: Vec<Axis>,
    pub design: Design,
    pub seeds: Vec<SeedCopy>,
    /// The folds of a cross-validation, or a single `None`.
    pub folds: Vec<Option<Fold>>,
    pub objective: Option<Objective>,
    pub rungs: Option<Rungs>,
    pub names: Names,
    /// Warnings about the sweep itself.
    pub warnings: Vec<Diagnostic>,
}

/// A copy of the pipeline that was not added to the union yet.
pub(super) struct Build {
    pub graph: Graph,
    pub identities: Vec<Identity>,
}

/// Result of reading a document: a plain pipeline, or one with copies.
pub(super) enum Reading {
    Plain(Graph),
    Copies(Box<Sweep>, Graph),
}

/// Reads the sweep, the seeds and the folds of a document, and builds the graph of the pipeline without them, for the
/// first fold.
pub(super) fn read(document: Document, catalogue: Catalogue) -> Result<Reading, Vec<Diagnostic>> {
    let mut pipeline = document.resolve()?;
    let spec = pipeline.sweep.take();
    let (default_seed, mut errors) = (pipeline.seed, Vec::new());
    let wanted = spec.as_ref().and_then(|spec| {
        let seeds = spec.seeds.as_ref()?;
        Some((seeds.count, &seeds.place))
    });
    let seeds = seeds::copies(&pipeline, wanted);
    let folds = folds(&pipeline);
    pipeline.fold = folds[0];
    let axes = spec.as_ref().map(|spec| Axis::read_all(spec, &mut errors));
    let axes = axes.unwrap_or_default();
    let design = match &spec {
        Some(spec) if errors.is_empty() => Design::read(spec, &axes, default_seed, &mut errors),
        _ => None,
    };
    pipeline.errors.append(&mut errors);
    pipeline.seed_labels = seeds::labels(&seeds);
    let base = Graph::build(pipeline, &catalogue)?;
    let design = match design {
        Some(design) => design,
        None if seeds.len() == 1 && folds.len() == 1 => return Ok(Reading::Plain(base)),
        None => Design::single_point(),
    };
    let mut sweep = Sweep {
        document,
        catalogue,
        axes,
        design,
        seeds,
        folds,
        objective: None,
        rungs: None,
        names: Names::default(),
        warnings: Vec::new(),
    };
    if let Some(spec) = &spec {
        sweep
            .read_objective(spec, &base)
            .map_err(|error| vec![error])?;
    }
    sweep.probe(&base)?;
    Ok(Reading::Copies(Box::new(sweep), base))
}

impl Sweep {
    /// Reads the objective and the stopping rule.
    fn read_objective(&mut self, spec: &SweepSpec, base: &Graph) -> Result<(), Diagnostic> {
        if let Some(fields) = &spec.fields.objective {
            let place = spec.place_of(&["objective", "metric"]);
            let resolved = MetricAt::read(base, &fields.metric, &place)?;
            let place = match fields.direction {
                Some(_) => spec.place_of(&["objective", "direction"]),
                None => place,
            };
            let direction = resolved.direction(fields.direction, &place, &mut self.warnings)?;
            let info = resolved.info.as_ref();
            self.objective = Some(Objective {
                found_direction: None,
                is_direction_declared: info.is_some_and(|info| info.direction.is_some()),
                range: resolved.info.map_or(contract::ANY, |info| info.range),
                metric: resolved.at,
                direction,
                of: None,
            });
        }
        if self.objective.is_none() && (self.design.learns() || spec.fields.stop.is_some()) {
            let what = match spec.fields.stop {
                Some(_) => "stop",
                None => "method",
            };
            let message = format!("`{what}` needs an `objective` to compare trials by");
            let hint =
                "for example `objective: { metric: evaluate.f1, direction: maximize }`".to_owned();
            return Err(Diagnostic::at(&spec.place_of(&[what]), message).hint(hint));
        }
        if let Some(stop) = &spec.fields.stop {
            let nodes: Vec<_> = base.stages.node_indices().collect();
            let objective = self.objective.as_ref();
            let node = objective.and_then(|objective| objective.metric.node(base, &nodes));
            let rungs = Rungs::read(spec, &stop.asha, base, node, &mut self.warnings)?;
            self.rungs = Some(rungs);
        }
        Ok(())
    }

    /// Builds the pipeline with single values of each axis, one axis at a time, and records which instances change:
    /// their names get the label of the axis. Does the same with seeds, folds and epochs. Fails if a value is invalid.
    fn probe(&mut self, base: &Graph) -> Result<(), Vec<Diagnostic>> {
        let base = identities_by_name(base, &identities(base));
        let first = self.folds[0];
        let mut probes: Vec<(String, Vec<Assignment>, Option<Fold>)> = Vec::new();
        for (index, axis) in self.axes.iter().enumerate() {
            let around = self.surroundings(index);
            for at in axis.extremes().iter().take(MAX_PROBED) {
                let mut assignments = around.clone();
                assignments.push(axis.assign(at));
                probes.push((axis.label.clone(), assignments, first));
            }
        }
        let seeds = self.seeds.iter().skip(1).take(1);
        probes.extend(seeds.map(|seed| (SEED.to_owned(), seed.assignments.clone(), first)));
        if let Some(second) = self.folds.get(1) {
            probes.push((FOLD.to_owned(), Vec::new(), *second));
        }
        if let Some(rungs) = &self.rungs {
            // At least one of the two differs from the written number of epochs.
            for epochs in [rungs.last(), rungs.last() + 1] {
                let (label, _) = Rungs::label(epochs);
                probes.push((label, vec![rungs.assign(epochs)], first));
            }
        }
        let build = |(_, assignments, fold): &(String, Vec<Assignment>, Option<Fold>)| {
            let built = self.build(assignments.clone(), *fold)?;
            let instances = identities_by_name(&built.graph, &built.identities).into_iter();
            let changed = instances.filter(|(name, identity)| base.get(name) != Some(identity));
            Ok(changed.map(|(name, _)| name).collect::<Vec<String>>())
        };
        let built: Vec<Result<_, Vec<Diagnostic>>> = probes.par_iter().map(build).collect();
        let mut errors = Vec::new();
        for ((label, ..), built) in probes.iter().zip(built) {
            match built {
                Ok(changed) => self.names.tell_apart(label, changed),
                Err(found) => errors.extend(found),
            }
        }
        fail_if_any(errors)?;
        fail_if_any(self.ineffective_axes())
    }

    /// Returns an error for each axis that has no effect because every copy sets the epochs and seeds.
    fn ineffective_axes(&self) -> Vec<Diagnostic> {
        if self.rungs.is_none() && self.seeds.len() == 1 {
            return Vec::new();
        }
        let mut set = self.seeds[0].assignments.clone();
        set.extend(self.rungs.iter().map(|rungs| rungs.assign(rungs.last())));
        let differ = |axis: &Axis, around: &[Assignment], set: &[Assignment]| {
            let build = |at: &Coordinate| {
                let assignments = around.iter().cloned().chain([axis.assign(at)]);
                let built = self
                    .build(
                        assignments.chain(set.iter().cloned()).collect(),
                        self.folds[0],
                    )
                    .ok()?;
                Some(identities_by_name(&built.graph, &built.identities))
            };
            let extremes = axis.extremes();
            let ends = extremes.first().zip(extremes.last());
            ends.is_none_or(|(first, last)| build(first) != build(last))
        };
        let axes = self.axes.par_iter().enumerate();
        axes.filter_map(|(index, axis)| {
            let around = self.surroundings(index);
            if !differ(axis, &around, &[]) || differ(axis, &around, &set) {
                return None;
            }
            let message = format!(
                "the axis `{}` has no effect, because the sweep sets epochs or seeds itself",
                axis.name
            );
            let hint = "`stop.asha` sets the epochs, and `seeds` sets the seeds".to_owned();
            Some(Diagnostic::at(&axis.place(), message).hint(hint))
        })
        .collect()
    }

    /// Returns assignments that make an axis apply.
    fn surroundings(&self, axis: usize) -> Vec<Assignment> {
        let conditions = self.design.surroundings(axis, &self.axes);
        let assign = conditions
            .iter()
            .map(|(axis, at)| self.axes[*axis].assign(at));
        assign.collect()
    }

    /// Number of copies of the pipeline for each trial.
    pub(super) fn repeats(&self) -> usize {
        self.seeds.len() * self.folds.len()
    }

    /// Returns the seed and the fold of a copy: all folds of the first seed, then those of the next.
    pub(super) fn repeat(&self, index: usize) -> (&SeedCopy, Option<Fold>) {
        let folds = self.folds.len();
        (&self.seeds[index / folds], self.folds[index % folds])
    }

    /// Builds the graph of the pipeline with these assignments, for a fold of a cross-validation.
    pub(super) fn build(
        &self,
        assignments: Vec<Assignment>,
        fold: Option<Fold>,
    ) -> Result<Build, Vec<Diagnostic>> {
        let mut pipeline = self.document.resolve_with(assignments)?;
        pipeline.fold = fold;
        let objective = self.objective.as_ref();
        pipeline.objective = objective.map(|objective| objective.metric.stage.clone());
        pipeline.seed_labels = seeds::labels(&self.seeds);
        let graph = Graph::build(pipeline, &self.catalogue)?;
        if let Some(rungs) = &self.rungs {
            rungs.check(&graph).map_err(|error| vec![error])?;
        }
        let identities = identities(&graph);
        Ok(Build { graph, identities })
    }

    /// Returns the assignments of a trial, without those of seeds and epochs.
    pub(super) fn assignments(&self, point: &Point) -> Vec<Assignment> {
        let coordinates = self.design.coordinates(point, &self.axes);
        let coordinates = self.axes.iter().zip(coordinates);
        coordinates
            .filter_map(|(axis, at)| Some(axis.assign(&at?)))
            .collect()
    }
}

/// Returns the folds of a pipeline; a single `None` without a cross-validation.
fn folds(pipeline: &Pipeline) -> Vec<Option<Fold>> {
    match &pipeline.folds {
        None => vec![None],
        Some(folds) => {
            let of = folds.count;
            (1..=of).map(|test| Some(Fold { test, of })).collect()
        }
    }
}

/// Returns the identity of each instance by its name.
fn identities_by_name(graph: &Graph, identities: &[Identity]) -> HashMap<String, Identity> {
    let nodes = graph.stages.node_indices().zip(identities);
    nodes
        .map(|(node, identity)| (graph.stages[node].name.to_string(), *identity))
        .collect()
}

/// Fails if there are errors. Returns each of them once, and at most [`MAX_ERRORS`].
pub(super) fn fail_if_any(mut errors: Vec<Diagnostic>) -> Result<(), Vec<Diagnostic>> {
    if errors.is_empty() {
        return Ok(());
    }
    Diagnostic::sort(&mut errors);
    errors.dedup_by(|a, b| a.place == b.place && a.message == b.message);
    errors.truncate(MAX_ERRORS);
    Err(errors)
}
