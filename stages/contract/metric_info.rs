//! [`MetricInfo`]: the declaration of a metric, known before the stage runs.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::{Direction, Metric};

/// The range of a share, such as the accuracy.
pub const SHARE: [f64; 2] = [0.0, 1.0];

/// The range of a number that is 0 or more, such as a loss.
pub const NOT_NEGATIVE: [f64; 2] = [0.0, f64::INFINITY];

/// The range of any number.
pub const ANY: [f64; 2] = [f64::NEG_INFINITY, f64::INFINITY];

/// Declares a metric that a stage may measure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricInfo {
    /// Name in `metrics.json`, such as `f1`.
    pub name: Cow<'static, str>,
    /// One line, lowercase, without a full stop; may be empty.
    pub doc: Cow<'static, str>,
    /// `None` if the metric is neutral: neither higher nor lower values are better.
    pub direction: Option<Direction>,
    /// Lowest and highest possible value; infinite (`null` in JSON) where there is no limit.
    #[serde(serialize_with = "ends")]
    pub range: [f64; 2],
    /// Unit of the value, such as `s` or `epochs`; `None` for a number without a unit.
    pub unit: Option<Cow<'static, str>>,
    /// `true` if the metric is shown after a run of a pipeline without tables.
    pub headline: bool,
    /// `true` if the metric is that of the positive class, so that its value has no meaning without the name of this
    /// class.
    pub is_of_positive: bool,
    /// `true` if the metric also exists for each class, as `recall[CLASS]`.
    pub per_class: bool,
    /// Input without whose images the metric does not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<&'static str>,
    /// Condition in which a value is undefined, as a clause: `the class has no image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undefined_if: Option<&'static str>,
}

/// A metric's name, resolved among declarations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Declared<'a> {
    pub info: &'a MetricInfo,
    /// The class in brackets: `BACTERIA` in `recall[BACTERIA]`.
    pub class: Option<&'a str>,
}

impl MetricInfo {
    /// Declares a metric of all classes that is neutral, has no unit and is not a headline.
    pub const fn new(name: &'static str, doc: &'static str, range: [f64; 2]) -> Self {
        Self {
            name: Cow::Borrowed(name),
            doc: Cow::Borrowed(doc),
            direction: None,
            range,
            unit: None,
            headline: false,
            is_of_positive: false,
            per_class: false,
            needs: None,
            undefined_if: None,
        }
    }

    /// Declares that higher values are better.
    pub const fn maximized(mut self) -> Self {
        self.direction = Some(Direction::Maximize);
        self
    }

    /// Declares that lower values are better.
    pub const fn minimized(mut self) -> Self {
        self.direction = Some(Direction::Minimize);
        self
    }

    /// Declares the unit of the values.
    pub const fn unit(mut self, unit: &'static str) -> Self {
        // A constant cannot drop the old value.
        std::mem::forget(self.unit.replace(Cow::Borrowed(unit)));
        self
    }

    /// Declares that the metric is shown after a run without tables.
    pub const fn headline(mut self) -> Self {
        self.headline = true;
        self
    }

    /// Declares that the metric is that of the positive class, and also exists for each class.
    pub const fn of_positive(mut self) -> Self {
        self.is_of_positive = true;
        self.per_class = true;
        self
    }

    /// Declares that the metric is that of the positive class, and does not exist for others.
    pub const fn of_positive_only(mut self) -> Self {
        self.is_of_positive = true;
        self
    }

    /// Declares that the metric exists only with images at this input.
    pub const fn needs(mut self, input: &'static str) -> Self {
        self.needs = Some(input);
        self
    }

    /// Declares the condition in which a value is undefined.
    pub const fn undefined_if(mut self, condition: &'static str) -> Self {
        self.undefined_if = Some(condition);
        self
    }

    /// Creates a metric with this value and without an interval.
    pub fn measured(&self, value: f64) -> Metric {
        Metric::new(value, self.direction)
    }

    /// Returns `true` if a value may be that of this metric. An undefined value (NaN) may.
    pub fn admits(&self, value: f64) -> bool {
        let [least, most] = self.range;
        value.is_nan() || (least..=most).contains(&value)
    }

    /// Finds the declaration of a name: `recall`, or `recall[BACTERIA]` for one class. Does not know which classes
    /// exist.
    pub fn find<'a>(declared: &'a [Self], name: &'a str) -> Option<Declared<'a>> {
        let exact = declared.iter().find(|info| info.name == name);
        if let Some(info) = exact {
            return Some(Declared { info, class: None });
        }
        let (base, class) = class_of(name)?;
        let info = declared
            .iter()
            .find(|info| info.name == base && info.per_class)?;
        let class = Some(class);
        Some(Declared { info, class })
    }
}

/// Returns the name of a metric of one class: `recall[BACTERIA]`.
pub fn name_of_class(metric: &str, class: &str) -> String {
    format!("{metric}[{class}]")
}

/// Splits `recall[BACTERIA]` into `recall` and `BACTERIA`; `None` for other names.
pub fn class_of(name: &str) -> Option<(&str, &str)> {
    let (metric, rest) = name.split_once('[')?;
    let class = rest.strip_suffix(']')?;
    (!metric.is_empty() && !class.is_empty()).then_some((metric, class))
}

/// Writes infinite ends as `null`, because JSON has no infinity.
fn ends<S: Serializer>(range: &[f64; 2], serializer: S) -> Result<S::Ok, S::Error> {
    range
        .map(|end| end.is_finite().then_some(end))
        .serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::{MetricInfo, NOT_NEGATIVE, SHARE};

    static DECLARED: [MetricInfo; 2] = [
        MetricInfo::new("recall", "", SHARE)
            .maximized()
            .of_positive(),
        MetricInfo::new("log_loss", "", NOT_NEGATIVE).minimized(),
    ];

    #[test]
    fn a_name_may_contain_a_class_if_the_metric_exists_for_each() {
        let class = |name| MetricInfo::find(&DECLARED, name).map(|found| found.class);
        assert_eq!(class("recall"), Some(None));
        assert_eq!(class("recall[A]"), Some(Some("A")));
        assert_eq!(class("recall[A[1]]"), Some(Some("A[1]")));
        assert_eq!(class("log_loss"), Some(None));
        for unknown in ["log_loss[A]", "recall[]", "recall[A", "[A]", "Recall", ""] {
            assert_eq!(class(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn ranges_are_inclusive_and_undefined_values_are_possible() {
        let [recall, loss] = &DECLARED;
        assert!(
            [0.0, 1.0, f64::NAN]
                .iter()
                .all(|&value| recall.admits(value))
        );
        assert!(
            [-0.1, 1.1, f64::INFINITY]
                .iter()
                .all(|&value| !recall.admits(value))
        );
        assert!(loss.admits(1e300) && !loss.admits(-1e-9));
        assert_eq!(
            serde_json::to_value(loss).unwrap()["range"],
            serde_json::json!([0.0, null])
        );
    }
}
