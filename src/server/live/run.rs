//! [`LiveRun`]: the state of a run, kept up to date from its events.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use engine::event::{RunReport, RunState};
use engine::run::files::{Fault, RUN_FILE, RunFile, has_events, read_plan, read_run};
use engine::run::follow::{FollowError, ProgressDetail, read_events};
use engine::run::history::BadRun;
use engine::run::planned_stage::PlannedStage;
use engine::scheduler::Counts;
use jiff::Timestamp;
use pages::Ids;
use store::{FileStamp, Store};

use super::stage::{LiveStage, LiveState};

/// A run, as far as its record and its events tell.
pub(crate) struct LiveRun {
    pub(crate) folder: PathBuf,
    /// Stamp of the record, to notice when it is replaced.
    stamp: Option<FileStamp>,
    /// The record. Its state, counts and stages are final only when the run has ended.
    pub(crate) record: RunReport,
    pub(crate) state: RunState,
    /// In the order of the plan.
    pub(crate) stages: Vec<LiveStage>,
    positions: HashMap<String, usize>,
    ids: Ids,
    pub(crate) counts: Counts,
    /// Offset of the first event that was not read, in bytes.
    pub(crate) offset: u64,
    /// Time of the last event.
    pub(crate) last: Option<Timestamp>,
    /// Offset after the last event that changed the state, the counts or what is running.
    pub(crate) changed: u64,
    /// `true` if a signal asked the run to stop and it still goes on.
    pub(crate) is_stopping: bool,
}

impl LiveRun {
    /// Reads the run in `folder`. Returns `None` if it has no record, for example because it has just begun.
    ///
    /// # Errors
    /// If its record is missing although it has events, is damaged, or cannot be read.
    pub(crate) fn open(store: &Store, folder: &Path) -> Result<Option<Self>, BadRun> {
        let bad = |fault| BadRun {
            folder: folder.to_owned(),
            file: RUN_FILE,
            fault,
            keys: None,
        };
        let stamp = record_stamp(folder);
        let record: RunReport = match read_run(folder) {
            RunFile::Sound(record) => record,
            RunFile::Missing if !has_events(folder) => return Ok(None),
            RunFile::Missing => return Err(bad(Fault::Missing)),
            RunFile::Bad(fault) => return Err(bad(fault)),
        };
        let mut run = Self {
            folder: folder.to_owned(),
            stamp,
            record,
            state: RunState::Running,
            stages: Vec::new(),
            positions: HashMap::new(),
            ids: Ids::default(),
            counts: Counts::default(),
            offset: 0,
            last: None,
            changed: 0,
            is_stopping: false,
        };
        run.read_plan();
        // A run whose events were lost still has its record.
        if let Err(error) = run.advance(store) {
            tracing::warn!("{error}");
        }
        Ok(Some(run))
    }

    /// Reads what the run has recorded since.
    ///
    /// # Errors
    /// If the events are missing, were replaced, or cannot be read.
    pub(crate) fn advance(&mut self, store: &Store) -> Result<(), FollowError> {
        if self.state != RunState::Running {
            return Ok(());
        }
        // Before the events, so that all events of a run that has ended are read.
        let state = self.state_now(store);
        let is_recorded = !matches!(state, RunState::Running | RunState::Killed);
        let read = match is_recorded && self.offset == 0 {
            // The record of a run that has ended says it all.
            true => Ok(()),
            false => self.read_events(),
        };
        if state != RunState::Running {
            self.end(state);
        }
        read
    }

    fn read_events(&mut self) -> Result<(), FollowError> {
        loop {
            let new = read_events(&self.folder, self.offset, ProgressDetail::All)?;
            for event in new.events {
                self.last = Some(event.time);
                self.apply(event.event, event.time, event.end);
            }
            self.offset = new.offset;
            if !new.has_more {
                return Ok(());
            }
        }
    }

    /// The state of the run, from its record, or from whether its process lives.
    fn state_now(&mut self, store: &Store) -> RunState {
        self.read_record();
        if self.record.state == RunState::Running
            && !store.living_runs().may_contain(&self.record.run)
        {
            // It may have ended between the two looks.
            self.read_record();
            if self.record.state == RunState::Running {
                return RunState::Killed;
            }
        }
        self.record.state
    }

    /// Reads the record again if it was replaced. An unreadable record changes nothing.
    fn read_record(&mut self) {
        let stamp = record_stamp(&self.folder);
        if stamp == self.stamp && stamp.is_some_and(|stamp| stamp.is_reliable()) {
            return;
        }
        if let RunFile::Sound(record) = read_run(&self.folder) {
            self.record = record;
            self.stamp = stamp;
        }
    }

