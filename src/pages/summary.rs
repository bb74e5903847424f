//! [`Summary`]: how a run went, and the facts about it.

use std::collections::BTreeSet;

use engine::event::{RunReport, RunState};
use engine::graph::SEED_AXIS;
use engine::run::recorded::Recorded;
use engine::wording;

use crate::metric::number;
use crate::stage::{StageView, when};

/// Summary of a run.
#[derive(Clone, Debug)]
pub struct Summary {
    pub run: String,
    pub pipeline: String,
    pub state: RunState,
    /// `30 stages: 30 ran; 45.8 s`
    pub sentence: String,
    /// `18 of 30 stages done`, while the run goes on.
    pub progress: Option<String>,
    pub facts: Vec<(&'static str, String)>,
}

impl Summary {
    pub(crate) fn new(run: &Recorded, stages: &[StageView]) -> Self {
        let report = &run.report;
        let is_running = report.state == RunState::Running;
        let done = run.stages.iter().filter(|stage| stage.end.is_some());
        let progress = is_running.then(|| {
            format!(
                "{} of {} done",
                done.count(),
                wording::stages(run.stages.len())
            )
        });
        Self {
            run: report.run.clone(),
            pipeline: report.pipeline.clone(),
            state: report.state,
            sentence: wording::summary(&report.counts, report.seconds),
            progress,
            facts: facts(report, stages),
        }
    }

    /// CSS class of the state.
    pub fn class(&self) -> &'static str {
        match self.state {
            RunState::Running => "running",
            RunState::Succeeded => "succeeded",
            RunState::Failed => "failed",
            RunState::Cancelled => "cancelled",
            RunState::Killed => "killed",
        }
    }

    /// A sign beside the word, so that states differ without color.
    pub fn sign(&self) -> &'static str {
        match self.state {
            RunState::Running => "▶",
            RunState::Succeeded => "✓",
            RunState::Failed => "✗",
            RunState::Cancelled | RunState::Killed => "■",
        }
    }
}

fn facts(report: &RunReport, stages: &[StageView]) -> Vec<(&'static str, String)> {
    let counts = report.counts;
    let time = wording::duration(report.seconds);
    let took = match report.state {
        RunState::Running => format!("{time} so far"),
        RunState::Killed => format!("last seen after {time}"),
        _ => time,
    };
    let cpu: f64 = stages.iter().filter_map(|stage| stage.cpu_seconds).sum();
    let memory = stages.iter().filter_map(|stage| stage.peak_memory_mib);
    let memory = memory.fold(0.0, f64::max);
    let mut facts = vec![
        ("Run", report.run.clone()),
        ("Pipeline", format!("{} ({})", report.pipeline, report.file)),
        ("Started", when(&report.started)),
        ("Time", took),
    ];
    if cpu > 0.0 {
        facts.push(("CPU time", wording::duration(cpu)));
        facts.push((
            "Peak memory",
            format!("{} MiB in one stage", number(memory.round())),
        ));
    }
    let total = counts.total();
    if let Some(percent) = (100 * counts.cached).checked_div(total) {
        let hits = format!(
            "{} of {} ({percent} %)",
            counts.cached,
            wording::stages(total)
        );
        facts.push(("Cache hits", hits));
    }
    let seeds = seeds(stages);
    if let Some((first, rest)) = seeds.split_first() {
        let text = match rest {
            [] => first.clone(),
            rest if rest.len() < 12 => seeds.join(", "),
            rest => format!("{first} and {} others", rest.len()),
        };
        facts.push((if rest.is_empty() { "Seed" } else { "Seeds" }, text));
    }
    if let Some(device) = &report.device {
        facts.push(("Device", device.clone()));
    }
    if let Some(machine) = &report.machine {
        facts.push(("Machine", machine.clone()));
    }
    facts.push(("runner", report.runner.clone()));
    if let Some(commit) = &report.commit {
        facts.push(("Commit", commit.clone()));
    }
    facts
}

/// The seeds of stages, sorted. A stage's key has the seed 0 also where nothing is random, so that one is known only
/// from the names of the copies of a pipeline with several seeds.
fn seeds(stages: &[StageView]) -> Vec<String> {
    let facts = stages.iter().flat_map(|stage| &stage.facts);
    let facts = facts.filter(|(name, _)| *name == "seed");
    let axes = stages.iter().flat_map(|stage| &stage.axes);
    let axes = axes.filter(|(name, _)| name == SEED_AXIS);
    let texts = facts
        .map(|(_, seed)| seed)
        .chain(axes.map(|(_, seed)| seed));
    // A matrix may have an axis with this name and other values.
    let seeds: BTreeSet<u64> = texts.filter_map(|seed| seed.parse().ok()).collect();
    seeds.iter().map(u64::to_string).collect()
}
