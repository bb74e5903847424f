//! The way of a sweep: rounds of trials, each chosen by what came of those before.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use petgraph::graph::NodeIndex;

use super::halving::{self, Race};
use super::judging::larger_is_better;
use super::metric::MetricAt;
use super::read::{Reading, read};
use super::record;
use super::results::Results;
use super::trial::{Extent, Objective, Trial};
use super::trials::{Entry, Trials};
use crate::event::{BestTrial, Event, Judgement};
use crate::graph::{Catalogue, Graph, Union};
use crate::spec::{Diagnostic, Document, LoadOptions, Method};

/// A pipeline on its way: itself, or trials of it.
pub struct Course {
    pub pipeline: String,
    pub file: PathBuf,
    pub profile: Option<String>,
    /// All that is known so far.
    union: Union,
    sweep: Option<Trials>,
    rounds: usize,
    /// What all rounds so far are to run.
    reach: Option<Vec<NodeIndex>>,
    /// Whether nothing follows any more.
    is_over: bool,
    /// Whether something was not run, so that what would follow is not known.
    is_open: bool,
}

/// As much of a sweep as is known without further results.
pub struct Round {
    /// From 1.
    pub number: usize,
    /// What is to run, with all that it needs; nothing for everything.
    pub until: Option<Vec<NodeIndex>>,
    /// What is to run and was not in an earlier round.
    pub new: BTreeSet<NodeIndex>,
    entries: Vec<Entry>,
}

impl Course {
    /// Reads a pipeline, and checks all that can be known of its trials.
    ///
    /// # Errors
    /// As [`Graph::build`], and what is wrong with the sweep.
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
        let union = match sweep {
            None => Union::of(base),
            Some(_) => Union::without_copies(base),
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
            is_open: false,
        })
    }

    /// All that is known so far.
    pub fn graph(&self) -> &Graph {
        self.union.graph()
    }

    /// All that is known so far, and what of it is to run.
    pub fn into_graph(self) -> Graph {
        let mut graph = self.union.finish();
        graph.reach = self.reach;
        graph
    }

    /// The trials that were chosen so far; none where the pipeline has no sweep.
    pub fn trials(&self) -> &[Trial] {
        match &self.sweep {
            Some(trials) if trials.is_sweep() => &trials.trials,
            _ => &[],
        }
    }

    /// Whether there are trials, not seeds alone.
    pub fn is_sweep(&self) -> bool {
        self.sweep.as_ref().is_some_and(Trials::is_sweep)
    }

    /// What trials are judged by.
    pub fn objective(&self) -> Option<&Objective> {
        self.sweep.as_ref()?.sweep.objective.as_ref()
    }

    /// What the sweep comprises, whatever is known of it so far.
    pub fn extent(&self) -> Extent {
        let Some(Trials { sweep, .. }) = &self.sweep else {
            return Extent {
                method: Method::Grid.name(),
                trials: 0,
                seeds: 1,
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
            axes: axes
                .map(|axis| (axis.name.clone(), axis.in_words()))
                .collect(),
            rungs: rungs
                .flat_map(|rungs| rungs.halving.rungs())
                .copied()
                .collect(),
        }
    }

    /// What is varied.
    pub fn axes(&self) -> Vec<record::Axis> {
        let axes = self.sweep.iter().flat_map(|trials| &trials.sweep.axes);
        axes.map(|axis| record::Axis {
            name: axis.name.clone(),
            label: axis.label.clone(),
            kind: axis.kind(),
        })
        .collect()
    }

    /// What trainings are compared by, and after how many epochs; nothing where none is stopped.
    pub fn rungs(&self) -> Option<(&MetricAt, &[u64])> {
        let rungs = self.sweep.as_ref()?.sweep.rungs.as_ref()?;
        Some((&rungs.metric, rungs.halving.rungs()))
    }

    /// The seeds of each trial.
    pub fn seeds(&self) -> Vec<u64> {
        let seeds = self.sweep.iter().flat_map(|trials| &trials.sweep.seeds);
        seeds.filter_map(|seed| seed.label.parse().ok()).collect()
    }

    /// Whether something was not run, so that what would follow is not known.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// What all rounds so far are to run; nothing for everything.
    pub fn reach(&self) -> Option<&[NodeIndex]> {
        self.reach.as_deref()
    }

    /// Whether what there is to do is not all known at once.
    pub fn comes_in_rounds(&self) -> bool {
        self.sweep
            .as_ref()
            .is_some_and(|trials| trials.race.is_some() || !trials.sweep.design.is_known())
    }

    /// What there is to do next; nothing once that is all.
    ///
    /// # Errors
    /// If a trial that was known beforehand makes no sound pipeline.
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

    /// Takes in what came of a round; what there is to say of its trials.
    pub fn tell(&mut self, round: &Round, results: &impl Results) -> Vec<Event> {
        let graph = self.union.graph();
        let Some(trials) = &mut self.sweep else {
            return Vec::new();
        };
        let mut events = Vec::new();
        let mut failed = 0;
        for entry in &round.entries {
            match trials.judge(graph, entry, results) {
                Some(judgement) => {
                    failed += usize::from(matches!(judgement, Judgement::Failed { .. }));
                    let trial = &trials.trials[entry.trial];
                    events.push(Event::TrialJudged {
                        trial: trial.number,
                        values: trial.values_in_words(),
                        judgement,
                    });
                }
                // Nothing follows from what is not known.
                None => (self.is_over, self.is_open) = (true, true),
            }
        }
        // Where nothing works from the start, more of it is a waste.
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

    /// The copies of the pipeline whose results are told as those of one: all seeds; of a sweep those of its
    /// best trial, of which there may be none yet.
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

    /// All decisions on who goes on, and what they followed from: trials counted from 1, the rung's metric as
    /// it was measured. None where no training is halved.
    pub fn decisions(&self) -> Vec<halving::Entry> {
        let trials = self.sweep.as_ref();
        let race = trials.and_then(|trials| trials.race.as_ref());
        let rungs = trials.and_then(|trials| trials.sweep.rungs.as_ref());
        let direction = rungs.and_then(|rungs| rungs.direction);
        let record = race.map(Race::record).unwrap_or_default().iter();
        // What the race was told is turned back.
        let told = |entry: &halving::Entry| {
            entry.numbered_from_one(|value| larger_is_better(value, direction))
        };
        record.map(told).collect()
    }
}
