//! Pairs the metrics of two runs.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Direction, Metric, Metrics};
use serde::Serialize;

/// A metric, with its values in the two runs.
#[derive(Serialize)]
pub(super) struct MetricPair {
    pub port: String,
    pub metric: String,
    pub a: Option<f64>,
    pub b: Option<f64>,
    /// 95 % intervals, where they were computed.
    pub a_interval: Option<[f64; 2]>,
    pub b_interval: Option<[f64; 2]>,
    /// `b - a`.
    pub difference: Option<f64>,
    /// `None` if neither higher nor lower values are better.
    pub direction: Option<Direction>,
    /// How `b` compares with `a`; `None` without two values or a direction.
    pub verdict: Option<MetricChange>,
    /// Whether the intervals do not overlap; `None` unless there are two.
    pub apart: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum MetricChange {
    Better,
    Worse,
    Equal,
}

impl MetricChange {
    fn of(difference: f64, direction: Direction) -> Self {
        let gain = match direction {
            Direction::Maximize => difference,
            Direction::Minimize => -difference,
        };
        match gain {
            0.0 => Self::Equal,
            _ if gain > 0.0 => Self::Better,
            _ => Self::Worse,
        }
    }
}

/// All metrics of two stages, by port and name.
pub(super) fn paired(
    a: &BTreeMap<String, Metrics>,
    b: &BTreeMap<String, Metrics>,
) -> Vec<MetricPair> {
    let names = |of: &BTreeMap<String, Metrics>| -> Vec<(String, String)> {
        let ports = of.iter();
        let names = ports.flat_map(|(port, metrics)| {
            metrics.keys().map(|metric| (port.clone(), metric.clone()))
        });
        names.collect()
    };
    let all: BTreeSet<_> = names(a).into_iter().chain(names(b)).collect();
    let pairs = all.into_iter().filter_map(|(port, metric)| {
        let of = |side: &BTreeMap<String, Metrics>| side.get(&port)?.get(&metric).cloned();
        let (a, b) = (of(a), of(b));
        let direction = b.as_ref().or(a.as_ref())?.direction;
        let interval = |metric: &Option<Metric>| metric.as_ref().and_then(|m| m.interval);
        let (a_interval, b_interval) = (interval(&a), interval(&b));
        let value = |metric: Option<Metric>| metric.map(|m| m.value).filter(|v| v.is_finite());
        let (a, b) = (value(a), value(b));
        let difference = a.zip(b).map(|(a, b)| b - a);
        let both = a_interval.zip(b_interval);
        Some(MetricPair {
            difference,
            direction,
            verdict: difference
                .zip(direction)
                .map(|(difference, direction)| MetricChange::of(difference, direction)),
            apart: both.map(|(a, b)| a[1] < b[0] || b[1] < a[0]),
            port,
            metric,
            a,
            b,
            a_interval,
            b_interval,
        })
    });
    pairs.collect()
}
