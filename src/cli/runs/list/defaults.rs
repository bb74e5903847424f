//! The columns that are shown unless others are chosen.

use std::cmp::Reverse;

use engine::run::run_metrics::InstanceMetrics;
use engine::spec::suggest;

use super::column::Column;
use super::entry::Entry;
use super::instances::rest;

/// Maximum number of metrics that are shown by default.
const MOST_METRICS: usize = 4;

/// Returns the columns that are shown unless others are chosen: those about the runs, options that differ, axes of
/// trials, objectives of sweeps, the most important headline metrics, and the column that entries are sorted by.
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
    let objectives: Vec<&str> = entries.iter().filter_map(Entry::objective).collect();
    names.extend(objectives.iter().map(|&objective| objective.to_owned()));
    let runs: Vec<Vec<&InstanceMetrics>> = entries.iter().map(Entry::instances).collect();
    names.extend(headlines(&runs, &objectives));
    let sort = sort.map(|sort| sort.strip_prefix('-').unwrap_or(sort));
    names.extend(sort.map(str::to_owned));
    let names = suggest::distinct(names.iter().map(String::as_str));
    names.into_iter().map(Column::named).collect()
}

/// Importance of a metric among those that are shown by default. The least comes first.
///
/// | what measures it | importance |
/// | --- | --- |
/// | a stage that measures results, such as `evaluate` | first |
/// | such a stage that also has the objective of a sweep, so that trials were chosen by it | second |
/// | a training, or another port with secondary metrics | last |
///
/// Of equal ones, those that most runs have come first.
type Importance = (bool, bool, Reverse<usize>);

/// The most important headline metrics of `runs`, newest first, by stage: `evaluate.f1`. `objectives` are the metrics
/// that sweeps rank their trials by.
fn headlines(runs: &[Vec<&InstanceMetrics>], objectives: &[&str]) -> Vec<String> {
    let mut found: Vec<(String, Importance)> = Vec::new();
    for run in runs {
        let mut of_run: Vec<(String, bool, bool)> = Vec::new();
        for instance in run {
            let chooses = objectives.iter().any(|name| rest(name, instance).is_some());
            for (position, port) in instance.ports.iter().enumerate() {
                let prefix = match position {
                    0 => instance.stage.clone(),
                    _ => format!("{}.{}", instance.stage, port.port),
                };
                for metric in &port.headline {
                    let name = format!("{prefix}.{metric}");
                    if !of_run.iter().any(|(known, ..)| *known == name) {
                        of_run.push((name, port.is_secondary, chooses));
                    }
                }
            }
        }
        let has_primary = of_run.iter().any(|(_, is_secondary, _)| !is_secondary);
        of_run.retain(|(_, is_secondary, _)| !(has_primary && *is_secondary));
        for (name, is_secondary, chooses) in of_run {
            match found.iter_mut().find(|(known, _)| *known == name) {
                Some((_, (_, _, count))) => count.0 += 1,
                None => found.push((name, (is_secondary, chooses, Reverse(1)))),
            }
        }
    }
    // The sort is stable: of equally important metrics, those of newer runs come first.
    found.sort_by_key(|(_, importance)| *importance);
    found.truncate(MOST_METRICS);
    found.into_iter().map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use engine::run::run_metrics::{InstanceMetrics, PortMetrics};

    use super::headlines;

    fn instance(stage: &str, headline: &[&str], is_secondary: bool) -> InstanceMetrics {
        InstanceMetrics {
            name: stage.to_owned(),
            in_copy: stage.to_owned(),
            stage: stage.to_owned(),
            ports: vec![PortMetrics {
                port: "metrics".to_owned(),
                headline: headline.iter().map(|&name| name.to_owned()).collect(),
                is_secondary,
                ..PortMetrics::default()
            }],
            ..InstanceMetrics::default()
        }
    }

    #[test]
    fn results_come_before_what_a_sweep_chose_by_and_before_trainings() {
        let cnn = instance("cnn", &["loss"], true);
        let validate = instance("validate", &["f1", "auc"], false);
        let evaluate = instance("evaluate", &["f1", "auc", "accuracy"], false);
        let whole = [vec![&cnn, &validate, &evaluate]];
        let failed = vec![&cnn];
        assert_eq!(
            headlines(&whole, &["validate.f1"]),
            [
                "evaluate.f1",
                "evaluate.auc",
                "evaluate.accuracy",
                "validate.f1"
            ]
        );
        assert_eq!(
            headlines(&whole, &[]),
            ["validate.f1", "validate.auc", "evaluate.f1", "evaluate.auc"]
        );
        // More runs have only the training's metric, which comes last nevertheless.
        let short = vec![&cnn, &validate];
        assert_eq!(
            headlines(&[failed.clone(), short, failed.clone()], &[]),
            ["validate.f1", "validate.auc", "cnn.loss"]
        );
        assert_eq!(headlines(&[failed], &[]), ["cnn.loss"]);
    }
}
