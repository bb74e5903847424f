//! From what is written of a sweep to what there is to do, all of it checked before a trial starts.

use std::collections::HashMap;

use rayon::prelude::*;

use super::axes::{Axis, SEED};
use super::domain::Coordinate;
use super::metric::MetricAt;
use super::points::Design;
use super::rungs::Rungs;
use super::seeds::{self, SeedCopy};
use super::space::Point;
use super::trial::Objective;
use crate::graph::{Catalogue, Graph, Identity, Names, identities};
use crate::spec::{Assignment, Diagnostic, Document, SweepSpec};

/// Values of an axis that are looked at one by one; of more, each is when its trial is built.
const MOST_PROBED: usize = 100;

/// Most mistakes in trials that are told.
const MOST_TOLD: usize = 20;

/// Copies of a pipeline to make.
pub(super) struct Sweep {
    pub document: Document,
    pub catalogue: Catalogue,
    pub axes: Vec<Axis>,
    pub design: Design,
    pub seeds: Vec<SeedCopy>,
    pub objective: Option<Objective>,
    pub rungs: Option<Rungs>,
    pub names: Names,
}

/// One copy, not yet part of the whole.
pub(super) struct Build {
    pub graph: Graph,
    pub identities: Vec<Identity>,
}

/// What was read: a pipeline as it is, or copies of it.
pub(super) enum Reading {
    Plain(Graph),
    Copies(Box<Sweep>, Graph),
}

/// Reads what a document says of copies; also the graph of the pipeline as it is written.
pub(super) fn read(document: Document, catalogue: Catalogue) -> Result<Reading, Vec<Diagnostic>> {
    let mut pipeline = document.resolve()?;
    let spec = pipeline.sweep.take();
    let (default_seed, mut errors) = (pipeline.seed, Vec::new());
    let wanted = spec.as_ref().and_then(|spec| {
        let seeds = spec.seeds.as_ref()?;
        Some((seeds.count, &seeds.place))
    });
    let seeds = seeds::copies(&pipeline, wanted);
    let axes = spec.as_ref().map(|spec| Axis::read_all(spec, &mut errors));
    let axes = axes.unwrap_or_default();
    let design = match &spec {
        Some(spec) if errors.is_empty() => Design::read(spec, &axes, default_seed, &mut errors),
        _ => None,
    };
    pipeline.errors.append(&mut errors);
    let base = Graph::build(pipeline, &catalogue)?;
    let design = match design {
        Some(design) => design,
        None if seeds.len() == 1 => return Ok(Reading::Plain(base)),
        None => Design::one(),
    };
    let mut sweep = Sweep {
        document,
        catalogue,
        axes,
        design,
        seeds,
        objective: None,
        rungs: None,
        names: Names::default(),
    };
    if let Some(spec) = &spec {
        sweep.aim(spec, &base).map_err(|error| vec![error])?;
    }
    sweep.probe(&base)?;
    Ok(Reading::Copies(Box::new(sweep), base))
}

impl Sweep {
    /// Reads what trials are judged by.
    fn aim(&mut self, spec: &SweepSpec, base: &Graph) -> Result<(), Diagnostic> {
        if let Some(fields) = &spec.fields.objective {
            let place = spec.place_of(&["objective", "metric"]);
            self.objective = Some(Objective {
                metric: MetricAt::read(base, &fields.metric, &place)?,
                direction: fields.direction,
            });
        }
        if self.objective.is_none() && (self.design.learns() || spec.fields.stop.is_some()) {
            let what = match spec.fields.stop {
                Some(_) => "stop",
                None => "method",
            };
            let message = format!("`{what}` needs an `objective` to judge trials by");
            let hint = "as `objective: { metric: evaluate.f1, direction: maximize }`".to_owned();
            return Err(Diagnostic::at(&spec.place_of(&[what]), message).hint(hint));
        }
        if let Some(stop) = &spec.fields.stop {
            let nodes: Vec<_> = base.stages.node_indices().collect();
            let objective = self.objective.as_ref();
            let node = objective.and_then(|objective| objective.metric.node(base, &nodes));
            self.rungs = Some(Rungs::read(spec, &stop.asha, base, node)?);
        }
        Ok(())
    }

