//! [`Experiment`]: goes through a sweep in rounds of trials. Each round is chosen from the results of earlier rounds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use petgraph::graph::NodeIndex;

use super::halving::{self, Race};
use super::metric::MetricAt;
use super::read::{Reading, read};
use super::record;
use super::results::Results;
use super::trial::{Extent, Objective, Trial, larger_is_better};
use super::trials::{Entry, Trials};
use crate::event::{BestTrial, Event, TrialResult};
use crate::graph::{Catalogue, Graph, Union};
use crate::spec::{Diagnostic, Document, LoadOptions, Method};

/// A pipeline in progress: a plain one in a single round, or its trials, seeds and folds in one round or several.
pub struct Experiment {
    pub pipeline: String,
    pub file: PathBuf,
    pub profile: Option<String>,
    /// Graph of all copies that are known so far.
    union: Union,
    sweep: Option<Trials>,
    rounds: usize,
    /// Nodes to run in all rounds so far; `None` means all.
    reach: Option<Vec<NodeIndex>>,
    /// `true` if there are no more rounds.
    is_over: bool,
    /// `true` if a result is missing because a stage was not run, so that later trials cannot be chosen.
    is_incomplete: bool,
}

/// The part of a sweep that can run without further results.
pub struct Round {
    /// Counted from 1.
    pub number: usize,
    /// Nodes to run, with their ancestors; `None` means all.
    pub until: Option<Vec<NodeIndex>>,
    /// Nodes to run, including ancestors, that were not in an earlier round.
    pub new: BTreeSet<NodeIndex>,
    entries: Vec<Entry>,
}

impl Experiment {
    /// Reads a pipeline and checks everything about its trials that is known before they run.
    ///
    /// # Errors
    /// Returns the errors of [`Graph::build`], and those in the sweep.
    pub fn read(
        file: &Path,
        options: &LoadOptions,
        catalogue: Catalogue,
    ) -> Result<Self, Vec<Diagnostic>> {
        let document = Document::read(file, options)?;
        let (base, sweep) = match read(document, catalogue)? {
            Reading::Plain(graph) => (graph, None),
            Reading::Copies(sweep, base) => (base, Some(sweep)),
        };
        let (pipeline, profile) = (base.pipeline.clone(), base.profile.clone());
        let union = match &sweep {
            None => Union::of(base),
            Some(sweep) => Union::without_copies(base, sweep.warnings.clone()),
        };
        Ok(Self {
            pipeline,
            file: file.to_owned(),
            profile,
            union,
            sweep: sweep.map(Trials::new),
            rounds: 0,
            reach: None,
            is_over: false,
            is_incomplete: false,
        })
    }

    /// Returns the graph of all copies that are known so far.
    pub fn graph(&self) -> &Graph {
        self.union.graph()
    }

    /// Returns the graph of all copies that are known so far, with its `reach`.
    pub fn into_graph(self) -> Graph {
        let mut graph = self.union.finish();
        graph.reach = self.reach;
        graph
    }

    /// Returns the trials that were chosen so far; empty if the pipeline has no sweep.
    pub fn trials(&self) -> &[Trial] {
        match &self.sweep {
            Some(trials) if trials.is_sweep() => &trials.trials,
            _ => &[],
        }
    }

    /// Returns `true` if there are trials, not only seeds and folds.
    pub fn is_sweep(&self) -> bool {
        self.sweep.as_ref().is_some_and(Trials::is_sweep)
    }

    /// Returns the objective of the trials.
    pub fn objective(&self) -> Option<&Objective> {
        self.sweep.as_ref()?.sweep.objective.as_ref()
    }

    /// Describes the whole sweep, including trials that are not known yet.
    pub fn extent(&self) -> Extent {
        let Some(Trials { sweep, .. }) = &self.sweep else {
            return Extent {
                method: Method::Grid.name(),
                trials: 0,
                seeds: 1,
                folds: 1,
                axes: Vec::new(),
                rungs: Vec::new(),
            };
        };
        let axes = sweep.axes.iter();
        let rungs = sweep.rungs.iter();
        Extent {
            method: sweep.design.method.name(),
            trials: sweep.design.trials,
            seeds: sweep.seeds.len(),
            folds: sweep.folds.len(),
            axes: axes
                .map(|axis| (axis.name.clone(), axis.in_words()))
                .collect(),
            rungs: rungs
                .flat_map(|rungs| rungs.halving.rungs())
                .copied()
                .collect(),
        }
    }

    /// Returns the axes of the sweep.
    pub fn axes(&self) -> Vec<record::Axis> {
        let axes = self.sweep.iter().flat_map(|trials| &trials.sweep.axes);
        axes.map(|axis| record::Axis {
            name: axis.name.clone(),
            label: axis.label.clone(),
            kind: axis.kind(),
        })
        .collect()
    }

    /// Returns the importance of each axis, greatest share first, and what it is the importance for; `None` if there is
    /// no objective or no trial has a value.
    pub fn importance(&self) -> Option<(record::ImportanceOf, Vec<record::Importance>)> {
        self.sweep.as_ref()?.importance(&self.axes())
    }

