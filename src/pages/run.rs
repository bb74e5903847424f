//! [`RunView`]: everything that a page shows about a run.

use std::collections::{HashMap, HashSet};

use engine::run::recorded::Recorded;
use engine::wording;

use crate::data::{DataView, GalleryView, GeneratedView, datasets, galleries, generated};
use crate::evaluation::{EvaluationView, evaluation};
use crate::events::Events;
use crate::extras::Extras;
use crate::metric::MetricView;
use crate::picture::Datasets;
use crate::reader::Reader;
use crate::stage::{SourceView, StageState, StageView, stages};
use crate::summary::Summary;
use crate::sweep::{SweepView, sweep};
use crate::training::{TrainingView, training};

/// A run, as pages show it. Stages are referred to by their positions in `stages`.
pub struct RunView {
    pub summary: Summary,
    pub extras: Extras,
    pub stages: Vec<StageView>,
    /// Progress of running stages, in words.
    pub progress: HashMap<usize, String>,
    pub evaluations: Vec<EvaluationView>,
    /// Trainings of models that no evaluation shows.
    pub trainings: Vec<TrainingView>,
    /// Trainings of the models of evaluations, by the position of their stage.
    pub trained: HashMap<usize, TrainingView>,
    /// Metrics of other stages: programs.
    pub programs: Vec<usize>,
    pub data: Vec<DataView>,
    pub generated: Vec<GeneratedView>,
    pub galleries: Vec<GalleryView>,
    pub sweep: Option<SweepView>,
    /// Warnings about results, each with the stages that have it.
    pub warnings: Vec<WarningView>,
    pub sources: Vec<SourceView>,
    positions: HashMap<String, usize>,
    /// The evaluations by the positions of the stages that made them.
    evaluated: HashMap<usize, usize>,
    /// For each stage, the positions of the stages that use its outputs.
    consumers: Vec<Vec<usize>>,
}

/// A warning and the stages that have it.
#[derive(Clone, Debug)]
pub struct WarningView {
    pub text: String,
    /// Positions of the stages.
    pub stages: Vec<usize>,
}

impl RunView {
    /// Reads the view of a run. `opened` keeps the datasets that were opened for it.
    pub fn read(reader: Reader<'_>, opened: &Datasets<'_>, run: &Recorded, extras: Extras) -> Self {
        let events = Events::read(&run.folder);
        let stages = stages(reader, run, &events.starts);
        let positions: HashMap<String, usize> = stages
            .iter()
            .enumerate()
            .map(|(at, stage)| (stage.name.clone(), at))
            .collect();
        let evaluations: Vec<EvaluationView> = (0..stages.len())
            .filter_map(|at| evaluation(reader, opened, &stages, at))
            .collect();
        let evaluated: HashMap<usize, usize> = evaluations
            .iter()
            .map(|found| found.stage)
            .zip(0..)
            .collect();
        let (trained, trainings) = trainings(reader, &stages, &evaluations);
        let programs = stages.iter().enumerate();
        let programs = programs.filter(|(at, stage)| {
            let is_shown = evaluated.contains_key(at) || stage.kind != "command";
            !is_shown && !stage.metrics.is_empty()
        });
        let progress = events.progress.iter().filter_map(|(name, progress)| {
            let at = *positions.get(name)?;
            let is_running = stages[at].state == StageState::Running;
            is_running.then(|| (at, wording::progress(progress)))
        });
        Self {
            summary: Summary::new(run, &stages),
            progress: progress.collect(),
            programs: programs.map(|(at, _)| at).collect(),
            data: datasets(reader, opened, &stages),
            generated: generated(reader, opened, &stages),
            galleries: galleries(reader, &stages),
            sweep: sweep(reader, &run.folder),
            warnings: warnings(&stages),
            sources: sources(&stages),
            consumers: consumers(&stages),
            evaluated,
            extras,
            evaluations,
            trainings,
            trained,
            stages,
            positions,
        }
    }