    /// Records that the run has ended. The words of stages that have not ended depend on that.
    fn end(&mut self, state: RunState) {
        self.state = state;
        self.is_stopping = false;
        // One more than the last offset that any reader knows, because no event tells of a kill.
        self.offset += 1;
        self.changed = self.offset;
        for stage in &mut self.stages {
            if !matches!(stage.state, LiveState::Ended(_)) {
                stage.changed = self.offset;
                stage.touched = self.offset;
            }
        }
        for report in std::mem::take(&mut self.record.stages) {
            self.end_stage(report, self.offset);
        }
    }

    pub(super) fn stage(&mut self, name: &str) -> Option<&mut LiveStage> {
        let position = *self.positions.get(name)?;
        self.stages.get_mut(position)
    }

    /// The stage with this id.
    pub(crate) fn find(&self, id: &str) -> Option<&LiveStage> {
        self.stages.iter().find(|stage| stage.id == id)
    }

    /// Adds the stages of the plan that are new. A later round adds stages at the end.
    pub(super) fn read_plan(&mut self) {
        let planned = match read_plan(&self.folder) {
            RunFile::Sound(planned) => planned,
            RunFile::Missing | RunFile::Bad(_) => Vec::new(),
        };
        // The report of a run that has ended lists all stages, too.
        let reports = self.record.stages.iter();
        let reports = reports.filter_map(|r| PlannedStage::reported(&r.name, &r.key));
        for planned in planned.into_iter().chain(reports.collect::<Vec<_>>()) {
            if self.positions.contains_key(&planned.name) {
                continue;
            }
            self.positions
                .insert(planned.name.clone(), self.stages.len());
            self.stages.push(LiveStage {
                id: self.ids.id("stage", &planned.name),
                planned,
                state: LiveState::Waiting,
                changed: 0,
                touched: 0,
            });
        }
    }

    /// `true` if nothing will change any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.state != RunState::Running
    }

    /// Wall time in seconds: up to now while the run goes on, and up to the last event if it was killed.
    pub(crate) fn seconds(&self, now: Timestamp) -> f64 {
        let until = match self.state {
            RunState::Running => Some(now),
            RunState::Killed => self.last,
            RunState::Succeeded | RunState::Failed | RunState::Cancelled => {
                return self.record.seconds;
            }
        };
        let began: Option<Timestamp> = self.record.started.parse().ok();
        let span = began.zip(until).map(|(began, until)| until - began);
        let seconds = span.and_then(|span| span.total(jiff::Unit::Second).ok());
        seconds.unwrap_or_default().max(0.0)
    }
}

fn record_stamp(folder: &Path) -> Option<FileStamp> {
    let metadata = fs::symlink_metadata(folder.join(RUN_FILE)).ok()?;
    Some(FileStamp::of(&metadata))
}

#[cfg(test)]
mod tests {
    use engine::event::{Event, Observer, StageReport};
    use engine::run::event_log::EventLog;
    use engine::run::files::{write_plan, write_run};
    use engine::scheduler::Outcome;
    use store::Needs;
    use store::keys::Key;

    use super::*;

    /// A run in a store, which this process executes.
    struct Fixture {
        _root: tempfile::TempDir,
        store: Store,
        folder: PathBuf,
        log: EventLog,
    }

    fn key() -> Key {
        "0".repeat(64).parse().unwrap()
    }

    fn record(state: RunState) -> RunReport {
        let text = r#"{"run":"r","pipeline":"p","file":"p.yaml","profile":null,"sets":[],"runner":"1","started":"2026-11-23T08:15:00Z","finished":null,"seconds":2.5,"state":"running","counts":{"cached":0,"succeeded":0,"failed":0,"skipped":0,"cancelled":0},"stages":[]}"#;
        RunReport {
            state,
            ..serde_json::from_str(text).unwrap()
        }
    }

    fn planned(names: &[&str]) -> Vec<PlannedStage> {
        let planned = names
            .iter()
            .map(|name| PlannedStage::reported(name, &key().to_string()));
        planned.map(Option::unwrap).collect()
    }

    impl Fixture {
        fn new(names: &[&str]) -> Self {
            let root = tempfile::tempdir().unwrap();
            let store = Store::open(root.path()).unwrap();
            let folder = store.runs_folder().join("r");
            fs::create_dir(&folder).unwrap();
            let needs = Needs {
                run: "r".to_owned(),
                keys: Vec::new(),
            };
            store.need(&needs).unwrap();
            let log = EventLog::create(&folder).unwrap();
            write_plan(&folder, &planned(names)).unwrap();
            write_run(&folder, &record(RunState::Running)).unwrap();
            Self {
                _root: root,
                store,
                folder,
                log,
            }
        }