    /// Returns the metric by which trainings are compared, and the epochs of the rungs; `None` without
    /// successive halving.
    pub fn rungs(&self) -> Option<(&MetricAt, &[u64])> {
        let rungs = self.sweep.as_ref()?.sweep.rungs.as_ref()?;
        Some((&rungs.metric, rungs.halving.rungs()))
    }

    /// Returns the number of folds of each trial; 1 without a cross-validation.
    pub fn folds(&self) -> usize {
        self.sweep
            .as_ref()
            .map_or(1, |trials| trials.sweep.folds.len())
    }

    /// Returns the seeds of each trial.
    pub fn seeds(&self) -> Vec<u64> {
        let seeds = self.sweep.iter().flat_map(|trials| &trials.sweep.seeds);
        seeds.filter_map(|seed| seed.label.parse().ok()).collect()
    }

    /// Returns `true` if a result is missing because a stage was not run, so that later trials cannot be chosen.
    pub fn is_incomplete(&self) -> bool {
        self.is_incomplete
    }

    /// Returns the nodes to run in all rounds so far; `None` means all.
    pub fn reach(&self) -> Option<&[NodeIndex]> {
        self.reach.as_deref()
    }

    /// Returns `true` if there may be more than one round.
    pub fn has_several_rounds(&self) -> bool {
        self.sweep
            .as_ref()
            .is_some_and(|trials| trials.race.is_some() || !trials.sweep.design.is_known())
    }

    /// Returns the next round, or `None` if there are no more.
    ///
    /// # Errors
    /// Fails if a trial that was known from the start is an invalid pipeline.
    pub fn next_round(&mut self) -> Result<Option<Round>, Vec<Diagnostic>> {
        if self.is_over {
            return Ok(None);
        }
        self.rounds += 1;
        let number = self.rounds;
        let Some(trials) = &mut self.sweep else {
            self.is_over = true;
            return Ok(Some(Round {
                number,
                until: None,
                new: BTreeSet::new(),
                entries: Vec::new(),
            }));
        };
        let entries = trials.next_entries(&mut self.union)?;
        if entries.is_empty() {
            self.is_over = true;
            return Ok(None);
        }
        let graph = self.union.graph();
        let until = trials.until(graph, &entries);
        let reached = self.reach.get_or_insert_default();
        let known = graph.with_ancestors(reached);
        let new = graph.with_ancestors(&until);
        reached.extend(&until);
        reached.sort();
        reached.dedup();
        Ok(Some(Round {
            number,
            until: Some(until),
            new: new.difference(&known).copied().collect(),
            entries,
        }))
    }

    /// Records the results of a round. Returns the events that report them.
    pub fn record(&mut self, round: &Round, results: &impl Results) -> Vec<Event> {
        let graph = self.union.graph();
        let Some(trials) = &mut self.sweep else {
            return Vec::new();
        };
        let mut events = Vec::new();
        let mut failed = 0;
        for entry in &round.entries {
            match trials.record_result(graph, entry, results) {
                Some(result) => {
                    failed += usize::from(matches!(result, TrialResult::Failed { .. }));
                    let trial = &trials.trials[entry.trial];
                    events.push(Event::TrialJudged {
                        trial: trial.number,
                        values: trial.values_in_words(),
                        judgement: result,
                    });
                }
                // Later rounds cannot be chosen without this result.
                None => (self.is_over, self.is_incomplete) = (true, true),
            }
        }
        // If the first round has several trials and all of them fail, end the sweep.
        self.is_over |= round.number == 1 && failed == round.entries.len() && failed > 1;
        if !trials.is_sweep() {
            return Vec::new();
        }
        events.push(Event::RoundEnded {
            round: round.number,
            trials: trials.trials.len(),
            best: trials.best().map(|trial| BestTrial {
                trial: trial.number,
                values: trial.values_in_words(),
                objective: trial.mean(),
            }),
        });
        events
    }

    /// Returns the copies of the pipeline whose results are shown as those of one pipeline: in a sweep, those
    /// of the best trial, or none if there is no best trial yet; otherwise those of all seeds and folds.
    pub fn shown(&self) -> Vec<usize> {
        match &self.sweep {
            Some(trials) if trials.is_sweep() => trials
                .best()
                .map(|trial| trial.copies.clone())
                .unwrap_or_default(),
            _ => {
                let copies = self.union.graph().copies.len();
                (0..copies).collect()
            }
        }
    }

    /// Returns all decisions of successive halving and the results that led to them. Trials are counted from
    /// 1, and metrics are as measured. Empty without successive halving.
    pub fn decisions(&self) -> Vec<halving::Entry> {
        let trials = self.sweep.as_ref();
        let race = trials.and_then(|trials| trials.race.as_ref());
        let rungs = trials.and_then(|trials| trials.sweep.rungs.as_ref());
        let direction = rungs.and_then(|rungs| rungs.direction);
        let record = race.map(Race::record).unwrap_or_default().iter();
        // The race was given values of which larger is better. Restore the measured values.
        let measured = |entry: &halving::Entry| {
            entry.numbered_from_one(|value| larger_is_better(value, direction))
        };
        record.map(measured).collect()
    }
}
