//! The headline metrics of runs, read once for all runs that share a record of metrics.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::run::run_metrics::{METRICS_RECORD, RunMetrics, pooled, read};
use engine::wording;
use rayon::prelude::*;

/// Number of headline metrics of a run that are kept.
const MOST: usize = 32;
/// Number of records that are read before the time is looked at.
const AT_ONCE: usize = 32;

/// A headline metric of a run: the least and the greatest of its values over all instances of a stage.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Headline {
    /// Stage and metric: `evaluate.f1`.
    pub(crate) name: String,
    /// Means over seeds; `None` if the metric is undefined for every instance.
    range: Option<[f64; 2]>,
    /// `true` if all values are counts, such as epochs.
    is_count: bool,
}

impl Headline {
    /// `0.765`, or `0.765 to 0.921` for several instances.
    pub(crate) fn text(&self) -> String {
        let number = |value: f64| match self.is_count {
            true => wording::exact(value),
            false => wording::measured(value),
        };
        match self.range {
            None => "undefined".to_owned(),
            Some([low, high]) => match (number(low), number(high)) {
                (low, high) if low == high => low,
                (low, high) => format!("{low} to {high}"),
            },
        }
    }

    /// The value that runs are sorted by: the greatest if the greatest comes first, and the least otherwise.
    pub(crate) fn sort_key(&self, is_descending: bool) -> Option<f64> {
        self.range.map(|range| range[usize::from(is_descending)])
    }
}

/// The headline metrics of runs, by the file of their record. Runs with the same results share one file.
#[derive(Default)]
pub(crate) struct Headlines(HashMap<RecordId, Arc<[Headline]>>);

/// Identity of a file that is written once: device, inode, size and time of modification.
type RecordId = (u64, u64, u64, i64, i64);

impl Headlines {
    /// Returns those of the runs in `folders`, in their order, and forgets the others. New records are read for
    /// `patience` at most, those of the newest runs first; the next call reads on. So the first list of many runs does
    /// not wait.
    pub(crate) fn of(&mut self, folders: &[&Path], patience: Duration) -> Vec<Arc<[Headline]>> {
        let ids: Vec<Option<RecordId>> = folders.par_iter().map(|folder| id(folder)).collect();
        let mut seen = HashSet::new();
        let new = ids.iter().zip(folders).filter_map(|(id, folder)| {
            let id = (*id)?;
            let is_new = !self.0.contains_key(&id) && seen.insert(id);
            is_new.then_some((id, *folder))
        });
        let mut new: Vec<(RecordId, &Path)> = new.collect();
        // Ids of runs begin with the time.
        new.sort_by(|(_, a), (_, b)| b.cmp(a));
        let began = Instant::now();
        for part in new.chunks(AT_ONCE) {
            let read: Vec<(RecordId, Arc<[Headline]>)> = part
                .par_iter()
                .map(|(id, folder)| {
                    (
                        *id,
                        read(folder).map_or_else(Arc::default, |read| of(&read)),
                    )
                })
                .collect();
            self.0.extend(read);
            if began.elapsed() > patience {
                break;
            }
        }
        let used: HashSet<RecordId> = ids.iter().copied().flatten().collect();
        self.0.retain(|id, _| used.contains(id));
        let none: Arc<[Headline]> = Arc::default();
        let found = ids.iter().map(|id| {
            let found = id.and_then(|id| self.0.get(&id));
            Arc::clone(found.unwrap_or(&none))
        });
        found.collect()
    }
}

fn id(folder: &Path) -> Option<RecordId> {
    let found = fs::symlink_metadata(folder.join(METRICS_RECORD)).ok()?;
    Some((
        found.dev(),
        found.ino(),
        found.size(),
        found.mtime(),
        found.mtime_nsec(),
    ))
}

