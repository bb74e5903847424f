//! Differences between the metrics of a run and those of earlier runs.

use std::collections::{BTreeSet, HashMap};

use engine::run::run_metrics::{InstanceMetrics, Measured, pooled};

use super::{chosen, name, signed};

/// Maximum number of changes that are listed in a sentence.
const MOST_CHANGES: usize = 3;

/// An earlier run.
pub struct Before<'a> {
    /// The run's id.
    pub run: &'a str,
    pub instances: Vec<&'a InstanceMetrics>,
}

/// A metric whose value differs from that of an earlier run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change<'a> {
    /// `evaluate[model1].f1`
    pub name: String,
    /// `evaluate[model1]`
    instance: &'a str,
    pub difference: f64,
    /// The run that it is compared with: the newest one that has this metric. Its age is its position among the
    /// earlier runs, because ids of the same second are in no order.
    run: (usize, &'a str),
    /// `true` if the values are those of other test images.
    has_other_images: bool,
}

/// Metrics of earlier runs: of each, the newest value.
pub(super) struct Earlier<'a>(HashMap<[&'a str; 3], ((usize, &'a str), Measured<'a>)>);

impl<'a> Earlier<'a> {
    /// Collects the metrics of runs, newest first.
    pub(super) fn new(runs: &'a [Before<'a>]) -> Self {
        let mut found = HashMap::new();
        for (age, before) in runs.iter().enumerate() {
            let all = pooled(&before.instances);
            for one in all.into_iter().filter(|one| one.mean().is_some()) {
                let key = [one.instance, one.port, one.name];
                found.entry(key).or_insert(((age, before.run), one));
            }
        }
        Self(found)
    }

    /// Compares a metric; `None` if it is the same or one of the values is missing.
    pub(super) fn change<'n>(&'n self, now: &Measured<'n>) -> Option<Change<'n>> {
        let (run, was) = self.0.get(&[now.instance, now.port, now.name])?;
        // The same measure of another class is another metric.
        if now.class() != was.class() {
            return None;
        }
        let difference = now.mean()? - was.mean()?;
        (difference != 0.0 && difference.is_finite()).then(|| Change {
            name: now.full_name(),
            instance: now.instance,
            difference,
            run: *run,
            has_other_images: now.tests_other_images(was),
        })
    }
}

/// `run a, with other test images`: what changes are compared with.
pub(super) fn since(changes: &[Change<'_>]) -> String {
    let runs: BTreeSet<(usize, &str)> = changes.iter().map(|change| change.run).collect();
    let runs: Vec<String> = runs.into_iter().map(|(_, run)| name(run)).collect();
    let runs = match runs.as_slice() {
        [run] => format!("run {run}"),
        several => format!("the last run with the metric ({})", several.join(", ")),
    };
    let others: BTreeSet<&str> = changes
        .iter()
        .filter(|change| change.has_other_images)
        .map(|change| change.instance)
        .collect();
    let is_all = changes.iter().all(|change| change.has_other_images);
    match (others.is_empty(), is_all) {
        (true, _) => runs,
        (false, true) => format!("{runs}, with other test images"),
        (false, false) => {
            let others: Vec<String> = others.into_iter().map(name).collect();
            format!("{runs}; other test images in {}", others.join(", "))
        }
    }
}

/// Describes the headline metrics that differ from those of earlier runs, newest first:
/// `since run a: evaluate[model1].f1 +0.013, evaluate[model2].f1 -0.002 and 4 more`. `None` if there are none. Those that
/// no earlier run has are left out.
pub fn changes(now: &[&InstanceMetrics], before: &[Before<'_>]) -> Option<String> {
    let now = pooled(now);
    let earlier = Earlier::new(before);
    let chosen = chosen(&now);
    let changes: Vec<Change<'_>> = chosen
        .iter()
        .filter_map(|one| earlier.change(one))
        .collect();
    if changes.is_empty() {
        return None;
    }
    let listed = changes.iter().take(MOST_CHANGES);
    let listed: Vec<String> = listed
        .map(|change| format!("{} {}", name(&change.name), signed(change.difference)))
        .collect();
    let more = match changes.len().saturating_sub(MOST_CHANGES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "since {}: {}{more}",
        since(&changes),
        listed.join(", ")
    ))
}
