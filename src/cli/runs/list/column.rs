//! [`Column`]: what a column shows, and its values.

use std::cmp::Ordering;
use std::collections::HashMap;

use engine::error::Error;
use engine::run::run_metrics::{InstanceMetrics, pooled};
use engine::spec::suggest;
use engine::wording;
use serde_json::{Value as Json, json};

use super::entry::{Entry, name};
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

/// A value in a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Missing,
    Text(String),
    /// A text, and the number that it is sorted by.
    Quantity(String, f64),
    /// The least and the greatest value of several instances, and their number.
    Numbers {
        low: f64,
        high: f64,
        count: usize,
        /// Whether it was measured, so that three decimals are enough.
        is_measured: bool,
    },
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

/// The columns that are shown unless others are chosen: those about the runs, options that differ, axes of trials, the
/// headline metrics that most entries have, and the column that entries are sorted by.
pub(super) fn defaults(entries: &[Entry<'_>], sort: Option<&str>) -> Vec<Column> {
    let mut names: Vec<String> = ["pipeline", "state", "started", "took", "stages"]
        .map(str::to_owned)
        .to_vec();
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
        if differs(&|entry| Some(column.value(entry).exact())) {
            names.push(candidate);
        }
    }
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
        let instances = entry.instances();
        let all = pooled(&instances);
        let headline = |is_secondary: bool| {
            let all = all.iter().filter(|one| one.headline.is_some());
            let all = all.filter(|one| one.is_secondary == is_secondary);
            let names: Vec<String> = all
                .map(|one| format!("{}.{}", one.stage, one.metric()))
                .collect();
            names
        };
        let mut names = headline(false);
        if names.is_empty() {
            names = headline(true);
        }
        for name in suggest::distinct(names.iter().map(String::as_str)) {
            *counts.entry(name.to_owned()).or_default() += 1;
            if !found.iter().any(|known| known == name) {
                found.push(name.to_owned());
            }
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
        for entry in entries {
            let sets = entry.run.report.sets.iter();
            known.extend(sets.filter_map(|set| Some(set.split_once('=')?.0.to_owned())));
            for instance in entry.instances() {
                known.extend(names_of(instance));
            }
        }
        let name = &self.name;
        let hint = suggest::hint("columns", name, known.iter().map(String::as_str));
        let hint = hint.map_or(String::new(), |hint| format!("; {hint}"));
        let message = format!("no run has a parameter or metric `{name}`{hint}");
        Err(Error::Usage(message))
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
            "started" => Value::Text(when(&report.started)),
            "took" => Value::Quantity(wording::duration(report.seconds), report.seconds),
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
    let params = instance.params.keys();
    let params = params.map(|param| format!("{stage}.{param}"));
    let all = pooled(&[instance]);
    let metrics = all.iter().map(|one| format!("{stage}.{}", one.metric()));
    params.chain(metrics).collect()
}

/// What follows the name of an instance or of its stage in the name of a column: `f1` in `evaluate[model1].f1`.
fn rest<'n>(column: &'n str, instance: &InstanceMetrics) -> Option<&'n str> {
    let names = [&instance.name, &instance.in_copy, &instance.stage];
    let mut names = names.into_iter();
    names.find_map(|name| column.strip_prefix(name.as_str())?.strip_prefix('.'))
}

/// The value of a metric or parameter.
fn of_instances(column: &str, instances: &[&InstanceMetrics]) -> Value {
    let meant: Vec<&InstanceMetrics> = instances
        .iter()
        .copied()
        .filter(|instance| rest(column, instance).is_some())
        .collect();
    let all = pooled(&meant);
    let is_meant = |one: &&engine::run::run_metrics::Measured<'_>| {
        let full = [one.stage, one.instance].map(|of| format!("{of}.{}", one.metric()));
        let of_instance = one.values.iter();
        let mut of_instance = of_instance.map(|(name, _)| format!("{name}.{}", one.metric()));
        full.iter().any(|name| name == column) || of_instance.any(|name| name == column)
    };
    let means = all.iter().filter(is_meant).filter_map(|one| one.mean());
    let means: Vec<f64> = means.collect();
    if !means.is_empty() {
        return Value::of_numbers(&means, true);
    }
    let params: Vec<&Json> = meant
        .iter()
        .filter_map(|instance| {
            let rest = rest(column, instance)?;
            let short = rest.strip_prefix("params.").unwrap_or(rest);
            instance.params.get(rest).or(instance.params.get(short))
        })
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

