//! [`Hub`]: the runs that somebody looks at. All pages about a run share one reader of its events.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use contract::{files, lock};
use engine::event::RunState;
use engine::run::files::RUN_FILE;
use engine::run::follow::FollowError;
use engine::run::history::BadRun;
use store::Store;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::LiveRun;

/// Interval between two looks at a run that is shown. Runs record progress at most once a second.
const INTERVAL: Duration = Duration::from_secs(1);

/// A run that was read less long ago than this is shown as it was.
const FRESH: Duration = Duration::from_millis(500);

/// Longest time between the folder of a run and its record.
const BEGINNING: Duration = Duration::from_secs(60);

/// Number of runs that are kept in memory.
const KEPT: usize = 8;

pub(crate) struct Hub {
    store: Arc<Store>,
    /// The runs that were looked at last, newest last.
    runs: Mutex<VecDeque<Arc<Watched>>>,
}

/// A run in memory.
pub(crate) struct Watched {
    id: String,
    state: Mutex<State>,
    /// Offset of the events that were read; sent after each look that found something new.
    changes: watch::Sender<u64>,
    /// `true` if a task looks at the run regularly.
    is_tailed: AtomicBool,
}

struct State {
    run: LiveRun,
    read: Instant,
    /// `true` if the run's folder was removed.
    is_gone: bool,
}

/// Result of looking for a run.
pub(crate) enum Looked {
    Run(Arc<Watched>),
    /// It has no record.
    Begun {
        /// `true` if a record may follow, because its process lives or its folder is new.
        is_alive: bool,
    },
    Missing,
    Bad(BadRun),
}

impl Hub {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            runs: Mutex::default(),
        }
    }

    /// Finds a run, and reads what it has recorded. `id` may be any text. This blocks.
    pub(crate) fn look(&self, id: &str) -> Looked {
        let folder = self.store.runs_folder().join(id);
        // The text may lead elsewhere, so it is compared with the names in the folder of runs.
        match is_run(&self.store, id) {
            true => {}
            false => return Looked::Missing,
        }
        let known = self.known(id);
        if let Some(known) = known {
            known.advance(&self.store);
            if !lock(&known.state).is_gone {
                return Looked::Run(known);
            }
            lock(&self.runs).retain(|run| run.id != id);
        }
        match LiveRun::open(&self.store, &folder) {
            Ok(Some(run)) => Looked::Run(self.keep(id, run)),
            Ok(None) => Looked::Begun {
                is_alive: self.store.living_runs().may_contain(id) || is_recent(&folder),
            },
            Err(bad) => Looked::Bad(bad),
        }
    }

    fn known(&self, id: &str) -> Option<Arc<Watched>> {
        let mut runs = lock(&self.runs);
        let position = runs.iter().position(|run| run.id == id)?;
        let run = runs.remove(position)?;
        runs.push_back(Arc::clone(&run));
        Some(run)
    }

    fn keep(&self, id: &str, run: LiveRun) -> Arc<Watched> {
        let mut runs = lock(&self.runs);
        // Another request may have read it at the same time.
        if let Some(known) = runs.iter().find(|run| run.id == id) {
            return Arc::clone(known);
        }
        let (changes, _) = watch::channel(run.offset);
        let watched = Arc::new(Watched {
            id: id.to_owned(),
            state: Mutex::new(State {
                run,
                read: Instant::now(),
                is_gone: false,
            }),
            changes,
            is_tailed: AtomicBool::new(false),
        });
        runs.push_back(Arc::clone(&watched));
        if runs.len() > KEPT {
            // Pages that show it keep it.
            runs.pop_front();
        }
        watched
    }

    /// Subscribes to the changes of a run. As long as there are subscribers, a task looks at the run regularly.
    pub(crate) fn subscribe(&self, run: &Arc<Watched>) -> watch::Receiver<u64> {
        let changes = run.changes.subscribe();
        if !run.is_tailed.swap(true, Ordering::AcqRel) {
            tokio::spawn(tail(Arc::clone(&self.store), Arc::clone(run)));
        }
        changes
    }
}

/// Looks at a run regularly, until nobody subscribes to its changes or it has ended.
async fn tail(store: Arc<Store>, run: Arc<Watched>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if run.changes.receiver_count() == 0 {
            break;
        }
        let (store, looked) = (Arc::clone(&store), Arc::clone(&run));
        let look = spawn_blocking(move || looked.advance(&store));
        if !look.await.unwrap_or(false) {
            break;
        }
    }
    run.is_tailed.store(false, Ordering::Release);
}

impl Watched {
    /// Reads what the run has recorded. Returns whether it may record more.
    fn advance(&self, store: &Store) -> bool {
        let mut state = lock(&self.state);
        if state.read.elapsed() > FRESH {
            let before = state.run.offset;
            let read = state.run.advance(store);
            state.read = Instant::now();
            let folder = &state.run.folder;
            match read {
                Err(FollowError::Replaced { .. }) => {
                    if let Ok(Some(run)) = LiveRun::open(store, folder) {
                        state.run = run;
                    }
                }
                Err(FollowError::Missing { .. } | FollowError::Io { .. }) | Ok(()) => {
                    let record = files::exists(&folder.join(RUN_FILE));
                    state.is_gone = !record.unwrap_or(true);
                }
            }
            if state.run.offset != before || state.is_gone {
                self.changes.send_replace(state.run.offset);
            }
        }
        state.run.state == RunState::Running && !state.is_gone
    }

    /// The run, as it was read last.
    pub(crate) fn run(&self) -> impl std::ops::Deref<Target = LiveRun> {
        Locked(lock(&self.state))
    }

    pub(crate) fn is_gone(&self) -> bool {
        lock(&self.state).is_gone
    }
}

struct Locked<'a>(MutexGuard<'a, State>);

impl std::ops::Deref for Locked<'_> {
    type Target = LiveRun;

    fn deref(&self) -> &LiveRun {
        &self.0.run
    }
}

/// `true` if a folder was changed so recently that a process may have just created it.
fn is_recent(folder: &Path) -> bool {
    let changed = std::fs::metadata(folder).and_then(|found| found.modified());
    let age = changed.ok().and_then(|changed| changed.elapsed().ok());
    age.is_none_or(|age| age < BEGINNING)
}

/// `true` if `id` is the name of a folder among those of runs.
fn is_run(store: &Store, id: &str) -> bool {
    let is_name = !id.is_empty() && !id.starts_with('.') && !id.contains(['/', '\0']);
    let folder = store.runs_folder();
    is_name && files::is(&Path::new(&folder).join(id), std::fs::Metadata::is_dir).unwrap_or(false)
}
