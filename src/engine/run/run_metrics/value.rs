//! Values of a metric over the instances that are shown together.

use std::collections::BTreeSet;

use contract::analysis::Over;
use contract::{Direction, Metric};

use super::InstanceMetrics;
use crate::graph::{FOLD_AXIS, SEED_AXIS};

/// A metric of the instances that differ only in their seed and fold.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured<'a> {
    /// Name of the instances within one copy of the pipeline.
    pub instance: &'a str,
    pub stage: &'a str,
    pub port: &'a str,
    /// `true` if the port is the first one of its stage with metrics, so that its name can be left out.
    pub is_first_port: bool,
    pub name: &'a str,
    /// Unit of the values, if it is declared.
    pub unit: Option<&'a str>,
    /// Position among the metrics to show first; `None` for others.
    pub headline: Option<usize>,
    pub is_secondary: bool,
    /// The values by full name of the instance. Not finite where the metric is undefined.
    pub values: Vec<(&'a str, &'a Metric)>,
    /// Checksums of the images that were tested, sorted; empty if they are unknown.
    pub tested: BTreeSet<&'a str>,
}

impl Measured<'_> {
    /// The values that the mean is over, in words: `5 seeds`, `5 folds`, `10 values of seed and fold`. `count` is their
    /// number. Seeds are meant where the names of the instances do not tell.
    pub fn values_in_words(&self, count: &str) -> String {
        match (self.varies_by(SEED_AXIS), self.varies_by(FOLD_AXIS)) {
            (false, true) => format!("{count} folds"),
            (true, true) => format!("{count} values of seed and fold"),
            (_, false) => format!("{count} seeds"),
        }
    }

    /// Returns `true` if the values are those of several folds of a cross-validation.
    pub fn is_over_folds(&self) -> bool {
        self.varies_by(FOLD_AXIS)
    }

    /// Returns `true` if the values differ in their label on `axis`.
    fn varies_by(&self, axis: &str) -> bool {
        let mut values = self.values.iter().map(|(name, _)| label(name, axis));
        let first = values.next();
        values.any(|value| Some(value) != first)
    }

    /// `f1`, or `history.loss` on another port than the first.
    pub fn metric(&self) -> String {
        match self.is_first_port {
            true => self.name.to_owned(),
            false => format!("{}.{}", self.port, self.name),
        }
    }

    /// `evaluate[model1].f1`
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.instance, self.metric())
    }

    /// Returns `true` if other images were tested; `false` if those of one side are unknown.
    pub fn tests_other_images(&self, other: &Self) -> bool {
        !self.tested.is_empty() && !other.tested.is_empty() && self.tested != other.tested
    }

    fn finite(&self) -> impl Iterator<Item = f64> {
        let values = self.values.iter().map(|(_, metric)| metric.value);
        values.filter(|value| value.is_finite())
    }

    /// Number of values that are defined.
    pub fn defined(&self) -> usize {
        self.finite().count()
    }

    /// The mean of the values that are defined; `None` if there are none.
    pub fn mean(&self) -> Option<f64> {
        let count = self.defined();
        // Divide first, so that the sum of large values stays finite.
        (count > 0).then(|| self.finite().map(|value| value / count as f64).sum())
    }

    /// Standard deviation of the sample (over n − 1); `None` for fewer than two values.
    pub fn deviation(&self) -> Option<f64> {
        let (count, mean) = (self.defined(), self.mean()?);
        let squares: f64 = self.finite().map(|value| (value - mean).powi(2)).sum();
        (count > 1).then(|| (squares / (count - 1) as f64).sqrt())
    }

    /// The 95 % interval that the stage reported, if there is a single value.
    pub fn interval(&self) -> Option<[f64; 2]> {
        match self.values.as_slice() {
            [(_, metric)] => metric.interval,
            _ => None,
        }
    }

    /// Returns `true` if there is no interval because the value is the same for all resamples.
    pub fn is_without_interval(&self) -> bool {
        match self.values.as_slice() {
            [(_, metric)] => metric.resamples_agree && metric.interval.is_none(),
            _ => false,
        }
    }

    /// Sources of variation that the interval covers, if they are known.
    pub fn over(&self) -> Option<Over> {
        match self.values.as_slice() {
            [(_, metric)] => metric.over,
            _ => None,
        }
    }

    /// Returns `true` if the values are counts, such as epochs: whole numbers that are neither better nor worse if they
    /// are higher.
    pub fn is_count(&self) -> bool {
        const LARGEST: f64 = 1e15;
        let is_whole = |value: f64| value.fract() == 0.0 && value.abs() <= LARGEST;
        self.direction().is_none() && self.finite().all(is_whole)
    }

    pub fn direction(&self) -> Option<Direction> {
        self.values.first().and_then(|(_, metric)| metric.direction)
    }

    /// The class that the metric is of, if it is the same for all values.
    pub fn class(&self) -> Option<&str> {
        let mut classes = self.values.iter().map(|(_, metric)| metric.of.as_deref());
        let first = classes.next()??;
        classes.all(|class| class == Some(first)).then_some(first)
    }
}

