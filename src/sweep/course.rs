//! The way of a sweep: rounds of trials, each chosen by what came of those before.

use std::path::{Path, PathBuf};

use petgraph::graph::NodeIndex;
use rayon::prelude::*;
use stages::contract::Direction;

use super::axes::SEED;
use super::halving::{self, Decision, Race};
use super::metric::MetricAt;
use super::read::{Build, Reading, Sweep, read, refuse};
use super::results::{Missing, Results};
use super::rungs::Rungs;
use super::sampler::{Proposal, Sampler, Told};
use super::space::Point;
use super::trial::{AxisInfo, Extent, Objective, Trial, TrialState, TrialValue};
use crate::graph::{Catalogue, Graph, Union};
use crate::report::{BestTrial, Event, Judgement};
use crate::spec::{Assignment, Diagnostic, Document, LoadOptions, Method};

/// Copies whose graphs are built before they are taken up: what is equal to what is there already takes
/// memory only so long.
const AT_ONCE: usize = 256;

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
}

/// The trials of a sweep, or the seeds of a pipeline.
struct Trials {
    sweep: Box<Sweep>,
    sampler: Box<dyn Sampler>,
    race: Option<Race>,
    points: Vec<Point>,
    trials: Vec<Trial>,
}

/// As much of a sweep as is known without further results.
pub struct Round {
    /// From 1.
    pub number: usize,
    /// What is to run, with all that it needs; nothing for everything.
    pub until: Option<Vec<NodeIndex>>,
    /// What no earlier round had.
    pub new: Vec<NodeIndex>,
    entries: Vec<Entry>,
}

