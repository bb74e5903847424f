//! Past runs and runs in progress, for display.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::files::{Fault, RUN_FILE, RunFile, has_events, read_plan, read_run};
use super::follow::{FollowError, ProgressDetail, RecordedEvent, replay_events, seconds_between};
use super::history::{BadRun, History, folders};
use super::planned_stage::PlannedStage;
use super::progress::RunProgress;
use crate::event::{Event, RunReport, RunState, StageReport};
use crate::scheduler::Counts;
use store::{Living, Store};

/// A run, as recorded in its folder.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub folder: PathBuf,
    /// The report. State, times and counts are as of now.
    pub report: RunReport,
    /// In the order of the plan.
    pub stages: Vec<RecordedStage>,
    /// Progress, while it is running.
    pub progress: Option<ProgressNow>,
}

/// The progress of a run that goes on.
#[derive(Clone, Debug)]
pub struct ProgressNow {
    pub progress: RunProgress,
    /// The present time in the time of `progress`: seconds since the run's first event.
    pub now: f64,
}

/// A stage of a run.
#[derive(Clone, Debug)]
pub struct RecordedStage {
    pub planned: PlannedStage,
    /// Its end, if it has ended.
    pub end: Option<StageReport>,
    /// `true` if its execution has started.
    pub started: bool,
    /// Reason for its execution, in a few words; `None` if it was not, or if an earlier version recorded the run.
    pub reason: Option<String>,
    /// The runs that it waits for, because one of them makes the same result; empty if they are not known. `None` if it
    /// waits for no run.
    pub waits_for: Option<Vec<String>>,
}

impl RecordedStage {
    /// The outcome, such as `cached` or `failed`. For a stage that has not ended: `running`, `waiting`, `killed` or
    /// `not started`, depending on the state `run` of its run.
    pub fn status(&self, run: RunState) -> String {
        match (&self.end, self.started) {
            (Some(end), _) => end.outcome.to_string(),
            (None, true) if run == RunState::Running => "running".to_owned(),
            (None, true) => "killed".to_owned(),
            (None, false) if self.waits_for.is_some() && run == RunState::Running => {
                "waiting".to_owned()
            }
            (None, false) => "not started".to_owned(),
        }
    }
}

impl Recorded {
    /// Finds the reasons of executed stages in the run's events, if its report lacks them, because an earlier version
    /// recorded it.
    pub fn recall_reasons(&mut self) {
        recall_reasons(&mut self.stages, &self.folder);
    }
}

fn recall_reasons(stages: &mut [RecordedStage], folder: &Path) {
    let lacks_reason = |stage: &RecordedStage| stage.started && stage.reason.is_none();
    if !stages.iter().any(lacks_reason) {
        return;
    }
    let mut events = Events::read(folder);
    for stage in stages {
        if lacks_reason(stage) {
            stage.reason = events.reasons.remove(&stage.planned.name);
        }
    }
}

/// The ids of all runs of a store, in descending order.
pub fn ids(store: &Store) -> io::Result<Vec<String>> {
    let mut ids = Vec::new();
    for folder in folders(&store.runs_folder())? {
        let name = folder.file_name().unwrap_or_default();
        ids.extend(name.to_str().map(str::to_owned));
    }
    ids.reverse();
    Ok(ids)
}

/// The newest runs of a store.
pub struct Newest {
    pub runs: Vec<Recorded>,
    /// `true` if there are older runs.
    pub has_more: bool,
    /// Runs with a record that is damaged or cannot be read. If such a run is not also in `runs`, its age is unknown.
    pub bad: Vec<BadRun>,
}

/// The newest runs, newest first and at most `limit`. If `pipeline` is given, only runs of that pipeline.
pub fn newest(store: &Store, pipeline: Option<&str>, limit: usize) -> io::Result<Newest> {
    let history = History::read(&store.runs_folder())?;
    let of_pipeline = history.runs.iter().rev();
    let of_pipeline = of_pipeline.filter(|run| pipeline.is_none_or(|name| run.pipeline == name));
    let mut found = Newest {
        runs: Vec::new(),
        has_more: false,
        bad: history.bad,
    };
    let mut living = None;
    for run in of_pipeline {
        if found.runs.len() == limit {
            found.has_more = true;
            break;
        }
        match read(store, &run.id(), &mut living) {
            Ok(run) => found.runs.extend(run),
            Err(bad) => found.bad.push(bad),
        }
    }
    Ok(found)
}

/// The runs that go on, newest first. If `pipeline` is given, only runs of that pipeline.
pub fn running(store: &Store, pipeline: Option<&str>) -> Vec<Recorded> {
    let living = store.living_runs();
    let ids = living.runs.clone();
    let mut living = Some(living);
    let runs = ids.iter();
    let runs = runs.filter_map(|id| read(store, id, &mut living).ok().flatten());
    let is_meant = |run: &Recorded| {
        let of_pipeline = pipeline.is_none_or(|name| run.report.pipeline == name);
        of_pipeline && run.report.state == RunState::Running
    };
    let mut runs: Vec<Recorded> = runs.filter(is_meant).collect();
    runs.sort_by(|a, b| (b.report.number, &b.report.run).cmp(&(a.report.number, &a.report.run)));
    runs
}