/// The headline metrics of a run, most important first. Those of trainings are left out if others were measured.
fn of(metrics: &RunMetrics) -> Arc<[Headline]> {
    let shown = metrics.shown();
    let mut all = pooled(&shown);
    all.retain(|one| one.headline.is_some());
    if all.iter().any(|one| !one.is_secondary) {
        all.retain(|one| !one.is_secondary);
    }
    let mut found: Vec<Headline> = Vec::new();
    for one in &all {
        let name = format!("{}.{}", one.stage, one.metric());
        let mean = one.mean().map(|mean| [mean, mean]);
        match found.iter_mut().find(|known| known.name == name) {
            Some(known) => {
                known.range = match (known.range, mean) {
                    (Some([low, high]), Some([mean, _])) => Some([low.min(mean), high.max(mean)]),
                    (known, mean) => known.or(mean),
                };
                known.is_count &= one.is_count();
            }
            None => found.push(Headline {
                name,
                range: mean,
                is_count: one.is_count(),
            }),
        }
    }
    found.truncate(MOST);
    found.into()
}

#[cfg(test)]
mod tests {
    use contract::Metric;
    use engine::run::run_metrics::{InstanceMetrics, PortMetrics};

    use super::*;

    fn instance(
        stage: &str,
        model: &str,
        values: &[(&str, f64)],
        is_secondary: bool,
    ) -> InstanceMetrics {
        let metrics = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Metric::new(*value, None)));
        InstanceMetrics {
            name: format!("{stage}[{model}]"),
            in_copy: format!("{stage}[{model}]"),
            stage: stage.to_owned(),
            ports: vec![PortMetrics {
                port: "metrics".to_owned(),
                headline: values.iter().map(|(name, _)| (*name).to_owned()).collect(),
                is_secondary,
                metrics: metrics.collect(),
                ..PortMetrics::default()
            }],
            ..InstanceMetrics::default()
        }
    }

    #[test]
    fn instances_of_a_stage_become_a_range_and_trainings_are_left_out() {
        let metrics = RunMetrics {
            instances: vec![
                instance("cnn", "a", &[("loss", 0.5)], true),
                instance("evaluate", "a", &[("f1", 0.9), ("auc", f64::NAN)], false),
                instance("evaluate", "b", &[("f1", 0.75), ("auc", f64::NAN)], false),
            ],
            shown: vec![0, 1, 2],
            trials: Vec::new(),
        };
        let found = of(&metrics);
        let texts: Vec<_> = found
            .iter()
            .map(|one| (one.name.as_str(), one.text()))
            .collect();
        assert_eq!(
            texts,
            [
                ("evaluate.f1", "0.750 to 0.900".to_owned()),
                ("evaluate.auc", "undefined".to_owned()),
            ]
        );
        assert_eq!(found[0].sort_key(true), Some(0.9));
        assert_eq!(found[0].sort_key(false), Some(0.75));
        assert_eq!(found[1].sort_key(true), None);
    }

    #[test]
    fn records_that_are_not_read_in_time_are_read_next() {
        let root = tempfile::tempdir().unwrap();
        let folders: Vec<_> = (0..3 * AT_ONCE)
            .map(|run| root.path().join(format!("{run:03}")))
            .collect();
        let metrics = RunMetrics {
            instances: vec![instance("evaluate", "a", &[("f1", 0.5)], false)],
            shown: vec![0],
            trials: Vec::new(),
        };
        for folder in &folders {
            fs::create_dir(folder).unwrap();
            let record = store::seal(&metrics).unwrap();
            fs::write(folder.join(METRICS_RECORD), record).unwrap();
        }
        let paths: Vec<&Path> = folders.iter().map(|folder| folder.as_path()).collect();
        let mut headlines = Headlines::default();
        for round in 1..=3 {
            let found = headlines.of(&paths, Duration::ZERO);
            let read: Vec<bool> = found.iter().map(|found| !found.is_empty()).collect();
            let expected = (0..3 * AT_ONCE).map(|run| run >= (3 - round) * AT_ONCE);
            assert_eq!(read, expected.collect::<Vec<_>>());
        }
        assert_eq!(headlines.of(&paths[..1], Duration::ZERO).len(), 1);
        assert_eq!(headlines.0.len(), 1);
    }
}