    /// The stage with this name.
    pub fn find(&self, name: &str) -> Option<&StageView> {
        Some(&self.stages[*self.positions.get(name)?])
    }

    /// The stages that failed or were killed.
    pub fn failures(&self) -> Vec<&StageView> {
        let failed =
            |stage: &&StageView| matches!(stage.state, StageState::Failed | StageState::Killed);
        self.stages.iter().filter(failed).collect()
    }

    /// Number of stages whose results are shown although another run made them.
    pub fn of_other_runs(&self) -> usize {
        let stages = self.stages.iter();
        stages.filter(|stage| stage.is_of_other_run).count()
    }

    /// Number of stages whose results were removed from the store.
    pub fn removed(&self) -> usize {
        let stages = self.stages.iter();
        stages.filter(|stage| stage.is_removed).count()
    }

    /// Comparison of the best evaluation by a metric with the others; empty if they were not compared.
    pub fn certainty(&self, stage: &StageView, metric: &MetricView) -> &str {
        let mut found = self.extras.certainties.iter();
        let found = found.find(|one| one.stage == stage.name && one.metric == metric.name);
        found.map_or("", |one| &one.text)
    }

    /// The positions of the stages that use an output of a stage.
    pub fn consumers(&self, stage: &StageView) -> &[usize] {
        let at = self.positions.get(&stage.name);
        at.map_or(&[], |&at| &self.consumers[at])
    }

    /// The evaluation that a stage made; `None` if it made none.
    pub fn evaluation(&self, stage: &StageView) -> Option<&EvaluationView> {
        let at = self.positions.get(&stage.name)?;
        Some(&self.evaluations[*self.evaluated.get(at)?])
    }

    /// `true` if a stage made an evaluation.
    pub fn is_evaluation(&self, stage: &StageView) -> bool {
        self.evaluation(stage).is_some()
    }
}

/// The trainings of evaluated models by position, and the others in order.
fn trainings(
    reader: Reader<'_>,
    stages: &[StageView],
    evaluations: &[EvaluationView],
) -> (HashMap<usize, TrainingView>, Vec<TrainingView>) {
    let models: HashSet<usize> = evaluations.iter().filter_map(|one| one.model).collect();
    let (mut trained, mut others) = (HashMap::new(), Vec::new());
    for (at, stage) in stages.iter().enumerate() {
        let Some(training) = training(reader, at, stage) else {
            continue;
        };
        if models.contains(&at) {
            trained.insert(at, training);
        } else {
            others.push(training);
        }
    }
    (trained, others)
}

/// For each stage, the positions of the stages that use its outputs.
fn consumers(stages: &[StageView]) -> Vec<Vec<usize>> {
    let mut consumers = vec![Vec::new(); stages.len()];
    for (at, stage) in stages.iter().enumerate() {
        for maker in stage.inputs.iter().filter_map(|input| input.maker) {
            if consumers[maker].last() != Some(&at) {
                consumers[maker].push(at);
            }
        }
    }
    consumers
}

/// All warnings. Instances of a stage share one if their texts differ only in numbers.
fn warnings(stages: &[StageView]) -> Vec<WarningView> {
    let mut found: Vec<WarningView> = Vec::new();
    let mut known: HashMap<(&str, String), usize> = HashMap::new();
    for (at, stage) in stages.iter().enumerate() {
        for text in &stage.warnings {
            let plain: String = text.chars().filter(|char| !char.is_ascii_digit()).collect();
            let place = *known.entry((&stage.stage, plain)).or_insert(found.len());
            if place == found.len() {
                found.push(WarningView {
                    text: text.clone(),
                    stages: Vec::new(),
                });
            }
            found[place].stages.push(at);
        }
    }
    found
}

/// The distinct sources and programs of all stages.
fn sources(stages: &[StageView]) -> Vec<SourceView> {
    let mut all: Vec<SourceView> = stages
        .iter()
        .flat_map(|stage| stage.sources.iter().cloned())
        .collect();
    all.sort();
    all.dedup();
    all
}
