//! Data of the hyperparameters plugin: an experiment, and a session for each instance that measured results.

use std::collections::BTreeMap;

use engine::event::RunState;
use serde_json::Value;

use super::events::{Events, seconds};
use super::metric_tag;
use super::proto::{
    DataType, Domain, EXPERIMENT, Experiment, HParam, HParamsData, Interval, List, MetricInfo,
    MetricName, Plain, PlainKind, SESSION_END, SESSION_START, SessionEnd, SessionStart, Status,
};
use crate::record::{Instance, Record};

/// Longest text of a hyperparameter in bytes. Longer ones, such as lists of layers, are not hyperparameters.
const LONGEST: usize = 100;

/// The sessions of a run, by the positions of their instances.
pub(super) struct Sessions {
    /// Hyperparameters of each session.
    params: BTreeMap<usize, BTreeMap<String, Value>>,
}

impl Sessions {
    pub(super) fn of(record: &Record<'_>) -> Self {
        let results = record.results().into_iter();
        let params = results.map(|at| {
            let lineage = record.lineage(at);
            let axes = record.axes_of(&lineage).into_iter();
            let axes = axes.map(|(axis, value)| (axis, number_or_text(value)));
            let params = record.params_of(&lineage).into_iter();
            let params = params.filter(|(_, value)| is_short(value));
            (at, axes.chain(params).collect())
        });
        Self {
            params: params.collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.params.is_empty()
    }

    /// Adds the session of an instance, if it has one.
    pub(super) fn add(&self, record: &Record<'_>, at: usize, events: &mut Events) {
        let Some(params) = self.params.get(&at) else {
            return;
        };
        let instance = &record.instances[at];
        let started = instance.started.unwrap_or(record.started);
        let params = params.iter();
        let start = SessionStart {
            hparams: params
                .map(|(name, value)| (name.clone(), plain(value)))
                .collect(),
            group_name: format!("{} {}", record.report.run, instance.name),
            start_time_secs: seconds(started),
        };
        events.hparams(SESSION_START, HParamsData::SessionStart(start));
        let end = SessionEnd {
            status: status(record, instance).into(),
            end_time_secs: seconds(record.time_of(instance)),
        };
        events.hparams(SESSION_END, HParamsData::SessionEnd(end));
    }

    /// Adds the experiment: all hyperparameters, and the most important metrics.
    pub(super) fn add_experiment(&self, record: &Record<'_>, events: &mut Events) {
        let report = record.report;
        let mut description = format!("run {}, runner {}", report.run, report.runner);
        if let Some(commit) = &report.commit {
            description += &format!(", commit {commit}");
        }
        let experiment = Experiment {
            name: report.pipeline.clone(),
            description,
            time_created_secs: seconds(record.started),
            hparams: self.infos(),
            metrics: self.metrics(record),
        };
        events.hparams(EXPERIMENT, HParamsData::Experiment(experiment));
    }

    fn infos(&self) -> Vec<HParam> {
        let mut values: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for (name, value) in self.params.values().flatten() {
            values.entry(name).or_default().push(value);
        }
        let sessions = self.params.len();
        values
            .into_iter()
            .map(|(name, values)| info(name, values, sessions))
            .collect()
    }

    fn metrics(&self, record: &Record<'_>) -> Vec<MetricInfo> {
        let mut names: Vec<&str> = Vec::new();
        for &at in self.params.keys() {
            let instance = &record.instances[at];
            let known = instance.headline.iter();
            let known = known.filter(|name| instance.metrics.contains_key(*name));
            for name in known {
                if !names.contains(&&**name) {
                    names.push(name);
                }
            }
        }
        let names = names.into_iter();
        names
            .map(|name| MetricInfo {
                name: Some(MetricName {
                    group: String::new(),
                    tag: metric_tag(name),
                }),
                display_name: name.to_owned(),
            })
            .collect()
    }
}

/// Values on axes are texts. As a number, a value gets a scale.
fn number_or_text(value: String) -> Value {
    let number = value.parse().ok().and_then(serde_json::Number::from_f64);
    number.map_or(Value::String(value), Value::Number)
}

fn is_short(value: &Value) -> bool {
    value.as_str().is_none_or(|text| text.len() <= LONGEST)
}

/// Describes a hyperparameter by its values in those of all `sessions` that have it.
fn info(name: &str, values: Vec<&Value>, sessions: usize) -> HParam {
    let differs = values.len() < sessions || values.iter().any(|value| *value != values[0]);
    let numbers: Option<Vec<f64>> = values.iter().map(|value| value.as_f64()).collect();
    let (data_type, domain) = match numbers {
        Some(numbers) => {
            let fold = |of: fn(f64, f64) -> f64| numbers.iter().copied().reduce(of);
            let interval = Interval {
                min: fold(f64::min).unwrap_or_default(),
                max: fold(f64::max).unwrap_or_default(),
            };
            (DataType::Float64, Domain::Interval(interval))
        }
        None => {
            let mut distinct: Vec<&Value> = Vec::new();
            for value in &values {
                if !distinct.contains(value) {
                    distinct.push(value);
                }
            }
            let data_type = match values.iter().all(|value| value.is_boolean()) {
                true => DataType::Bool,
                // Values of several types are compared as texts.
                false => DataType::String,
            };
            let values = distinct.into_iter().map(plain).collect();
            (data_type, Domain::Discrete(List { values }))
        }
    };
    HParam {
        name: name.to_owned(),
        data_type: data_type.into(),
        domain: Some(domain),
        differs,
    }
}

fn plain(value: &Value) -> Plain {
    let kind = match value {
        Value::Bool(value) => PlainKind::Bool(*value),
        Value::Number(number) => PlainKind::Number(number.as_f64().unwrap_or(f64::NAN)),
        other => PlainKind::Text(crate::params::text(other)),
    };
    Plain { kind: Some(kind) }
}

fn status(record: &Record<'_>, instance: &Instance) -> Status {
    match (instance.outcome, record.report.state) {
        (Some(outcome), _) if outcome.has_outputs() => Status::Success,
        (Some(_), _) => Status::Failure,
        (None, RunState::Running) => Status::Running,
        (None, _) => Status::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hyperparameters_differ_if_a_session_lacks_them() {
        let found = info("rate", vec![&json!(0.1), &json!(1)], 2);
        assert_eq!(found.data_type(), DataType::Float64);
        assert_eq!(
            found.domain,
            Some(Domain::Interval(Interval { min: 0.1, max: 1.0 }))
        );
        assert!(found.differs);
        assert!(!info("a", vec![&json!("x"), &json!("x")], 2).differs);
        assert!(info("a", vec![&json!("x")], 2).differs);
        assert_eq!(info("a", vec![&json!(true)], 1).data_type(), DataType::Bool);
        assert_eq!(
            info("a", vec![&json!(true), &json!(1)], 2).data_type(),
            DataType::String
        );
    }
}
