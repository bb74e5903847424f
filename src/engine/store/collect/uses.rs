//! What runs used, and which of them came first.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::keys::Key;
use crate::store::Unread;

/// What a run used.
#[derive(Clone, Debug)]
pub struct RunUse {
    pub folder: PathBuf,
    pub pipeline: String,
    pub started: SystemTime,
    /// Action keys.
    pub keys: BTreeSet<Key>,
}

/// What all runs used.
#[derive(Clone, Debug, Default)]
pub struct Uses {
    /// In the order in which they began. Their times need not be: clocks are set back.
    pub runs: Vec<RunUse>,
    /// Runs whose records are damaged or cannot be read: what they used stays, whatever their age.
    pub bad: Vec<BadUse>,
}

/// What a run used whose record is damaged or cannot be read.
#[derive(Clone, Debug)]
pub struct BadUse {
    /// The file.
    pub record: Unread,
    /// Action keys; `None` if nobody knows them.
    pub keys: Option<BTreeSet<Key>>,
}

impl Uses {
    /// The action keys that bad runs are known to have used.
    pub(super) fn of_bad(&self) -> impl Iterator<Item = Key> + '_ {
        self.bad
            .iter()
            .flat_map(|run| run.keys.iter().flatten().copied())
    }

    /// Whether a run in this folder is among the bad ones.
    pub(super) fn is_bad(&self, folder: &Path) -> bool {
        let mut bad = self.bad.iter();
        bad.any(|run| run.record.path.parent() == Some(folder))
    }

    /// The records of the bad runs of which it is known, or not, what they used.
    pub(super) fn bad_records(&self, are_known: bool) -> impl Iterator<Item = &Unread> {
        let bad = self.bad.iter();
        bad.filter(move |run| run.keys.is_some() == are_known)
            .map(|run| &run.record)
    }
}

/// When something was used; the less, the longer ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    /// Of a run, no earlier than that of any run before, whatever the clock said: a clock that was set
    /// back makes nothing old.
    pub time: SystemTime,
    /// The place of a run among all.
    place: Option<usize>,
}

impl Moment {
    /// Of what no run used.
    pub fn of(time: SystemTime) -> Self {
        Self { time, place: None }
    }
}

/// Runs, oldest first, with the moments of their beginnings.
pub(super) fn moments(runs: &[RunUse]) -> impl Iterator<Item = (&RunUse, Moment)> {
    let mut time = SystemTime::UNIX_EPOCH;
    runs.iter().enumerate().map(move |(place, run)| {
        time = time.max(run.started);
        let place = Some(place);
        (run, Moment { time, place })
    })
}

/// When each key was last used by a run.
pub(super) fn last_use(runs: &[RunUse]) -> HashMap<Key, Moment> {
    let uses = moments(runs);
    uses.flat_map(|(run, moment)| run.keys.iter().map(move |&key| (key, moment)))
        .collect()
}

/// The folders of the newest `count` runs of every pipeline.
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
