//! [`Trials`]: chooses the next trials of a sweep, and builds their copies of the pipeline.

use petgraph::graph::NodeIndex;
use rayon::prelude::*;

use super::axes::{FOLD, SEED};
use super::halving::{Decision, Race};
use super::read::{Build, Sweep, fail_if_any};
use super::rungs::Rungs;
use super::sampler::{Observation, Proposal, Sampler};
use super::space::Point;
use super::trial::{Trial, TrialState, TrialValue, larger_is_better};
use crate::graph::{Graph, Union};
use crate::spec::{Assignment, Diagnostic};

/// Approximate number of copies whose graphs are built before they are added to the union. Built graphs also
/// hold the instances that the union contains already, so this limits memory.
const AT_ONCE: usize = 256;

/// The trials of a sweep, or the copies of a pipeline with several seeds or folds.
pub(super) struct Trials {
    pub sweep: Box<Sweep>,
    pub sampler: Box<dyn Sampler>,
    pub race: Option<Race>,
    /// The points of all trials.
    pub points: Vec<Point>,
    pub trials: Vec<Trial>,
}

/// A trial in a round.
pub(super) struct Entry {
    /// Index of the trial.
    pub trial: usize,
    /// Epochs after which its training ends in this round; `None` if it runs to its end.
    pub rung: Option<u64>,
    pub copies: Vec<usize>,
}

impl Trials {
    pub(super) fn new(sweep: Box<Sweep>) -> Self {
        let trials = sweep.design.trials;
        let race = |rungs: &Rungs| Race::new(rungs.halving.clone(), trials);
        Self {
            sampler: sweep.design.sampler(),
            race: sweep.rungs.as_ref().map(race),
            sweep,
            points: Vec::new(),
            trials: Vec::new(),
        }
    }

    /// Returns the finished trial with the best objective. In a tie, returns the earlier one.
    pub(super) fn best(&self) -> Option<&Trial> {
        let direction = self.sweep.objective.as_ref()?.direction;
        let value = |trial: &Trial| Some(larger_is_better(trial.mean()?, direction));
        let finished = self
            .trials
            .iter()
            .filter_map(|trial| Some((value(trial)?, trial)));
        let best = finished.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map(|(_, trial)| trial)
    }

    /// Returns `true` if there are axes, not only seeds and folds.
    pub(super) fn is_sweep(&self) -> bool {
        !self.sweep.axes.is_empty()
    }

    /// Chooses trials and adds their copies to the union. Returns an empty list if there are no more trials.
    pub(super) fn next_entries(
        &mut self,
        union: &mut Union,
    ) -> Result<Vec<Entry>, Vec<Diagnostic>> {
        loop {
            let chosen = self.choose();
            let entries = self.add_to_union(&chosen, union)?;
            // If all of these trials are invalid pipelines, they have failed already. Others may follow.
            if !entries.is_empty() || chosen.is_empty() {
                return Ok(entries);
            }
        }
    }

    /// Chooses the next trials, and the rung that each runs to; `None` means to the end.
    fn choose(&mut self) -> Vec<(usize, Option<u64>)> {
        let parallel = self.sweep.design.parallel;
        let mut chosen: Vec<(usize, Option<u64>)> = Vec::new();
        let Some((race, rungs)) = self.race.as_mut().zip(self.sweep.rungs.as_ref()) else {
            let left = self.sweep.design.trials - self.trials.len();
            for proposal in self.sampler.ask(parallel.min(left)) {
                chosen.push((self.start(proposal), None));
            }
            return chosen;
        };
        let last = rungs.last();
        let unless_last = |epochs: u64| (epochs < last).then_some(epochs);
        let mut new = Vec::new();
        for decision in race.decide(parallel) {
            match decision {
                Decision::New { trial, to_epochs } => new.push((trial, unless_last(to_epochs))),
                Decision::Promote {
                    trial, to_epochs, ..
                } => chosen.push((trial, unless_last(to_epochs))),
            }
        }
        let mut proposals = self.sampler.ask(new.len()).into_iter();
        for (trial, rung) in new {
            match proposals.next() {
                Some(proposal) => chosen.push((self.start(proposal), rung)),
                // There are no more points, so the trial never starts.
                None => self.arrive(trial, None),
            }
        }
        chosen
    }

    /// Adds a trial and returns its index.
    fn start(&mut self, proposal: Proposal) -> usize {
        let Proposal { trial, point } = proposal;
        self.trials.push(self.sweep.trial(trial, &point));
        self.points.push(point);
        trial
    }

    /// Builds the copies of some trials and adds them to the union.
    ///
    /// # Errors
    /// Fails if a trial is an invalid pipeline and all trials were known from the start. If trials are chosen in
    /// several rounds, such a trial is marked as failed instead, and the others continue.
    fn add_to_union(
        &mut self,
        chosen: &[(usize, Option<u64>)],
        union: &mut Union,
    ) -> Result<Vec<Entry>, Vec<Diagnostic>> {
        let are_known = self.sweep.design.is_known();
        let mut entries = Vec::new();
        for some in chosen.chunks(AT_ONCE.div_ceil(self.sweep.repeats())) {
            let mut errors = Vec::new();
            for (&(trial, rung), built) in some.iter().zip(self.build(some)) {
                match built {
                    Ok(builds) => entries.push(self.add(trial, rung, builds, union)),
                    Err(found) if are_known => errors.extend(self.explained(trial, found)),
                    Err(found) => self.fail(trial, found),
                }
            }
            fail_if_any(errors)?;
        }
        Ok(entries)
    }