/// The value of a label in the full name of an instance: `43` for `seed` in `cnn[model1,seed=43]`.
fn label<'a>(name: &'a str, axis: &str) -> Option<&'a str> {
    let (_, labels) = name.split_once('[')?;
    let mut labels = labels.strip_suffix(']')?.split(',');
    labels.find_map(|label| label.strip_prefix(axis)?.strip_prefix('='))
}

impl InstanceMetrics {
    /// Returns `true` if the instance is a fold of a cross-validation.
    pub fn is_of_fold(&self) -> bool {
        label(&self.name, FOLD_AXIS).is_some()
    }
}

/// Values grouped by instance within one copy, port and metric, in the order of the instances.
pub type Pooled<'a> = Vec<Measured<'a>>;

/// Groups the metrics of instances. Those that differ only in their seed and fold become one group.
pub fn pooled<'a>(instances: &[&'a InstanceMetrics]) -> Pooled<'a> {
    let mut found: Pooled<'a> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for instance in instances {
        for (position, port) in instance.ports.iter().enumerate() {
            // The metrics to show first come first; the others follow by name.
            let rank = |name: &str| port.headline.iter().position(|known| known == name);
            let mut names: Vec<&str> = port.metrics.keys().map(String::as_str).collect();
            names.sort_by_key(|name| (rank(name).unwrap_or(usize::MAX), *name));
            for name in names {
                let key = (instance.in_copy.as_str(), port.port.as_str(), name);
                let place = *places.entry(key).or_insert_with(|| {
                    found.push(Measured {
                        instance: &instance.in_copy,
                        stage: &instance.stage,
                        port: &port.port,
                        is_first_port: position == 0,
                        name,
                        unit: port.units.get(name).map(String::as_str),
                        headline: rank(name),
                        is_secondary: port.is_secondary,
                        values: Vec::new(),
                        tested: BTreeSet::new(),
                    });
                    found.len() - 1
                });
                let metric = &port.metrics[name];
                found[place].values.push((&instance.name, metric));
                found[place].tested.extend(port.tested.as_deref());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use contract::Metric;

    use super::pooled;
    use crate::run::run_metrics::{InstanceMetrics, PortMetrics};

    fn instance(seed: u64, f1: f64) -> InstanceMetrics {
        let metric = |value| Metric {
            interval: Some([0.0, 1.0]),
            ..Metric::new(value, None)
        };
        InstanceMetrics {
            name: format!("score[a,seed={seed}]"),
            in_copy: "score[a]".to_owned(),
            stage: "score".to_owned(),
            ports: vec![PortMetrics {
                port: "metrics".to_owned(),
                headline: vec!["f1".to_owned()],
                metrics: [
                    ("auc".to_owned(), metric(0.5)),
                    ("f1".to_owned(), metric(f1)),
                ]
                .into(),
                ..PortMetrics::default()
            }],
            ..InstanceMetrics::default()
        }
    }

    #[test]
    fn the_values_of_a_mean_are_named_by_what_they_differ_in() {
        let words = |names: &[&str]| {
            let named = |name: &&str| InstanceMetrics {
                name: (*name).to_owned(),
                ..instance(1, 0.5)
            };
            let all: Vec<InstanceMetrics> = names.iter().map(named).collect();
            pooled(&all.iter().collect::<Vec<_>>())[0].values_in_words("2")
        };
        assert_eq!(words(&["score[a,seed=1]", "score[a,seed=2]"]), "2 seeds");
        assert_eq!(words(&["score[a,fold=1]", "score[a,fold=2]"]), "2 folds");
        assert_eq!(
            words(&["score[seed=1,fold=1]", "score[seed=2,fold=2]"]),
            "2 values of seed and fold"
        );
        assert_eq!(words(&["score[xfold=1]", "score[xfold=2]"]), "2 seeds");
    }

    #[test]
    fn seeds_are_pooled_and_undefined_values_are_left_out() {
        let all = [instance(1, 0.5), instance(2, f64::NAN), instance(3, 0.7)];
        let found = pooled(&all.each_ref());
        let names: Vec<String> = found.iter().map(|one| one.full_name()).collect();
        assert_eq!(names, ["score[a].f1", "score[a].auc"]);
        let f1 = &found[0];
        assert_eq!((f1.defined(), f1.values.len()), (2, 3));
        assert!((f1.mean().unwrap() - 0.6).abs() < 1e-12);
        assert!((f1.deviation().unwrap() - 0.02f64.sqrt()).abs() < 1e-12);
        assert_eq!(f1.interval(), None);
        assert_eq!(pooled(&[&all[0]])[0].interval(), Some([0.0, 1.0]));
        let huge = [instance(1, 1e308), instance(2, 1e308)];
        assert_eq!(pooled(&huge.each_ref())[0].mean(), Some(1e308));
    }
}
