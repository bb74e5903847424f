//! [`Column`]: what a column shows, and its values.

use std::collections::HashMap;

use contract::Metric;
use engine::error::Error;
use engine::run::run_metrics::{InstanceMetrics, pooled};
use engine::spec::suggest;
use engine::wording;
use serde_json::Value as Json;

use super::entry::{Entry, name};
use super::value::Value;
use crate::cli::record_text::{options, when};

/// Maximum number of metrics that are shown by default.
const MOST_METRICS: usize = 4;
/// Maximum number of different values of a parameter that are listed.
const MOST_VALUES: usize = 3;

/// Columns about the run itself.
const BUILT_IN: [&str; 7] = [
    "pipeline", "profile", "state", "started", "took", "stages", "options",
];

/// A column of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    name: String,
}

/// Splits names that are separated by commas. Commas in brackets belong to the name of an instance.
pub(super) fn names(text: &str) -> Result<Vec<String>, String> {
    let (mut names, mut depth) = (vec![String::new()], 0usize);
    for character in text.chars() {
        match character {
            ',' if depth == 0 => {
                names.push(String::new());
                continue;
            }
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if let Some(last) = names.last_mut() {
            last.push(character);
        }
    }
    let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
    match names.iter().any(String::is_empty) {
        true => Err("a name of a column is empty".to_owned()),
        false => Ok(names),
    }
}

/// The columns that are shown unless others are chosen: those about the runs, options that differ, axes of trials,
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

/// The heads of all columns.
pub(super) fn heads(columns: &[Column]) -> Vec<String> {
    let columns = columns.iter().map(|column| name(&column.name));
    std::iter::once("run".to_owned()).chain(columns).collect()
}

impl Column {
    pub(super) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Rejects a column that no entry has, if there are entries.
    pub(super) fn check(&self, entries: &[Entry<'_>]) -> Result<(), Error> {
        let has_value = |entry: &Entry<'_>| self.value(entry) != Value::Missing;
        let is_built_in = BUILT_IN.contains(&self.name.as_str());
        if entries.is_empty() || is_built_in || entries.iter().any(has_value) {
            return Ok(());
        }
        let mut known: Vec<String> = BUILT_IN.map(str::to_owned).to_vec();
        let end = format!(".{}", self.name);
        for entry in entries {
            let sets = entry.run.report.sets.iter();
            known.extend(sets.filter_map(|set| Some(set.split_once('=')?.0.to_owned())));
            for instance in entry.instances() {
                known.extend(names_of(instance));
            }
        }
        let name = &self.name;
        // The name of a metric without its stage.
        let whole = known.iter().find(|known| known.ends_with(&end));
        let hint = match whole {
            Some(whole) => Some(format!("did you mean `{whole}`?")),
            None => suggest::hint("columns", name, known.iter().map(String::as_str)),
        };
        let hint = hint.map_or(String::new(), |hint| format!("; {hint}"));
        let message = format!("no run has a parameter or metric `{name}`{hint}");
        Err(Error::Usage(message))
    }

    /// If the name is that of a parameter and of a metric, returns the unambiguous names of both: `cnn.params.epochs` and
    /// `cnn.metrics.epochs`.
    pub(super) fn both(&self, entries: &[Entry<'_>]) -> Option<[Self; 2]> {
        let is_given = |entry: &Entry<'_>| {
            let axes = entry.trial().map(|trial| trial.values.as_slice());
            let mut axes = axes.unwrap_or_default().iter();
            axes.any(|(axis, _)| *axis == self.name) || entry.set(&self.name).is_some()
        };
        if entries.iter().any(is_given) {
            return None;
        }
        let of_entry = |entry: &Entry<'_>| {
            let instances = entry.instances();
            instances.into_iter().find_map(|instance| {
                let name = rest(&self.name, instance)?;
                let is_both =
                    metric(instance, name).is_some() && instance.params.contains_key(name);
                let stage = self.name.strip_suffix(name)?;
                let column = |what: &str| Self::named(&format!("{stage}{what}.{name}"));
                is_both.then(|| [column("params"), column("metrics")])
            })
        };
        entries.iter().find_map(of_entry)
    }

    /// The value of an entry.
    pub(super) fn value(&self, entry: &Entry<'_>) -> Value {
        let report = &entry.run.report;
        match self.name.as_str() {
            "pipeline" => Value::Text(report.pipeline.clone()),
            "profile" => Value::of_text(report.profile.as_deref()),
            "state" => Value::Text(match entry.trial() {
                Some(trial) => trial.state.clone(),
                None => report.state.to_string(),
            }),
            // The stages of a trial do not start together, and trials share stages.
            "started" | "stages" if entry.trial().is_some() => Value::Missing,
            "started" => Value::Text(when(&report.started)),
            "took" => match entry.seconds() {
                Some(seconds) => Value::Seconds(seconds),
                None => Value::Missing,
            },
            "stages" => Value::Text(wording::counts(&report.counts)),
            "options" => Value::Text(options(report)),
            name => {
                let axes = entry.trial().map(|trial| trial.values.as_slice());
                let mut axes = axes.unwrap_or_default().iter();
                let axis = axes.find(|(axis, _)| axis == name);
                let given = axis
                    .map(|(_, value)| value.as_str())
                    .or_else(|| entry.set(name));
                match given {
                    Some(text) => Value::parsed(text),
                    None => of_instances(name, &entry.instances()),
                }
            }
        }
    }
}

/// Names of the columns that an instance can fill.
fn names_of(instance: &InstanceMetrics) -> Vec<String> {
    let stage = &instance.stage;
    let params = instance.params.keys().filter(|param| !is_port(param));
    let params = params.map(|param| format!("{stage}.{param}"));
    let all = pooled(&[instance]);
    let metrics = all.iter().map(|one| format!("{stage}.{}", one.metric()));
    params.chain(metrics).collect()
}

/// Whether a parameter says which file a program writes to an output port.
fn is_port(param: &str) -> bool {
    param == "metrics" || param.starts_with("metrics.") || param.starts_with("outputs.")
}

/// Returns the part of a column's name after the instance or its stage: `f1` in `evaluate[model1].f1`.
fn rest<'n>(column: &'n str, instance: &InstanceMetrics) -> Option<&'n str> {
    let names = [&instance.name, &instance.in_copy, &instance.stage];
    let mut names = names.into_iter();
    names.find_map(|name| column.strip_prefix(name.as_str())?.strip_prefix('.'))
}

