//! `runner attach`: follows a run of another process.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use engine::error::Error;
use engine::event::{Event, RunState};
use engine::run::follow::{FollowError, ProgressDetail, read_events};
use engine::run::recorded::{self, Recorded};
use jiff::Timestamp;
use signal_hook::consts::{SIGINT, SIGTERM};
use store::Store;

use super::run::folders;
use super::run_filter::RunFilter;
use crate::report::{Console, Display, Verbosity, Viewer, display};

/// Follow a run of another process, and show what it shows
///
/// Shows everything since the start of the run, then what happens, until the run ends. Ctrl-C only detaches; the run
/// goes on. `runner runs cancel` stops a run.
///
/// The exit code is that of the run: 0 if it succeeded, 100 if a stage failed, 130 or 143 if it was stopped. It is 1 if
/// the run was killed, and 130 after Ctrl-C. Expectations are not judged.
#[derive(Debug, Args)]
pub(super) struct Attach {
    /// Run: an id, the beginning of an id, or `latest` [default: the newest run in progress]
    #[arg(value_name = "RUN")]
    run: Option<String>,
    #[command(flatten)]
    filter: RunFilter,
}

/// Interval between looks at the events.
const POLL: Duration = Duration::from_millis(200);
/// Interval between checks whether the run was killed.
const CHECK: Duration = Duration::from_secs(1);
/// Time that a run has to write its record after its last event.
const RECORDING: Duration = Duration::from_secs(5);

impl Attach {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let store = self.filter.store.existing()?;
        let run = match &self.run {
            Some(name) => self.filter.find(&store, name, console)?,
            None => self.newest(&store, console)?,
        };
        let detach = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&detach))
                .map_err(|e| Error::System(format!("failed to watch for signals: {e}")))?;
        }
        let follower = Follower {
            store: &store,
            console,
            run: &run.report.run,
            folder: &run.folder,
            detach: &detach,
        };
        let followed = follower.follow();
        // Bars of a run that has not ended.
        let _ = console.bars().clear();
        followed
    }

    /// The newest run in progress.
    fn newest(&self, store: &Store, console: &Console) -> Result<Recorded, Error> {
        let pipeline = self.filter.pipeline.as_deref();
        let mut running = recorded::running(store, pipeline);
        if running.is_empty() {
            let of = pipeline.map(|name| format!(" of pipeline `{name}`"));
            return Err(Error::Usage(format!(
                "no run{} is in progress; `runner runs list` lists all runs, and `runner runs show` shows one",
                of.unwrap_or_default()
            )));
        }
        let newest = running.remove(0);
        if !running.is_empty() && console.verbosity > Verbosity::Quiet {
            let others: Vec<&str> = running.iter().map(|run| run.report.run.as_str()).collect();
            console.message(&format!(
                "following the newest run, {}; also running: {}",
                newest.report.run,
                others.join(", ")
            ));
        }
        Ok(newest)
    }
}

/// Follows one run.
struct Follower<'a> {
    store: &'a Store,
    console: &'a Console,
    run: &'a str,
    folder: &'a Path,
    /// Set by Ctrl-C.
    detach: &'a AtomicBool,
}

impl Follower<'_> {
    fn follow(&self) -> Result<(), Error> {
        let mut offset = 0;
        let mut shown: Option<(Box<dyn Display>, Timestamp)> = None;
        let mut signal = None;
        let mut checked = Instant::now();
        // Replays the events from before the first pause.
        let mut detail = ProgressDetail::Last;
        loop {
            let read = read_events(self.folder, offset, detail);
            let read = read.map_err(|error| self.unreadable(error))?;
            offset = read.offset;
            for read in &read.events {
                let (display, first) = shown.get_or_insert_with(|| {
                    let since = Timestamp::now() - read.time;
                    let since = since.total(jiff::Unit::Second).unwrap_or_default();
                    let viewer = Viewer::Attached(since.max(0.0));
                    (display(self.console, viewer), read.time)
                });
                display.show(&read.event, read.seconds_since(*first));
                match read.event {
                    Event::Interrupted { signal: sent } => signal = signal.or(Some(sent)),
                    Event::RunEnded { .. } => return self.ended(signal),
                    _ => {}
                }
            }
            if read.has_more {
                continue;
            }
            if self.detach.load(Ordering::SeqCst) {
                return Err(Error::Detached(self.run.to_owned()));
            }
            detail = ProgressDetail::All;
            // A run is checked only after everything that it wrote was read.
            if read.events.is_empty() && checked.elapsed() >= CHECK {
                checked = Instant::now();
                match self.state()? {
                    Some(RunState::Running) => {}
                    Some(RunState::Killed) => {
                        let run = self.run;
                        return Err(Error::System(format!(
                            "run `{run}` was killed; run its pipeline again to continue from there"
                        )));
                    }
                    _ => return self.ended(signal),
                }
            }
            thread::sleep(POLL);
        }
    }

    fn state(&self) -> Result<Option<RunState>, Error> {
        let read = recorded::read(self.store, self.run, &mut None);
        let read = read.map_err(|bad| Error::Damaged(format!("run `{}`: {}", self.run, bad.why())));
        Ok(read?.map(|run| run.report.state))
    }

    /// The result of a run that has ended. Waits for its record.
    fn ended(&self, signal: Option<i32>) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            let read = recorded::read(self.store, self.run, &mut None);
            let report = read.ok().flatten().map(|run| run.report);
            match report {
                Some(report)
                    if report.state == RunState::Running && started.elapsed() < RECORDING =>
                {
                    thread::sleep(POLL);
                }
                Some(report) => {
                    if self.console.verbosity > Verbosity::Quiet {
                        let folders = folders(self.store, &report.pipeline, self.folder);
                        self.console.message(&folders);
                    }
                    return match (report.state, report.counts.failed) {
                        (RunState::Succeeded, _) => Ok(()),
                        (RunState::Cancelled, _) => {
                            Err(Error::Interrupted(signal.unwrap_or(SIGINT)))
                        }
                        (RunState::Failed, 0) => Err(Error::StagesFailed("the run".to_owned())),
                        (RunState::Failed, failed) => {
                            Err(Error::StagesFailed(engine::wording::stages(failed)))
                        }
                        (RunState::Running | RunState::Killed, _) => Err(Error::System(format!(
                            "run `{}` was killed at its end",
                            self.run
                        ))),
                    };
                }
                None => {
                    let message = format!("the record of run `{}` was removed", self.run);
                    return Err(Error::Damaged(message));
                }
            }
        }
    }

    fn unreadable(&self, error: FollowError) -> Error {
        match error {
            FollowError::Missing { .. } | FollowError::Replaced { .. } => Error::Damaged(format!(
                "run `{}` can no longer be followed: {error}",
                self.run
            )),
            FollowError::Io { .. } => Error::System(error.to_string()),
        }
    }
}
