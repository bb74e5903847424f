//! [`Kept`]: results as HTML, made once and kept in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use contract::lock;
use engine::event::RunState;

use crate::page::StagesQuery;

/// Number of results that are kept.
const KEPT: usize = 16;
/// Number of results that are made at a time. Others wait until somebody asks for them again.
const MAKING: usize = 4;
/// Time after which results are made again when somebody asks for them, because the pipeline file, or what is in the
/// store, may have changed.
const FRESH: Duration = Duration::from_secs(30);

/// Subject of results.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) run: String,
    /// The listed stages whose results are shown; `None` for all stages.
    pub(crate) listed: Option<StagesQuery>,
}

/// State of the run that results were made in. Results of a run that goes on change when stages end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Version {
    pub(crate) state: RunState,
    /// Number of stages that have ended.
    pub(crate) ended: usize,
}

/// Results that were found, as HTML.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    /// They are being made.
    Nothing,
    /// Those of an earlier version. Newer ones are being made.
    Earlier(Arc<str>),
    Current(Arc<str>),
}

/// Results as HTML, those that were asked for last at the end.
#[derive(Default)]
pub(crate) struct Kept {
    all: Mutex<VecDeque<One>>,
    /// Notified whenever results are complete.
    changed: Condvar,
}

struct One {
    part: Part,
    /// Results that are complete.
    made: Option<(Version, Instant, Arc<str>)>,
    /// The version that is being made.
    making: Option<Version>,
}

impl Kept {
    /// Finds results. If they are not kept, or were made long ago, another thread makes them with `make`, and this
    /// waits for it, but not longer than `patience`.
    pub(crate) fn get(
        self: &Arc<Self>,
        part: &Part,
        version: Version,
        patience: Duration,
        make: impl FnOnce() -> String + Send + 'static,
    ) -> Found {
        let mut all = lock(&self.all);
        let known = all.iter().position(|one| one.part == *part);
        let one = match known.and_then(|at| all.remove(at)) {
            Some(one) => one,
            None => One {
                part: part.clone(),
                made: None,
                making: None,
            },
        };
        if one.is_fresh(version) {
            let found = one.found(version);
            all.push_back(one);
            return found;
        }
        let making = all.iter().filter(|one| one.making.is_some()).count();
        let begins = one.making != Some(version) && making < MAKING;
        all.push_back(One {
            making: if begins { Some(version) } else { one.making },
            ..one
        });
        while all.len() > KEPT {
            all.pop_front();
        }
        // A job that is not started takes the lock when it is dropped.
        drop(all);
        if begins {
            let job = Job {
                kept: Arc::clone(self),
                part: part.clone(),
                version,
            };
            let started = thread::Builder::new()
                .name("results".to_owned())
                .spawn(move || job.finish(make()));
            if let Err(error) = started {
                tracing::error!("failed to start a thread: {error}");
            }
        }
        let is_making = |all: &mut VecDeque<One>| {
            find(all, part).is_some_and(|one| one.making == Some(version))
        };
        let (mut all, _) = self
            .changed
            .wait_timeout_while(lock(&self.all), patience, is_making)
            .unwrap_or_else(PoisonError::into_inner);
        find(&mut all, part).map_or(Found::Nothing, |one| one.found(version))
    }
}

fn find<'a>(all: &'a mut VecDeque<One>, part: &Part) -> Option<&'a mut One> {
    all.iter_mut().find(|one| one.part == *part)
}

impl One {
    fn is_fresh(&self, version: Version) -> bool {
        let made = self.made.as_ref();
        made.is_some_and(|(made, at, _)| *made == version && at.elapsed() < FRESH)
    }

    fn found(&self, version: Version) -> Found {
        match &self.made {
            None => Found::Nothing,
            Some((made, _, html)) if *made == version => Found::Current(Arc::clone(html)),
            Some((_, _, html)) => Found::Earlier(Arc::clone(html)),
        }
    }
}

/// Results that a thread makes.
struct Job {
    kept: Arc<Kept>,
    part: Part,
    version: Version,
}

impl Job {
    fn finish(self, html: String) {
        if let Some(one) = find(&mut lock(&self.kept.all), &self.part) {
            one.made = Some((self.version, Instant::now(), html.into()));
        }
    }
}

impl Drop for Job {
    /// Also runs if the thread panics, or was not started.
    fn drop(&mut self) {
        if let Some(one) = find(&mut lock(&self.kept.all), &self.part)
            && one.making == Some(self.version)
        {
            one.making = None;
        }
        self.kept.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn part(run: &str) -> Part {
        Part {
            run: run.to_owned(),
            listed: None,
        }
    }

    fn version(ended: usize) -> Version {
        Version {
            state: RunState::Running,
            ended,
        }
    }

    fn unwanted() -> String {
        panic!("these results are kept")
    }

    fn current(html: &str) -> Found {
        Found::Current(html.into())
    }

    #[test]
    fn results_are_made_once_for_each_version() {
        let kept = Arc::new(Kept::default());
        let made = kept.get(&part("a"), version(1), LONG, || "one".to_owned());
        assert_eq!(made, current("one"));
        let again = kept.get(&part("a"), version(1), LONG, unwanted);
        assert_eq!(again, current("one"));
        let newer = kept.get(&part("a"), version(2), LONG, || "two".to_owned());
        assert_eq!(newer, current("two"));
    }

    #[test]
    fn slow_results_are_not_waited_for_and_appear_later() {
        let kept = Arc::new(Kept::default());
        let mut before = Found::Nothing;
        for (ended, html) in [(1, "first"), (2, "second")] {
            let (finish, wait) = channel::<()>();
            let slow = move || {
                wait.recv().unwrap();
                html.to_owned()
            };
            let begun = kept.get(&part("a"), version(ended), Duration::ZERO, slow);
            assert_eq!(begun, before);
            // A second page starts nothing.
            let second = kept.get(&part("a"), version(ended), Duration::ZERO, unwanted);
            assert_eq!(second, before);
            finish.send(()).unwrap();
            let made = kept.get(&part("a"), version(ended), LONG, unwanted);
            assert_eq!(made, current(html));
            before = Found::Earlier(html.into());
        }
    }

    #[test]
    fn only_the_newest_are_kept_and_a_panic_is_no_result() {
        let kept = Arc::new(Kept::default());
        for number in 0..=KEPT {
            let name = number.to_string();
            kept.get(&part(&number.to_string()), version(0), LONG, move || name);
        }
        assert_eq!(lock(&kept.all).len(), KEPT);
        let bad = kept.get(&part("bad"), version(0), LONG, || panic!());
        assert_eq!(bad, Found::Nothing);
        let made = kept.get(&part("bad"), version(0), LONG, || "good".to_owned());
        assert_eq!(made, current("good"));
    }
}
