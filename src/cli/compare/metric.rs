//! Pairs the metrics of two runs.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Direction, Metric, Metrics};
use serde::Serialize;

/// A metric, with its values in the two runs.
#[derive(Serialize)]
pub(super) struct MetricPair {
    pub port: String,
    pub metric: String,
    /// The values; `None` where there is none, or where it is undefined.
    pub a: Option<f64>,
    pub b: Option<f64>,
    /// `true` if the metric is undefined for these images.
    pub a_is_undefined: bool,
    pub b_is_undefined: bool,
    /// The class that the metric is of; `None` if it covers all classes.
    pub a_class: Option<String>,
    pub b_class: Option<String>,
    /// 95 % intervals, where they were computed.
    pub a_interval: Option<[f64; 2]>,
    pub b_interval: Option<[f64; 2]>,
    /// `b - a`; `None` if the values are of different classes.
    pub difference: Option<f64>,
    /// `None` if neither higher nor lower values are better.
    pub direction: Option<Direction>,
    /// Verdict on `b` compared with `a`; `None` without two values or a direction.
    pub verdict: Option<MetricChange>,
    /// `true` if the intervals do not overlap; `None` unless there are two.
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
        let class = |metric: &Option<Metric>| metric.as_ref().and_then(|m| m.of.clone());
        let (a_class, b_class) = (class(&a), class(&b));
        let is_undefined =
            |metric: &Option<Metric>| metric.as_ref().is_some_and(|m| !m.value.is_finite());
        let (a_is_undefined, b_is_undefined) = (is_undefined(&a), is_undefined(&b));
        let value = |metric: Option<Metric>| metric.map(|m| m.value).filter(|v| v.is_finite());
        let (a, b) = (value(a), value(b));
        let is_same = a_class == b_class;
        let difference = a.zip(b).filter(|_| is_same).map(|(a, b)| b - a);
        let both = a_interval.zip(b_interval).filter(|_| is_same);
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
            a_is_undefined,
            b_is_undefined,
            a_class,
            b_class,
            a_interval,
            b_interval,
        })
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(a: Metric, b: Metric) -> MetricPair {
        let side = |metric| {
            let metrics = Metrics::from([("m".to_owned(), metric)]);
            BTreeMap::from([("metrics".to_owned(), metrics)])
        };
        paired(&side(a), &side(b)).pop().unwrap()
    }

    #[test]
    fn a_neutral_metric_has_a_difference_but_no_verdict() {
        let pair = pairs(Metric::new(3.0, None), Metric::new(5.0, None));
        assert_eq!((pair.difference, pair.verdict), (Some(2.0), None));
        let down = Some(Direction::Minimize);
        let pair = pairs(Metric::new(3.0, down), Metric::new(5.0, down));
        assert_eq!(pair.verdict, Some(MetricChange::Worse));
    }

    #[test]
    fn values_of_different_classes_are_not_compared() {
        let of = |class: &str| Metric {
            of: Some(class.to_owned()),
            ..Metric::new(0.5, Some(Direction::Maximize))
        };
        let pair = pairs(of("A"), of("B"));
        assert_eq!((pair.difference, pair.verdict), (None, None));
        assert_eq!(pairs(of("A"), of("A")).verdict, Some(MetricChange::Equal));
    }

    #[test]
    fn an_undefined_value_is_not_a_missing_one() {
        let up = Some(Direction::Maximize);
        let pair = pairs(Metric::new(f64::NAN, up), Metric::new(0.5, up));
        assert_eq!(
            (pair.a, pair.a_is_undefined, pair.difference),
            (None, true, None)
        );
        assert!(!pair.b_is_undefined);
    }
}