    /// Builds the copies of each trial, one for each seed and fold.
    fn build(&self, chosen: &[(usize, Option<u64>)]) -> Vec<Result<Vec<Build>, Vec<Diagnostic>>> {
        let (sweep, points) = (&self.sweep, &self.points);
        let copies = chosen.par_iter().map(|&(trial, rung)| {
            let repeats = 0..sweep.repeats();
            repeats
                .map(|repeat| sweep.copy(&points[trial], repeat, rung))
                .collect()
        });
        copies.collect()
    }

    fn add(
        &mut self,
        trial: usize,
        rung: Option<u64>,
        builds: Vec<Build>,
        union: &mut Union,
    ) -> Entry {
        let mut copies = Vec::new();
        for (repeat, build) in builds.into_iter().enumerate() {
            let labels = self.labels(trial, rung, repeat);
            let names = &mut self.sweep.names;
            copies.push(union.add(build.graph, &build.identities, labels, names));
        }
        let known = &mut self.trials[trial];
        known.copies.clone_from(&copies);
        known.all_copies.extend(&copies);
        Entry {
            trial,
            rung,
            copies,
        }
    }

    /// Adds a note with the trial and its values to each error.
    fn explained(&self, trial: usize, errors: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let Trial { number, .. } = self.trials[trial];
        let values = self.trials[trial].values_in_words();
        let note = format!("in trial {number}: {values}");
        let errors = errors.into_iter();
        errors.map(|error| error.note(note.clone())).collect()
    }

    /// Marks a trial as failed because it is an invalid pipeline.
    fn fail(&mut self, trial: usize, errors: Vec<Diagnostic>) {
        let first = errors.into_iter().next();
        let message = first.map_or(String::new(), |error| error.message);
        self.trials[trial].state = TrialState::Failed(message);
        self.sampler.observe(trial, Observation::Failed);
        self.arrive(trial, None);
    }

    /// Passes the result of a trial to the race, if there is one. `None` is a failure.
    pub(super) fn arrive(&mut self, trial: usize, value: Option<f64>) {
        if let Some(race) = &mut self.race {
            race.arrive(trial, value);
        }
    }

    /// Returns the labels that distinguish a copy from the others.
    fn labels(&self, trial: usize, rung: Option<u64>, repeat: usize) -> Vec<(String, String)> {
        let values = self.trials[trial].values.iter();
        let mut labels: Vec<(String, String)> = values
            .map(|value| (value.label.clone(), value.text.clone()))
            .collect();
        if let Some(rungs) = &self.sweep.rungs {
            labels.push(Rungs::label(rung.unwrap_or(rungs.last())));
        }
        let (seed, fold) = self.sweep.repeat(repeat);
        if self.sweep.seeds.len() > 1 {
            labels.push((SEED.to_owned(), seed.label.clone()));
        }
        if let Some(fold) = fold {
            labels.push((FOLD.to_owned(), fold.test.to_string()));
        }
        labels
    }

    /// Returns the nodes to run in a round. For trials that stop at a rung, this is only the training.
    pub(super) fn until(&self, graph: &Graph, entries: &[Entry]) -> Vec<NodeIndex> {
        let mut until = Vec::new();
        for entry in entries {
            for &copy in &entry.copies {
                let nodes = &graph.copies[copy].nodes;
                match (entry.rung, &self.sweep.rungs) {
                    (Some(_), Some(rungs)) => until.extend(rungs.metric.node(graph, nodes)),
                    _ => until.extend(nodes),
                }
            }
        }
        until.sort();
        until.dedup();
        until
    }
}

impl Sweep {
    /// Creates a trial without results.
    fn trial(&self, index: usize, point: &Point) -> Trial {
        let coordinates = self.design.coordinates(point, &self.axes);
        let values = self.axes.iter().zip(coordinates);
        let values = values.filter_map(|(axis, at)| {
            let (text, node) = axis.value(&at?);
            Some(TrialValue {
                name: axis.name.clone(),
                label: axis.label.clone(),
                text,
                value: node,
            })
        });
        Trial {
            number: index + 1,
            values: values.collect(),
            state: TrialState::Open,
            objective: Vec::new(),
            rungs: Vec::new(),
            copies: Vec::new(),
            all_copies: Vec::new(),
            epochs: None,
        }
    }

    /// Builds one copy of the pipeline.
    fn copy(
        &self,
        point: &Point,
        repeat: usize,
        rung: Option<u64>,
    ) -> Result<Build, Vec<Diagnostic>> {
        let (seed, fold) = self.repeat(repeat);
        let mut assignments: Vec<Assignment> = self.assignments(point);
        assignments.extend(seed.assignments.iter().cloned());
        if let Some(rungs) = &self.rungs {
            assignments.push(rungs.assign(rung.unwrap_or(rungs.last())));
        }
        self.build(assignments, fold)
    }
}