        fn open(&self) -> LiveRun {
            LiveRun::open(&self.store, &self.folder).unwrap().unwrap()
        }

        fn start(&self, stage: &str) {
            self.log.observe(&Event::StageStarted {
                stage: stage.to_owned(),
                reason: "new".to_owned(),
            });
        }

        fn end(&self, stage: &str) {
            let stage = StageReport::not_executed(stage, Outcome::Succeeded, &key());
            self.log.observe(&Event::StageEnded { stage });
        }
    }

    fn words(run: &LiveRun) -> Vec<&'static str> {
        run.stages
            .iter()
            .map(|stage| stage.word(run.state))
            .collect()
    }

    #[test]
    fn a_run_that_was_read_late_is_as_one_that_was_followed() {
        let fixture = Fixture::new(&["a", "b", "c"]);
        let mut followed = fixture.open();
        let mut offsets = Vec::new();
        let steps: [&dyn Fn(); 4] = [
            &|| fixture.start("a"),
            &|| fixture.end("a"),
            &|| fixture.start("b"),
            &|| fixture.end("c"),
        ];
        for step in steps {
            step();
            followed.advance(&fixture.store).unwrap();
            offsets.push(followed.offset);
            let late = fixture.open();
            assert_eq!(words(&late), words(&followed));
            let changed = |run: &LiveRun| -> Vec<u64> {
                run.stages.iter().map(|stage| stage.changed).collect()
            };
            assert_eq!(changed(&late), changed(&followed));
            assert_eq!(
                (late.offset, late.changed),
                (followed.offset, followed.changed)
            );
        }
        assert_eq!(words(&followed), ["succeeded", "running", "succeeded"]);
        assert_eq!(followed.counts.total(), 2);
        assert!(offsets.is_sorted());
    }

    #[test]
    fn a_later_round_adds_stages() {
        let fixture = Fixture::new(&["a"]);
        let mut run = fixture.open();
        write_plan(&fixture.folder, &planned(&["a", "A", "a!"])).unwrap();
        fixture.log.observe(&Event::RoundStarted {
            round: 2,
            stages: 3,
            cached: 0,
        });
        run.advance(&fixture.store).unwrap();
        let ids: Vec<&str> = run.stages.iter().map(|stage| stage.id.as_str()).collect();
        assert_eq!(ids, ["stage-a", "stage-a-2", "stage-a-3"]);
        assert!(run.find("stage-a-3").is_some() && run.find("stage-b").is_none());
    }

    #[test]
    fn the_end_of_a_run_changes_the_stages_that_did_not_end() {
        let fixture = Fixture::new(&["a", "b"]);
        fixture.start("a");
        let mut run = fixture.open();
        let before = run.offset;
        let stages = vec![StageReport::not_executed("a", Outcome::Cancelled, &key())];
        let record = RunReport {
            stages,
            ..record(RunState::Cancelled)
        };
        write_run(&fixture.folder, &record).unwrap();
        run.advance(&fixture.store).unwrap();
        assert_eq!(
            (run.state, run.seconds(Timestamp::now())),
            (RunState::Cancelled, 2.5)
        );
        assert_eq!(words(&run), ["cancelled", "not started"]);
        assert!(run.stages.iter().all(|stage| stage.changed > before));
        assert_eq!(words(&fixture.open()), ["cancelled", "not started"]);
    }

    #[test]
    fn a_run_that_has_ended_is_not_stopping() {
        let fixture = Fixture::new(&["a"]);
        let mut run = fixture.open();
        fixture.log.observe(&Event::Interrupted { signal: 15 });
        run.advance(&fixture.store).unwrap();
        assert!(run.is_stopping && !run.has_ended());
        write_run(&fixture.folder, &record(RunState::Cancelled)).unwrap();
        run.advance(&fixture.store).unwrap();
        assert!(!run.is_stopping && run.has_ended());
    }

    #[test]
    fn a_run_without_a_process_was_killed() {
        let fixture = Fixture::new(&["a", "b"]);
        fixture.start("a");
        let mut run = fixture.open();
        assert_eq!(words(&run), ["running", "waiting"]);
        let needs = Needs {
            run: "other".to_owned(),
            keys: Vec::new(),
        };
        fixture.store.need(&needs).unwrap();
        run.advance(&fixture.store).unwrap();
        assert_eq!(words(&run), ["killed", "not started"]);
        assert_eq!(run.state, RunState::Killed);
    }
}