impl Value {
    fn of_text(text: Option<&str>) -> Self {
        text.map_or(Self::Missing, |text| Self::Text(text.to_owned()))
    }

    /// A number if the text is one.
    fn parsed(text: &str) -> Self {
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Self::Quantity(text.to_owned(), number),
            _ => Self::Text(text.to_owned()),
        }
    }

    fn of_numbers(numbers: &[f64], is_measured: bool) -> Self {
        Self::Numbers {
            low: numbers.iter().copied().fold(f64::INFINITY, f64::min),
            high: numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            count: numbers.len(),
            is_measured,
        }
    }

    pub(super) fn is_number_or_missing(&self) -> bool {
        !matches!(self, Self::Text(_))
    }

    /// The value for display, on one line: `0.765 to 0.921 (6)` for several instances.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Missing => "-".to_owned(),
            Self::Text(text) | Self::Quantity(text, _) => name(text),
            Self::Numbers {
                low,
                high,
                count,
                is_measured,
            } => {
                let text = |number: f64| match is_measured {
                    true => wording::measured(number),
                    false => wording::exact(number),
                };
                match low == high {
                    true => text(*low),
                    false => format!("{} to {} ({count})", text(*low), text(*high)),
                }
            }
        }
    }

    /// The value in full precision; an empty string if it is missing.
    pub(super) fn exact(&self) -> String {
        match self {
            Self::Missing => String::new(),
            Self::Text(text) | Self::Quantity(text, _) => text.clone(),
            Self::Numbers { low, high, .. } if low == high => wording::exact(*low),
            Self::Numbers { low, high, .. } => {
                format!("{} to {}", wording::exact(*low), wording::exact(*high))
            }
        }
    }

    pub(super) fn json(&self) -> Json {
        match self {
            Self::Missing => Json::Null,
            Self::Text(text) => json!(text),
            Self::Quantity(_, number) => json!(number),
            Self::Numbers { low, high, .. } if low == high => json!(low),
            Self::Numbers {
                low, high, count, ..
            } => json!({ "low": low, "high": high, "count": count }),
        }
    }

    /// The key to sort by. Missing values come last in both directions, and numbers come before texts if the least value
    /// comes first. Of several instances, the greatest value counts if the greatest comes first, and the least otherwise.
    pub(super) fn key(&self, is_descending: bool) -> SortKey {
        let number = |number: f64| SortKey::Number(if is_descending { -number } else { number });
        match self {
            Self::Missing => SortKey::Missing,
            Self::Text(text) => SortKey::Text(text.clone(), is_descending),
            Self::Quantity(_, value) => number(*value),
            Self::Numbers { low, high, .. } => number(if is_descending { *high } else { *low }),
        }
    }
}

/// See [`Value::key`].
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SortKey {
    Number(f64),
    /// A text, and whether the greatest comes first.
    Text(String, bool),
    Missing,
}

impl Eq for SortKey {}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a, false), Self::Text(b, _)) => a.cmp(b),
            (Self::Text(a, true), Self::Text(b, _)) => b.cmp(a),
            (Self::Missing, Self::Missing) => Ordering::Equal,
            (Self::Number(_), _) | (Self::Text(..), Self::Missing) => Ordering::Less,
            (_, Self::Number(_)) | (Self::Missing, Self::Text(..)) => Ordering::Greater,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Value, names};

    #[test]
    fn commas_in_brackets_belong_to_a_name() {
        assert_eq!(
            names("state, evaluate[a,b].f1,cnn.rate").unwrap(),
            ["state", "evaluate[a,b].f1", "cnn.rate"]
        );
        names("state,,took").unwrap_err();
        names("").unwrap_err();
    }

    #[test]
    fn missing_values_are_last_in_both_directions() {
        let mut values = [
            Value::Missing,
            Value::of_numbers(&[0.5, 0.9], true),
            Value::parsed("0.7"),
            Value::Text("none".to_owned()),
        ];
        let texts = |values: &[Value]| values.iter().map(Value::text).collect::<Vec<_>>();
        values.sort_by_cached_key(|value| value.key(false));
        assert_eq!(texts(&values), ["0.500 to 0.900 (2)", "0.7", "none", "-"]);
        values.sort_by_cached_key(|value| value.key(true));
        assert_eq!(texts(&values), ["0.500 to 0.900 (2)", "0.7", "none", "-"]);
        let mut values = [Value::parsed("2"), Value::parsed("10")];
        values.sort_by_cached_key(|value| value.key(true));
        assert_eq!(texts(&values), ["10", "2"]);
    }
}