    /// Puts single values on the axes, one at a time, and looks which instances change: after these axes
    /// they are named. What is wrong with a value shows here.
    fn probe(&mut self, base: &Graph) -> Result<(), Vec<Diagnostic>> {
        let base = digests(base, &identities(base));
        let mut probes: Vec<(String, Vec<Assignment>)> = Vec::new();
        for (index, axis) in self.axes.iter().enumerate() {
            let around = self.surroundings(index);
            for at in axis.extremes().iter().take(MOST_PROBED) {
                let mut assignments = around.clone();
                assignments.push(axis.assign(at));
                probes.push((axis.label.clone(), assignments));
            }
        }
        let seeds = self.seeds.iter().skip(1).take(1);
        probes.extend(seeds.map(|seed| (SEED.to_owned(), seed.assignments.clone())));
        if let Some(rungs) = &self.rungs {
            // One of the two at least is not what is written.
            for epochs in [rungs.last(), rungs.last() + 1] {
                let (label, _) = Rungs::label(epochs);
                probes.push((label, vec![rungs.assign(epochs)]));
            }
        }
        let build = |(_, assignments): &(String, Vec<Assignment>)| {
            let built = self.build(assignments.clone())?;
            let instances = digests(&built.graph, &built.identities).into_iter();
            let changed = instances.filter(|(name, identity)| base.get(name) != Some(identity));
            Ok(changed.map(|(name, _)| name).collect::<Vec<String>>())
        };
        let built: Vec<Result<_, Vec<Diagnostic>>> = probes.par_iter().map(build).collect();
        let mut errors = Vec::new();
        for ((label, _), built) in probes.iter().zip(built) {
            match built {
                Ok(changed) => self.names.tell_apart(label, changed),
                Err(found) => errors.extend(found),
            }
        }
        refuse(errors)?;
        refuse(self.overruled())
    }

    /// Axes that change nothing once epochs and seeds are set, as they are in each copy.
    fn overruled(&self) -> Vec<Diagnostic> {
        if self.rungs.is_none() && self.seeds.len() == 1 {
            return Vec::new();
        }
        let mut set = self.seeds[0].assignments.clone();
        set.extend(self.rungs.iter().map(|rungs| rungs.assign(rungs.last())));
        let differ = |axis: &Axis, around: &[Assignment], set: &[Assignment]| {
            let build = |at: &Coordinate| {
                let assignments = around.iter().cloned().chain([axis.assign(at)]);
                let built = self
                    .build(assignments.chain(set.iter().cloned()).collect())
                    .ok()?;
                Some(digests(&built.graph, &built.identities))
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
                "`{}` changes nothing: epochs or seeds are set for it",
                axis.name
            );
            let hint = "epochs are what `stop.asha` sets, seeds what `seeds` does".to_owned();
            Some(Diagnostic::at(&axis.place(), message).hint(hint))
        })
        .collect()
    }

    /// What must hold for an axis to apply.
    fn surroundings(&self, axis: usize) -> Vec<Assignment> {
        let conditions = self.design.surroundings(axis, &self.axes);
        let assign = conditions
            .iter()
            .map(|(axis, at)| self.axes[*axis].assign(at));
        assign.collect()
    }

    /// The pipeline with some values put in.
    pub fn build(&self, assignments: Vec<Assignment>) -> Result<Build, Vec<Diagnostic>> {
        let mut pipeline = self.document.resolve_with(assignments)?;
        let objective = self.objective.as_ref();
        pipeline.objective = objective.map(|objective| objective.metric.stage.clone());
        let graph = Graph::build(pipeline, &self.catalogue)?;
        if let Some(rungs) = &self.rungs {
            rungs.check(&graph).map_err(|error| vec![error])?;
        }
        let identities = identities(&graph);
        Ok(Build { graph, identities })
    }

    /// What a trial puts in, without seeds and epochs.
    pub fn assignments(&self, point: &Point) -> Vec<Assignment> {
        let coordinates = self.design.coordinates(point, &self.axes);
        let coordinates = self.axes.iter().zip(coordinates);
        coordinates
            .filter_map(|(axis, at)| Some(axis.assign(&at?)))
            .collect()
    }
}

/// The identity of each instance by its name.
fn digests(graph: &Graph, identities: &[Identity]) -> HashMap<String, Identity> {
    let nodes = graph.stages.node_indices().zip(identities);
    nodes
        .map(|(node, identity)| (graph.stages[node].name.to_string(), *identity))
        .collect()
}

/// Tells each mistake once, and not too many.
pub(super) fn refuse(mut errors: Vec<Diagnostic>) -> Result<(), Vec<Diagnostic>> {
    if errors.is_empty() {
        return Ok(());
    }
    Diagnostic::sort(&mut errors);
    errors.dedup_by(|a, b| a.place == b.place && a.message == b.message);
    errors.truncate(MOST_TOLD);
    Err(errors)
}
