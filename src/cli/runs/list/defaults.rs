//! The columns that are shown unless others are chosen.

use std::collections::HashMap;

use engine::spec::suggest;

use super::column::Column;
use super::entry::Entry;

/// Maximum number of metrics that are shown by default.
const MOST_METRICS: usize = 4;

/// Returns the columns that are shown unless others are chosen: those about the runs, options that differ, axes of trials,
/// objectives of sweeps, the headline metrics that most entries have, and the column that entries are sorted by.
pub(super) fn defaults(entries: &[Entry<'_>], sort: Option<&str>) -> Vec<Column> {
    let about_runs = ["pipeline", "state", "started", "took", "stages"];
    let about_trials = ["pipeline", "state", "took"];
    let mut names: Vec<String> = match entries.iter().all(|entry| entry.trial().is_some()) {
        true => about_trials.map(str::to_owned).to_vec(),
        false => about_runs.map(str::to_owned).to_vec(),
    };
    let differs = |value: &dyn Fn(&Entry<'_>) -> Option<String>| {
        let mut values = entries.iter().map(value);
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    if differs(&|entry| entry.run.report.profile.clone()) {
        names.push("profile".to_owned());
    }
    let mut candidates: Vec<String> = Vec::new();
    for entry in entries {
        let sets = entry.run.report.sets.iter();
        let sets = sets.filter_map(|set| Some(set.split_once('=')?.0.to_owned()));
        let axes = entry.trial().into_iter().flat_map(|trial| &trial.values);
        for candidate in sets.chain(axes.map(|(axis, _)| axis.clone())) {
            if !candidates.contains(&candidate) {
                candidates.push(candidate);
            }
        }
    }
    for candidate in candidates {
        let column = Column::named(&candidate);
        if differs(&|entry| Some(column.value(entry).exact().join(" to "))) {
            names.push(candidate);
        }
    }
    names.extend(
        entries
            .iter()
            .filter_map(|entry| Some(entry.objective()?.to_owned())),
    );
    names.extend(headlines(entries));
    let sort = sort.map(|sort| sort.strip_prefix('-').unwrap_or(sort));
    names.extend(sort.map(str::to_owned));
    let names = suggest::distinct(names.iter().map(String::as_str));
    names.into_iter().map(Column::named).collect()
}

/// The headline metrics that most entries have, by stage: `evaluate.f1`.
fn headlines(entries: &[Entry<'_>]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut counts: HashMap<String, usize> = HashMap::new();
    for entry in entries {
        let mut names: [Vec<String>; 2] = Default::default();
        for instance in entry.instances() {
            for (position, port) in instance.ports.iter().enumerate() {
                let prefix = match position {
                    0 => instance.stage.clone(),
                    _ => format!("{}.{}", instance.stage, port.port),
                };
                let of_port = port.headline.iter().map(|name| format!("{prefix}.{name}"));
                names[usize::from(port.is_secondary)].extend(of_port);
            }
        }
        let [primary, secondary] = names;
        let names = if primary.is_empty() {
            secondary
        } else {
            primary
        };
        for name in suggest::distinct(names.iter().map(String::as_str)) {
            if !counts.contains_key(name) {
                found.push(name.to_owned());
            }
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }
    // The sort is stable: of equally common metrics, those of newer runs come first.
    found.sort_by_key(|name| std::cmp::Reverse(counts[name]));
    found.truncate(MOST_METRICS);
    found
}