/// Reads the run `id`. Returns `None` if it has no record, for example because it has just begun. `living`
/// caches the runs that are still going on; it is filled on first use.
///
/// # Errors
/// If its record is damaged or cannot be read.
pub fn read(
    store: &Store,
    id: &str,
    living: &mut Option<Living>,
) -> Result<Option<Recorded>, BadRun> {
    let folder = store.runs_folder().join(id);
    let Some(mut report) = record(&folder)? else {
        return Ok(None);
    };
    let mut alive = false;
    if report.state == RunState::Running {
        let living = living.get_or_insert_with(|| store.living_runs());
        alive = living.may_contain(id);
        // The run may have ended between reading its record and checking for its process, so read the
        // record again.
        let Some(again) = record(&folder)? else {
            return Ok(None);
        };
        report = again;
    }
    let planned = match read_plan(&folder) {
        RunFile::Sound(stages) => stages,
        RunFile::Missing | RunFile::Bad(_) => Vec::new(),
    };
    if report.state != RunState::Running {
        let stages = ended(planned, &report.stages);
        return Ok(Some(Recorded {
            folder,
            report,
            stages,
            progress: None,
        }));
    }
    let events = Events::read(&folder);
    let stages: Vec<RecordedStage> = planned
        .into_iter()
        .map(|planned| RecordedStage {
            end: events.ends.get(&planned.name).cloned(),
            started: events.reasons.contains_key(&planned.name),
            reason: events.reasons.get(&planned.name).cloned(),
            waits_for: events.waits_for(&planned.name),
            planned,
        })
        .collect();
    let began: Option<Timestamp> = report.started.parse().ok();
    let present = Timestamp::now();
    let now = if alive { Some(present) } else { events.last };
    let progress = events.first.filter(|_| alive).map(|first| ProgressNow {
        progress: events.progress,
        now: seconds_between(first, present),
    });
    report.state = if alive {
        RunState::Running
    } else {
        RunState::Killed
    };
    report.seconds = began
        .zip(now)
        .map_or(0.0, |(began, now)| seconds_between(began, now))
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
    Ok(Some(Recorded {
        folder,
        report,
        stages,
        progress,
    }))
}

fn record(folder: &Path) -> Result<Option<RunReport>, BadRun> {
    let fault = match read_run(folder) {
        RunFile::Sound(report) => return Ok(Some(report)),
        RunFile::Missing if !has_events(folder) => return Ok(None),
        RunFile::Missing => Fault::Missing,
        RunFile::Bad(fault) => fault,
    };
    Err(BadRun {
        folder: folder.to_owned(),
        file: RUN_FILE,
        fault,
        keys: None,
    })
}

/// The stages of a run that has ended. The report lists all of them. The plan only adds the names of their
/// stages; without it, these are derived from the names of the instances.
fn ended(planned: Vec<PlannedStage>, reports: &[StageReport]) -> Vec<RecordedStage> {
    let mut by_name: HashMap<String, PlannedStage> = planned
        .into_iter()
        .map(|stage| (stage.name.clone(), stage))
        .collect();
    let stages = reports.iter().filter_map(|report| {
        let planned = by_name.remove(&report.name);
        let planned = planned.or_else(|| PlannedStage::reported(&report.name, &report.key))?;
        Some(RecordedStage {
            planned,
            started: report.seconds.is_some(),
            reason: report.reason.clone(),
            waits_for: None,
            end: Some(report.clone()),
        })
    });
    stages.collect()
}

/// Events of a run that has not ended, or that has not recorded its end.
#[derive(Default)]
struct Events {
    /// Reasons of the stages that have started.
    reasons: HashMap<String, String>,
    ends: HashMap<String, StageReport>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    progress: RunProgress,
}

impl Events {
    /// Reads the events, and skips lines that were cut off by a kill. Logs a warning if the events cannot
    /// be read, because then no stage seems to have ended.
    fn read(folder: &Path) -> Self {
        let mut events = Self::default();
        match replay_events(folder, ProgressDetail::Last, |read| events.add(read)) {
            Ok(_) | Err(FollowError::Missing { .. }) => {}
            Err(error) => tracing::warn!("{error}"),
        }
        events
    }

    /// The runs that a stage waits for, if it waits.
    fn waits_for(&self, stage: &str) -> Option<Vec<String>> {
        let mut waiting = self.progress.waiting.iter();
        let waiting = waiting.find(|waiting| waiting.name == stage)?;
        Some(waiting.runs.clone())
    }

    fn add(&mut self, read: &RecordedEvent) {
        let first = *self.first.get_or_insert(read.time);
        self.last = Some(read.time);
        self.progress.apply(&read.event, read.seconds_since(first));
        match &read.event {
            Event::StageStarted { stage, reason } => {
                // A stage that is retried starts again, for another reason.
                let reasons = self.reasons.entry(stage.clone());
                reasons.or_insert_with(|| reason.clone());
            }
            Event::StageEnded { stage } => {
                self.ends.insert(stage.name.clone(), stage.clone());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Observer;
    use crate::run::event_log::EventLog;

    #[test]
    fn reasons_that_a_report_lacks_are_in_the_events() {
        let folder = tempfile::tempdir().unwrap();
        let log = EventLog::create(folder.path()).unwrap();
        for (stage, reason) in [("a", "first run"), ("a", "retry 1 of 3"), ("b", "after a")] {
            let (stage, reason) = (stage.to_owned(), reason.to_owned());
            log.observe(&Event::StageStarted { stage, reason });
        }
        let stage = |name: &str, reason: Option<&str>| RecordedStage {
            planned: PlannedStage::reported(name, &"0".repeat(64)).unwrap(),
            end: None,
            started: name != "cached",
            reason: reason.map(str::to_owned),
            waits_for: None,
        };
        let mut stages = [
            stage("a", None),
            stage("b", Some("recorded")),
            stage("cached", None),
        ];
        recall_reasons(&mut stages, folder.path());
        let reasons = stages.map(|stage| stage.reason);
        assert_eq!(reasons[0].as_deref(), Some("first run"));
        assert_eq!(reasons[1].as_deref(), Some("recorded"));
        assert_eq!(reasons[2], None);
    }
}
