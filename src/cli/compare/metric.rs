//! Pairs the metrics of two runs.

use std::collections::BTreeSet;

use contract::{Direction, Metric};
use engine::run::run_metrics::PortMetrics;
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
    /// Verdict on `b` compared with `a`; `None` without two values or a direction, and for other test images.
    pub verdict: Option<MetricChange>,
    /// `true` if the intervals do not overlap; `None` unless there are two, and for other test images.
    pub apart: Option<bool>,
    /// `true` if the values were measured on other test images; `false` if the images of one run are not known.
    pub other_images: bool,
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
pub(super) fn paired(a: &[PortMetrics], b: &[PortMetrics]) -> Vec<MetricPair> {
    let ports = a.iter().chain(b).map(|port| port.port.as_str());
    let ports: BTreeSet<&str> = ports.collect();
    let of = |side: &[PortMetrics], name: &str| -> PortMetrics {
        let found = side.iter().find(|port| port.port == name);
        found.cloned().unwrap_or_default()
    };
    let pairs = ports
        .into_iter()
        .flat_map(|port| pairs_of_port(port, &of(a, port), &of(b, port)));
    pairs.collect()
}

fn pairs_of_port(port: &str, a: &PortMetrics, b: &PortMetrics) -> Vec<MetricPair> {
    let tested = a.tested.as_ref().zip(b.tested.as_ref());
    let other_images = tested.is_some_and(|(a, b)| a != b);
    let names: BTreeSet<&String> = a.metrics.keys().chain(b.metrics.keys()).collect();
    let pairs = names.into_iter().filter_map(|name| {
        let pair = pair(port, name, a.metrics.get(name), b.metrics.get(name))?;
        Some(match other_images {
            true => pair.of_other_images(),
            false => pair,
        })
    });
    pairs.collect()
}

/// Pairs the values of a metric; `None` if neither run has one.
fn pair(port: &str, name: &str, a: Option<&Metric>, b: Option<&Metric>) -> Option<MetricPair> {
    let direction = b.or(a)?.direction;
    let interval = |metric: Option<&Metric>| metric.and_then(|m| m.interval);
    let (a_interval, b_interval) = (interval(a), interval(b));
    let class = |metric: Option<&Metric>| metric.and_then(|m| m.of.clone());
    let (a_class, b_class) = (class(a), class(b));
    let is_undefined = |metric: Option<&Metric>| metric.is_some_and(|m| !m.value.is_finite());
    let (a_is_undefined, b_is_undefined) = (is_undefined(a), is_undefined(b));
    let value = |metric: Option<&Metric>| metric.map(|m| m.value).filter(|v| v.is_finite());
    let (a, b) = (value(a), value(b));
    let is_same = a_class == b_class;
    let difference = a.zip(b).filter(|_| is_same).map(|(a, b)| b - a);
    let both = a_interval.zip(b_interval).filter(|_| is_same);
    Some(MetricPair {
        port: port.to_owned(),
        metric: name.to_owned(),
        difference,
        direction,
        verdict: difference
            .zip(direction)
            .map(|(difference, direction)| MetricChange::of(difference, direction)),
        apart: both.map(|(a, b)| a[1] < b[0] || b[1] < a[0]),
        other_images: false,
        a,
        b,
        a_is_undefined,
        b_is_undefined,
        a_class,
        b_class,
        a_interval,
        b_interval,
    })
}

impl MetricPair {
    /// Takes the verdict away: the difference may come from the images.
    fn of_other_images(self) -> Self {
        Self {
            verdict: None,
            apart: None,
            other_images: true,
            ..self
        }
    }

    /// `true` if both runs measured the metric, even where it is undefined.
    pub(super) fn is_in_both(&self) -> bool {
        (self.a.is_some() || self.a_is_undefined) && (self.b.is_some() || self.b_is_undefined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(a: Metric, b: Metric) -> MetricPair {
        pairs_of_images((a, None), (b, None))
    }

    /// Pairs two metrics, each with the checksum of the images that were tested.
    fn pairs_of_images(a: (Metric, Option<&str>), b: (Metric, Option<&str>)) -> MetricPair {
        let side = |(metric, tested): (Metric, Option<&str>)| PortMetrics {
            port: "metrics".to_owned(),
            tested: tested.map(str::to_owned),
            metrics: [("m".to_owned(), metric)].into(),
            ..PortMetrics::default()
        };
        let mut pairs = paired(&[side(a)], &[side(b)]);
        assert_eq!(pairs.len(), 1);
        pairs.pop().unwrap()
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

    #[test]
    fn values_of_other_test_images_have_a_difference_but_no_verdict() {
        let metric = |value: f64| Metric {
            interval: Some([value, value]),
            ..Metric::new(value, Some(Direction::Maximize))
        };
        let judged = |a: Option<&str>, b: Option<&str>| {
            let pair = pairs_of_images((metric(0.25), a), (metric(0.5), b));
            assert_eq!(pair.difference, Some(0.25));
            (pair.other_images, pair.verdict, pair.apart)
        };
        let better = (false, Some(MetricChange::Better), Some(true));
        assert_eq!(judged(Some("x"), Some("y")), (true, None, None));
        assert_eq!(judged(Some("x"), Some("x")), better);
        // Records of earlier versions do not have the checksum.
        assert_eq!(judged(Some("x"), None), better);
    }

    #[test]
    fn a_metric_of_one_run_is_not_in_both() {
        let side = [PortMetrics {
            port: "metrics".to_owned(),
            metrics: [("m".to_owned(), Metric::new(0.5, None))].into(),
            ..PortMetrics::default()
        }];
        let pairs = paired(&side, &[]);
        assert_eq!((pairs.len(), pairs[0].is_in_both()), (1, false));
        let pairs = paired(&side, &side);
        assert_eq!((pairs.len(), pairs[0].is_in_both()), (1, true));
    }
}