/// A trial's part in a round.
struct Entry {
    /// Its position.
    trial: usize,
    /// Where its training ends for now, if that is not where it ends for good.
    rung: Option<u64>,
    copies: Vec<usize>,
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
            Some(_) => Union::default(),
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
        })
    }

    /// All that is known so far.
    ///
    /// # Panics
    /// Before the first round.
    pub fn graph(&self) -> &Graph {
        self.union.graph().expect("there was a round")
    }

    /// All that is known so far, and what of it is to run.
    ///
    /// # Panics
    /// Before the first round.
    pub fn into_graph(self) -> Graph {
        let mut graph = self.union.finish().expect("there was a round");
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
    pub fn axes(&self) -> Vec<AxisInfo> {
        let axes = self.sweep.iter().flat_map(|trials| &trials.sweep.axes);
        axes.map(|axis| AxisInfo {
            name: axis.name.clone(),
            label: axis.label.clone(),
            scale: axis.scale(),
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

    /// What all rounds so far are to run; nothing for everything.
    pub fn reach(&self) -> Option<&[NodeIndex]> {
        self.reach.as_deref()
    }

    /// Whether results decide what there is to do.
    pub fn is_adaptive(&self) -> bool {
        self.sweep.as_ref().is_some_and(|trials| {
            trials.race.is_some() || trials.sweep.design.parallel < trials.sweep.design.trials
        })
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
        let known = self
            .union
            .graph()
            .map_or(0, |graph| graph.stages.node_count());
        let Some(trials) = &mut self.sweep else {
            self.is_over = true;
            let (until, entries) = (None, Vec::new());
            return Ok(Some(Round {
                number,
                until,
                new: Vec::new(),
                entries,
            }));
        };
        let entries = trials.next_entries(&mut self.union)?;
        if entries.is_empty() {
            self.is_over = true;
            return Ok(None);
        }
        let until = self
            .union
            .graph()
            .map(|graph| trials.until(graph, &entries));
        let reach = self.reach.get_or_insert_default();
        reach.extend(until.iter().flatten());
        reach.sort();
        reach.dedup();
        let nodes = self.union.graph().into_iter();
        let nodes = nodes.flat_map(|graph| graph.stages.node_indices());
        Ok(Some(Round {
            number,
            until,
            new: nodes.skip(known).collect(),
            entries,
        }))
    }

    /// Takes in what came of a round; what there is to say of its trials.
    pub fn tell(&mut self, round: &Round, results: &impl Results) -> Vec<Event> {
        let (Some(trials), Some(graph)) = (&mut self.sweep, self.union.graph()) else {
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
                None => self.is_over = true,
            }
        }
        // Where nothing works from the start, more of it is a waste.
        self.is_over |= round.number == 1 && failed == round.entries.len() && failed > 1;
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

    /// The trial whose objective is the best; nothing before one is finished.
    pub fn best(&self) -> Option<&Trial> {
        self.sweep
            .as_ref()
            .filter(|trials| trials.is_sweep())?
            .best()
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
                let copies = self.union.graph().map_or(0, |graph| graph.copies.len());
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

impl Trials {
    fn new(sweep: Box<Sweep>) -> Self {
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

    /// The finished trial with the best objective; the earlier of equals.
    fn best(&self) -> Option<&Trial> {
        let direction = self.sweep.objective.as_ref()?.direction;
        let value = |trial: &Trial| Some(larger_is_better(trial.mean()?, direction));
        let finished = self
            .trials
            .iter()
            .filter_map(|trial| Some((value(trial)?, trial)));
        let best = finished.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map(|(_, trial)| trial)
    }

    /// Whether there are axes, not seeds alone.
    fn is_sweep(&self) -> bool {
        !self.sweep.axes.is_empty()
    }

    /// Chooses trials, and takes their copies up.
    fn next_entries(&mut self, union: &mut Union) -> Result<Vec<Entry>, Vec<Diagnostic>> {
        let parallel = self.sweep.design.parallel;
        let mut chosen: Vec<(usize, Option<u64>)> = Vec::new();
        let Some((race, rungs)) = self.race.as_mut().zip(self.sweep.rungs.as_ref()) else {
            let left = self.sweep.design.trials - self.trials.len();
            for proposal in self.sampler.ask(parallel.min(left)) {
                chosen.push((self.start(proposal), None));
            }
            return self.take_up(&chosen, union);
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
                // There are no more points: it never starts.
                None => {
                    if let Some(race) = &mut self.race {
                        race.arrive(trial, None);
                    }
                }
            }
        }
        self.take_up(&chosen, union)
    }

    /// Takes up a trial; its position.
    fn start(&mut self, proposal: Proposal) -> usize {
        let Proposal { trial, point } = proposal;
        self.trials.push(self.sweep.trial(trial, &point));
        self.points.push(point);
        trial
    }

    /// Builds the copies of some trials, and adds them to the others.
    fn take_up(
        &mut self,
        chosen: &[(usize, Option<u64>)],
        union: &mut Union,
    ) -> Result<Vec<Entry>, Vec<Diagnostic>> {
        let seeds = self.sweep.seeds.len();
        let mut entries = Vec::new();
        let mut errors = Vec::new();
        for some in chosen.chunks(AT_ONCE.div_ceil(seeds)) {
            let copies = some
                .iter()
                .flat_map(|&(trial, rung)| (0..seeds).map(move |seed| (trial, rung, seed)));
            let copies: Vec<_> = copies.collect();
            let built: Vec<Result<Build, Vec<Diagnostic>>> = copies
                .par_iter()
                .map(|&(trial, rung, seed)| self.sweep.copy(&self.points[trial], seed, rung))
                .collect();
            for (copy, built) in copies.iter().zip(built) {
                let &(trial, rung, seed) = copy;
                if seed == 0 {
                    entries.push(Entry {
                        trial,
                        rung,
                        copies: Vec::new(),
                    });
                }
                match built {
                    Ok(build) => {
                        let labels = self.labels(trial, rung, seed);
                        let names = &mut self.sweep.names;
                        let place = union.add(build.graph, &build.identities, labels, names);
                        if let Some(entry) = entries.last_mut() {
                            entry.copies.push(place);
                        }
                    }
                    Err(found) => {
                        let trial = &self.trials[trial];
                        let note =
                            format!("in trial {}: {}", trial.number, trial.values_in_words());
                        errors.extend(found.into_iter().map(|error| error.note(note.clone())));
                    }
                }
            }
            if !errors.is_empty() {
                break;
            }
        }
        refuse(errors)?;
        for entry in &entries {
            let trial = &mut self.trials[entry.trial];
            trial.copies.clone_from(&entry.copies);
            trial.all_copies.extend(&entry.copies);
        }
        Ok(entries)
    }

    /// What tells a copy from the others.
    fn labels(&self, trial: usize, rung: Option<u64>, seed: usize) -> Vec<(String, String)> {
        let values = self.trials[trial].values.iter();
        let mut labels: Vec<(String, String)> = values
            .map(|value| (value.label.clone(), value.text.clone()))
            .collect();
        if let Some(rungs) = &self.sweep.rungs {
            labels.push(Rungs::label(rung.unwrap_or(rungs.last())));
        }
        if self.sweep.seeds.len() > 1 {
            labels.push((SEED.to_owned(), self.sweep.seeds[seed].label.clone()));
        }
        labels
    }

    /// What is to run in a round: of trials that are not at their last rung the training alone.
    fn until(&self, graph: &Graph, entries: &[Entry]) -> Vec<NodeIndex> {
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

    /// Takes in what came of a trial in a round; nothing if that is not known.
    fn judge(&mut self, graph: &Graph, entry: &Entry, results: &impl Results) -> Option<Judgement> {
        let measured = self.measure(graph, entry, results);
        let trial = &mut self.trials[entry.trial];
        match measured {
            Ok(Measured::Finished {
                objective,
                told,
                rung,
            }) => {
                trial.state = TrialState::Finished;
                trial.objective = objective;
                trial.epochs = self.sweep.rungs.as_ref().map(Rungs::last);
                if let Some(value) = told {
                    self.sampler.tell(entry.trial, Told::Value(value));
                }
                if let Some((race, (epochs, value))) = self.race.as_mut().zip(rung) {
                    trial.rungs.push((epochs, value));
                    let direction = self.sweep.rungs.as_ref().and_then(|rungs| rungs.direction);
                    race.arrive(entry.trial, Some(larger_is_better(value, direction)));
                }
                let objective = trial.mean();
                Some(Judgement::Finished { objective })
            }
            Ok(Measured::Reached {
                epochs,
                value,
                told,
            }) => {
                // Until it is chosen to go on.
                trial.state = TrialState::Stopped;
                trial.rungs.push((epochs, value));
                trial.epochs = Some(epochs);
                if let Some(race) = &mut self.race {
                    race.arrive(entry.trial, Some(told));
                }
                let told = Told::Pruned {
                    value: told,
                    epochs,
                };
                self.sampler.tell(entry.trial, told);
                Some(Judgement::Reached { epochs, value })
            }
            Err(Missing::Failed(error)) => {
                trial.state = TrialState::Failed(error.clone());
                self.sampler.tell(entry.trial, Told::Failed);
                if let Some(race) = &mut self.race {
                    race.arrive(entry.trial, None);
                }
                Some(Judgement::Failed { error })
            }
            Err(Missing::NotRun) => {
                trial.state = TrialState::Open;
                None
            }
        }
    }

    fn measure(
        &mut self,
        graph: &Graph,
        entry: &Entry,
        results: &impl Results,
    ) -> Result<Measured, Missing> {
        let copies: Vec<&[NodeIndex]> = entry
            .copies
            .iter()
            .map(|&copy| graph.copies[copy].nodes.as_slice())
            .collect();
        let values = |at: &MetricAt, direction: &mut Option<Direction>| {
            let mut values = Vec::new();
            for copy in &copies {
                let node = at.node(graph, copy);
                let node = node.ok_or_else(|| Missing::Failed(format!("there is no `{at}`")))?;
                let metric = results.metric(graph, node, at)?;
                if !metric.value.is_finite() {
                    return Err(Missing::Failed(format!("`{at}` is {}", metric.value)));
                }
                direction.get_or_insert(metric.direction);
                values.push(metric.value);
            }
            Ok(values)
        };
        let mut rung = None;
        if let Some(rungs) = &mut self.sweep.rungs {
            let value = mean(&values(&rungs.metric, &mut rungs.direction)?);
            if let Some(epochs) = entry.rung {
                return Ok(Measured::Reached {
                    epochs,
                    value,
                    told: larger_is_better(value, rungs.direction),
                });
            }
            rung = Some((rungs.last(), value));
        }
        let Some(objective) = &mut self.sweep.objective else {
            for copy in &copies {
                results.all(graph, copy)?;
            }
            return Ok(Measured::Finished {
                objective: Vec::new(),
                told: None,
                rung,
            });
        };
        let values = values(&objective.metric, &mut objective.direction)?;
        let told = larger_is_better(mean(&values), objective.direction);
        Ok(Measured::Finished {
            objective: values,
            told: Some(told),
            rung,
        })
    }
}

/// What came of a trial in a round. Samplers are told of larger values for better ones.
enum Measured {
    Finished {
        objective: Vec<f64>,
        told: Option<f64>,
        /// Where trainings are halved, the last rung and its metric.
        rung: Option<(u64, f64)>,
    },
    Reached {
        epochs: u64,
        value: f64,
        told: f64,
    },
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn larger_is_better(value: f64, direction: Option<Direction>) -> f64 {
    match direction {
        Some(Direction::Minimize) => -value,
        _ => value,
    }
}

impl Sweep {
    /// A trial, of which nothing is known yet.
    fn trial(&self, index: usize, point: &Point) -> Trial {
        let coordinates = self.design.coordinates(point, &self.axes);
        let values = self.axes.iter().zip(coordinates);
        let values = values.filter_map(|(axis, at)| {
            let (text, node) = axis.value(&at?);
            Some(TrialValue {
                name: axis.name.clone(),
                label: axis.label.clone(),
                text,
                value: node.to_json(),
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

    /// One copy of the pipeline.
    fn copy(
        &self,
        point: &Point,
        seed: usize,
        rung: Option<u64>,
    ) -> Result<Build, Vec<Diagnostic>> {
        let mut assignments: Vec<Assignment> = self.assignments(point);
        assignments.extend(self.seeds[seed].assignments.iter().cloned());
        if let Some(rungs) = &self.rungs {
            assignments.push(rungs.assign(rung.unwrap_or(rungs.last())));
        }
        self.build(assignments)
    }
}
