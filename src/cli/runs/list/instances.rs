//! Values of parameters and metrics over the instances of a run.

use std::collections::HashMap;

use contract::Metric;
use engine::run::run_metrics::{InstanceMetrics, pooled};
use engine::spec::suggest;
use serde_json::Value as Json;

use super::value::Value;

/// Maximum number of different values of a parameter that are listed.
const MOST_VALUES: usize = 3;

/// Names of the columns that an instance can fill.
pub(super) fn names_of(instance: &InstanceMetrics) -> Vec<String> {
    let stage = &instance.stage;
    let params = instance.params.keys().filter(|param| !is_port(param));
    let params = params.map(|param| format!("{stage}.{param}"));
    let all = pooled(&[instance]);
    let metrics = all.iter().map(|one| format!("{stage}.{}", one.metric()));
    params.chain(metrics).collect()
}

/// `true` if a parameter names the file that a program writes to an output port.
fn is_port(param: &str) -> bool {
    param == "metrics" || param.starts_with("metrics.") || param.starts_with("outputs.")
}

/// Returns the part of a column's name after the instance or its stage: `f1` in `evaluate[model1].f1`.
pub(super) fn rest<'n>(column: &'n str, instance: &InstanceMetrics) -> Option<&'n str> {
    let names = [&instance.name, &instance.in_copy, &instance.stage];
    let mut names = names.into_iter();
    names.find_map(|name| column.strip_prefix(name.as_str())?.strip_prefix('.'))
}

/// Finds a metric: `f1`, `metrics.f1`, or `history.loss` with the name of its port.
pub(super) fn metric<'a>(instance: &'a InstanceMetrics, name: &str) -> Option<&'a Metric> {
    let found = instance.metric(name);
    found.or_else(|| instance.metric(name.strip_prefix("metrics.")?))
}

/// Finds a parameter: `epochs` or `params.epochs`.
fn param<'a>(instance: &'a InstanceMetrics, name: &str) -> Option<&'a Json> {
    let short = name.strip_prefix("params.").unwrap_or(name);
    instance.params.get(name).or(instance.params.get(short))
}

/// The value of a metric or parameter.
pub(super) fn of_instances(column: &str, instances: &[&InstanceMetrics]) -> Value {
    let meant: Vec<&InstanceMetrics> = instances
        .iter()
        .copied()
        .filter(|instance| rest(column, instance).is_some())
        .collect();
    // The values of each instance within one copy of the pipeline.
    let mut groups: Vec<Vec<f64>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let (mut is_measured, mut has_direction) = (false, false);
    for instance in &meant {
        let metric = rest(column, instance).and_then(|name| metric(instance, name));
        is_measured |= metric.is_some();
        has_direction |= metric.is_some_and(|metric| metric.direction.is_some());
        let Some(value) = metric.map(|metric| metric.value).filter(|v| v.is_finite()) else {
            continue;
        };
        // Seeds follow one another only within a copy.
        let place = *places.entry(&instance.in_copy).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(values) => values.push(value),
            None => groups.push(vec![value]),
        }
    }
    let mean = |values: &Vec<f64>| {
        let count = values.len() as f64;
        values.iter().map(|value| value / count).sum()
    };
    let means: Vec<f64> = groups.iter().map(mean).collect();
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
