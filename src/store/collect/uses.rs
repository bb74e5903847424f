//! Records of what runs used, and the order of the runs.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::Unread;
use crate::keys::Key;

/// The results that a run used.
#[derive(Clone, Debug)]
pub struct RunUse {
    pub folder: PathBuf,
    pub pipeline: String,
    pub started: SystemTime,
    /// Action keys of the results.
    pub keys: BTreeSet<Key>,
}

/// The results that all runs used.
#[derive(Clone, Debug, Default)]
pub struct Uses {
    /// In the order in which the runs began. Their times may be out of order, because clocks are set back.
    pub runs: Vec<RunUse>,
    /// Runs whose records are damaged or cannot be read. What they used stays, however old it is.
    pub bad: Vec<BadUse>,
}

/// A run whose record is damaged or cannot be read.
#[derive(Clone, Debug)]
pub struct BadUse {
    /// The file of the record.
    pub record: Unread,
    /// Action keys of the results that it used; `None` if they are unknown.
    pub keys: Option<BTreeSet<Key>>,
}

impl Uses {
    /// Returns the action keys that bad runs are known to have used.
    pub(super) fn of_bad(&self) -> impl Iterator<Item = Key> + '_ {
        self.bad
            .iter()
            .flat_map(|run| run.keys.iter().flatten().copied())
    }

    /// Returns whether the run in this folder is a bad one.
    pub(super) fn is_bad(&self, folder: &Path) -> bool {
        let mut bad = self.bad.iter();
        bad.any(|run| run.record.path.parent() == Some(folder))
    }

    /// Returns the records of the bad runs whose uses are known, or of those whose uses are unknown.
    pub(super) fn bad_records(&self, are_known: bool) -> impl Iterator<Item = &Unread> {
        let bad = self.bad.iter();
        bad.filter(move |run| run.keys.is_some() == are_known)
            .map(|run| &run.record)
    }
}

/// Time of a use. Earlier uses compare as less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    /// For a run, never earlier than that of any run before it: a clock that was set back makes no run older.
    pub time: SystemTime,
    /// Position of the run among all runs.
    place: Option<usize>,
}

impl Moment {
    /// Returns the moment of something that no run used.
    pub(super) fn of(time: SystemTime) -> Self {
        Self { time, place: None }
    }
}

/// Returns the runs, oldest first, with the moments at which they began.
pub(super) fn moments(runs: &[RunUse]) -> impl Iterator<Item = (&RunUse, Moment)> {
    let mut time = SystemTime::UNIX_EPOCH;
    runs.iter().enumerate().map(move |(place, run)| {
        time = time.max(run.started);
        let place = Some(place);
        (run, Moment { time, place })
    })
}

/// Returns the moment at which each key was last used by a run.
pub(super) fn last_use(runs: &[RunUse]) -> HashMap<Key, Moment> {
    let uses = moments(runs);
    uses.flat_map(|(run, moment)| run.keys.iter().map(move |&key| (key, moment)))
        .collect()
}

/// Returns the folders of the newest `count` runs of every pipeline.
pub(super) fn newest(runs: &[RunUse], count: usize) -> BTreeSet<PathBuf> {
    let mut kept = BTreeSet::new();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for run in runs.iter().rev() {
        let so_far = counts.entry(&run.pipeline).or_default();
        if *so_far < count {
            *so_far += 1;
            kept.insert(run.folder.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn run(name: &str, pipeline: &str, second: u64) -> RunUse {
        RunUse {
            folder: PathBuf::from(name),
            pipeline: pipeline.to_owned(),
            started: SystemTime::UNIX_EPOCH + Duration::from_secs(second),
            keys: BTreeSet::from([Key::derive("test", pipeline.as_bytes())]),
        }
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_run_older() {
        let runs = [run("a", "p", 900), run("b", "p", 100), run("c", "q", 50)];
        assert_eq!(newest(&runs, 1), ["b", "c"].map(PathBuf::from).into());
        let moments: Vec<Moment> = moments(&runs).map(|(_, moment)| moment).collect();
        assert!(moments.is_sorted());
        assert!(moments.iter().all(|moment| moment.time == runs[0].started));
        let used = last_use(&runs);
        assert_eq!(used[&Key::derive("test", b"p")], moments[1]);
    }
}
