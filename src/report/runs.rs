//! Runs that were, and runs that go on, for who looks at them.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;

use super::history::{PlannedStage, read_plan};
use super::record::{EVENTS_FILE, RUN_FILE};
use super::{RunReport, RunState, StageReport};
use crate::scheduler::Counts;
use crate::store::Store;

/// A run, as its folder tells.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub folder: PathBuf,
    /// The state is as it is now, times and counts too.
    pub report: RunReport,
    /// In the order of the plan.
    pub stages: Vec<RecordedStage>,
}

/// A stage of a run.
#[derive(Clone, Debug)]
pub struct RecordedStage {
    pub planned: PlannedStage,
    /// How it ended, if it has.
    pub end: Option<StageReport>,
    /// Whether a worker began with it.
    pub started: bool,
}

impl RecordedStage {
    /// `cached`, `failed`, or what became of it in a run of this state that did not end.
    pub fn word(&self, run: RunState) -> String {
        match (&self.end, self.started) {
            (Some(end), _) => end.outcome.to_string(),
            (None, true) if run == RunState::Running => "running".to_owned(),
            (None, true) => "killed".to_owned(),
            (None, false) => "not started".to_owned(),
        }
    }
}

/// The names of all runs of a store, newest second first.
pub fn ids(store: &Store) -> io::Result<Vec<String>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(store.runs_folder())? {
        if let Ok(name) = entry?.file_name().into_string() {
            ids.push(name);
        }
    }
    ids.sort_by(|a, b| b.cmp(a));
    Ok(ids)
}

/// The newest runs, `limit` of them at most, of `pipeline` if one is named; and how many folders of
/// runs were not looked at.
pub fn newest(
    store: &Store,
    pipeline: Option<&str>,
    limit: usize,
) -> io::Result<(Vec<Recorded>, usize)> {
    let ids = ids(store)?;
    let mut runs: Vec<Recorded> = Vec::new();
    let mut looked_at = 0;
    for id in &ids {
        // An id tells the second only: of the last second all are needed to say which are newest.
        let same_second = |run: &Recorded| second(&run.report.run) == second(id);
        if runs.len() >= limit && !runs.last().is_some_and(same_second) {
            break;
        }
        looked_at += 1;
        let run = read(store, id);
        runs.extend(run.filter(|run| pipeline.is_none_or(|name| run.report.pipeline == name)));
    }
    runs.sort_by(|a, b| order(b).cmp(&order(a)));
    let left = ids.len() - looked_at + runs.len().saturating_sub(limit);
    runs.truncate(limit);
    Ok((runs, left))
}

/// `20261123-081500` of an id.
fn second(id: &str) -> &str {
    id.rsplit_once('-').map_or(id, |(second, _)| second)
}

fn order(run: &Recorded) -> (Option<Timestamp>, &str) {
    (run.report.started.parse().ok(), &run.report.run)
}

/// The run `id`; nothing if it left nothing that can be read, as one that has just begun.
pub fn read(store: &Store, id: &str) -> Option<Recorded> {
    let folder = store.runs_folder().join(id);
    let mut report = record(&folder)?;
    let mut alive = false;
    if report.state == RunState::Running {
        alive = store.living_runs().contains(id);
        // It may have ended since its record was read.
        report = record(&folder)?;
    }
    let planned = read_plan(&folder).unwrap_or_default();
    if report.state != RunState::Running {
        let stages = ended(planned, &report.stages);
        return Some(Recorded {
            folder,
            report,
            stages,
        });
    }
    let events = Events::read(&folder);
    let stages: Vec<RecordedStage> = planned
        .into_iter()
        .map(|planned| RecordedStage {
            end: events.ends.get(&planned.name).cloned(),
            started: events.starts.contains(&planned.name),
            planned,
        })
        .collect();
    let began: Option<Timestamp> = report.started.parse().ok();
    let now = if alive {
        Some(Timestamp::now())
    } else {
        events.last
    };
    report.state = if alive {
        RunState::Running
    } else {
        RunState::Killed
    };
    report.seconds = began
        .zip(now)
        .map_or(0.0, |(began, now)| {
            (now - began).total(jiff::Unit::Second).unwrap_or_default()
        })
        .max(0.0);
    report.stages = stages
        .iter()
        .filter_map(|stage| stage.end.clone())
        .collect();
    report.counts = report
        .stages
        .iter()
        .map(|stage| stage.outcome)
        .collect::<Counts>();
    Some(Recorded {
        folder,
        report,
        stages,
    })
}

fn record(folder: &Path) -> Option<RunReport> {
    let bytes = fs::read(folder.join(RUN_FILE)).ok()?;
    serde_json::from_slice(&bytes)
        .inspect_err(|error| tracing::debug!(folder = %folder.display(), %error, "no run"))
        .ok()
}

/// The stages of a run that has ended. Its report has them all; a plan that cannot be read takes only
/// the names of their stages away.
fn ended(planned: Vec<PlannedStage>, reports: &[StageReport]) -> Vec<RecordedStage> {
    let mut by_name: HashMap<String, PlannedStage> = planned
        .into_iter()
        .map(|stage| (stage.name.clone(), stage))
        .collect();
    let stages = reports.iter().filter_map(|report| {
        let planned = by_name.remove(&report.name).or_else(|| {
            Some(PlannedStage {
                name: report.name.clone(),
                stage: report.name.split('[').next()?.to_owned(),
                key: report.key.parse().ok()?,
            })
        })?;
        Some(RecordedStage {
            planned,
            started: report.seconds.is_some(),
            end: Some(report.clone()),
        })
    });
    stages.collect()
}

/// What the events of a run tell that has not ended, or not written that it has.
#[derive(Default)]
struct Events {
    starts: HashSet<String>,
    ends: HashMap<String, StageReport>,
    last: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Line {
    time: Timestamp,
    #[serde(flatten)]
    event: Said,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Said {
    StageStarted {
        stage: String,
    },
    StageEnded {
        stage: StageReport,
    },
    #[serde(other)]
    Else,
}

impl Events {
    /// A line that a kill tore is left out.
    fn read(folder: &Path) -> Self {
        let mut events = Self::default();
        let text = fs::read(folder.join(EVENTS_FILE)).unwrap_or_default();
        for line in String::from_utf8_lossy(&text).lines() {
            let Ok(line) = serde_json::from_str::<Line>(line) else {
                continue;
            };
            events.last = Some(line.time);
            match line.event {
                Said::StageStarted { stage } => drop(events.starts.insert(stage)),
                Said::StageEnded { stage } => drop(events.ends.insert(stage.name.clone(), stage)),
                Said::Else => {}
            }
        }
        events
    }
}