/// Finds a metric: `f1`, `metrics.f1`, or `history.loss` with the name of its port.
fn metric<'a>(instance: &'a InstanceMetrics, name: &str) -> Option<&'a Metric> {
    let found = instance.metric(name);
    found.or_else(|| instance.metric(name.strip_prefix("metrics.")?))
}

/// Finds a parameter: `epochs` or `params.epochs`.
fn param<'a>(instance: &'a InstanceMetrics, name: &str) -> Option<&'a Json> {
    let short = name.strip_prefix("params.").unwrap_or(name);
    instance.params.get(name).or(instance.params.get(short))
}

/// The value of a metric or parameter.
fn of_instances(column: &str, instances: &[&InstanceMetrics]) -> Value {
    let meant: Vec<&InstanceMetrics> = instances
        .iter()
        .copied()
        .filter(|instance| rest(column, instance).is_some())
        .collect();
    let mut groups: Vec<(&str, Vec<f64>)> = Vec::new();
    let (mut is_measured, mut has_direction) = (false, false);
    for instance in &meant {
        let metric = rest(column, instance).and_then(|name| metric(instance, name));
        is_measured |= metric.is_some();
        has_direction |= metric.is_some_and(|metric| metric.direction.is_some());
        let Some(value) = metric.map(|metric| metric.value).filter(|v| v.is_finite()) else {
            continue;
        };
        // Seeds follow one another only within a copy, so search.
        match groups
            .iter_mut()
            .find(|(name, _)| *name == instance.in_copy)
        {
            Some((_, values)) => values.push(value),
            None => groups.push((&instance.in_copy, vec![value])),
        }
    }
    let mean = |values: &Vec<f64>| {
        let count = values.len() as f64;
        values.iter().map(|value| value / count).sum()
    };
    let means: Vec<f64> = groups.iter().map(|(_, values)| mean(values)).collect();
    if !means.is_empty() {
        // Without decimals if they are counts, such as epochs.
        return Value::of_numbers(
            &means,
            has_direction || means.iter().any(|mean| mean.fract() != 0.0),
        );
    }
    if is_measured {
        return Value::Undefined;
    }
    let params: Vec<&Json> = meant
        .iter()
        .filter_map(|instance| param(instance, rest(column, instance)?))
        .collect();
    let numbers: Option<Vec<f64>> = params.iter().map(|value| value.as_f64()).collect();
    match (numbers, params.first()) {
        (_, None) => Value::Missing,
        (Some(numbers), _) => Value::of_numbers(&numbers, false),
        (None, Some(_)) => {
            let texts: Vec<String> = params
                .iter()
                .map(|value| match value {
                    Json::String(text) => text.clone(),
                    other => other.to_string(),
                })
                .collect();
            let texts = suggest::distinct(texts.iter().map(String::as_str));
            Value::Text(match texts.len() {
                0..=MOST_VALUES => texts.join(", "),
                more => format!("{more} values"),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn commas_in_brackets_belong_to_a_name() {
        assert_eq!(
            names("state, evaluate[a,b].f1,cnn.rate").unwrap(),
            ["state", "evaluate[a,b].f1", "cnn.rate"]
        );
        names("state,,took").unwrap_err();
        names("").unwrap_err();
    }
}
