//! [`Measure`]: the measures of labelled predictions, and their declarations as metrics of `evaluate`.

use contract::{ANY, Direction, MetricInfo, NOT_NEGATIVE, SHARE, class_of};

/// A measure of labelled predictions; [`measure`](super::measure) computes all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Accuracy,
    F1,
    MacroF1,
    WeightedF1,
    Precision,
    MacroPrecision,
    WeightedPrecision,
    Recall,
    MacroRecall,
    WeightedRecall,
    Specificity,
    Npv,
    LrPositive,
    LrNegative,
    RocAuc,
    MacroRocAuc,
    AveragePrecision,
    Brier,
    LogLoss,
    Ece,
    CalibrationSlope,
    CalibrationIntercept,
    BrierReliability,
    BrierResolution,
    BrierUncertainty,
}

/// Conditions in which several measures are undefined.
const NO_IMAGE: &str = "there is no image";
const OF_A_CLASS: &str = "one of the classes has no value";

/// The metrics of `evaluate`: all measures in the order of [`Measure::ALL`], then [`SUPPORT`].
pub const METRICS: &[MetricInfo] = &[
    MetricInfo::new(
        "accuracy",
        "share of images that are classified correctly",
        SHARE,
    )
    .maximized()
    .headline()
    .undefined_if(NO_IMAGE),
    MetricInfo::new("f1", "harmonic mean of precision and recall", SHARE)
        .maximized()
        .of_positive()
        .headline()
        .undefined_if("the class has no image, and no image was classified as it"),
    MetricInfo::new("macro_f1", "mean of the classes' F1", SHARE)
        .maximized()
        .undefined_if(OF_A_CLASS),
    MetricInfo::new(
        "weighted_f1",
        "mean of the classes' F1, weighted by their numbers of images",
        SHARE,
    )
    .maximized()
    .undefined_if(OF_A_CLASS),
    MetricInfo::new(
        "precision",
        "share of the images classified as the class that belong to it",
        SHARE,
    )
    .maximized()
    .of_positive()
    .undefined_if("no image was classified as the class"),
    MetricInfo::new("macro_precision", "mean of the classes' precision", SHARE)
        .maximized()
        .undefined_if(OF_A_CLASS),
    MetricInfo::new(
        "weighted_precision",
        "mean of the classes' precision, weighted by their numbers of images",
        SHARE,
    )
    .maximized()
    .undefined_if(OF_A_CLASS),
    MetricInfo::new(
        "recall",
        "share of the class's images that are classified as it (sensitivity)",
        SHARE,
    )
    .maximized()
    .of_positive()
    .undefined_if("the class has no image"),
    MetricInfo::new(
        "macro_recall",
        "mean of the classes' recall (balanced accuracy)",
        SHARE,
    )
    .maximized()
    .undefined_if(OF_A_CLASS),
    MetricInfo::new(
        "weighted_recall",
        "mean of the classes' recall, weighted by their numbers of images; equals the accuracy",
        SHARE,
    )
    .maximized()
    .undefined_if(NO_IMAGE),
    MetricInfo::new(
        "specificity",
        "share of other classes' images that are not classified as the class",
        SHARE,
    )
    .maximized()
    .of_positive()
    .undefined_if("no other class has an image"),
    MetricInfo::new(
        "npv",
        "share of the images not classified as the class that belong to others (negative predictive value)",
        SHARE,
    )
    .maximized()
    .of_positive()
    .undefined_if("all images were classified as the class"),
    MetricInfo::new(
        "lr_positive",
        "positive likelihood ratio: recall / (1 - specificity)",
        NOT_NEGATIVE,
    )
    .maximized()
    .of_positive()
    .undefined_if("no image of others was classified as the class, or recall or specificity is undefined"),
    MetricInfo::new(
        "lr_negative",
        "negative likelihood ratio: (1 - recall) / specificity",
        NOT_NEGATIVE,
    )
    .minimized()
    .of_positive()
    .undefined_if("all images of others were classified as the class, or recall or specificity is undefined"),
    MetricInfo::new(
        "roc_auc",
        "area under the ROC curve of the class against all others",
        SHARE,
    )
    .maximized()
    .of_positive()
    .headline()
    .undefined_if("the class, or all others, have no image"),
    MetricInfo::new("macro_roc_auc", "mean of the classes' `roc_auc`", SHARE)
        .maximized()
        .undefined_if(OF_A_CLASS),
    MetricInfo::new(
        "average_precision",
        "mean precision over recall, of the class against all others",
        SHARE,
    )
    .maximized()
    .of_positive()
    .undefined_if("the class has no image"),
    MetricInfo::new(
        "brier",
        "mean squared error of the probabilities (at most 1 with two classes)",
        [0.0, 2.0],
    )
    .minimized()
    .undefined_if(NO_IMAGE),
    MetricInfo::new(
        "log_loss",
        "cross-entropy of the probabilities",
        NOT_NEGATIVE,
    )
    .minimized()
    .undefined_if(NO_IMAGE),
    MetricInfo::new(
        "ece",
        "expected calibration error: mean distance between predicted and observed share of the class over ten bins",
        SHARE,
    )
    .minimized()
    .of_positive_only()
    .undefined_if(NO_IMAGE),
    MetricInfo::new(
        "calibration_slope",
        "slope of the class's log odds over the logit of its probability; 1 is ideal, and less is overconfident",
        ANY,
    )
    .of_positive_only()
    .undefined_if("the probabilities separate the class from all others, or one of the two has no image"),
    MetricInfo::new(
        "calibration_intercept",
        "log odds of the class beyond its predicted logits (calibration in the large); 0 is ideal",
        ANY,
    )
    .of_positive_only()
    .undefined_if("the class, or all others, have no image"),
    MetricInfo::new(
        "brier_reliability",
        "part of `brier` that comes from wrong probabilities: squared distance between predicted and observed share",
        [0.0, 2.0],
    )
    .minimized()
    .undefined_if(NO_IMAGE),
    MetricInfo::new(
        "brier_resolution",
        "part of `brier` that the probabilities gain by telling images apart; `brier` is reliability − resolution + \
         uncertainty",
        [-2.0, 2.0],
    )
    .maximized()
    .undefined_if(NO_IMAGE),
    MetricInfo::new(
        "brier_uncertainty",
        "part of `brier` that only the classes' shares of the images determine",
        SHARE,
    )
    .undefined_if(NO_IMAGE),
    SUPPORT,
];

/// The number of images of a class.
pub const SUPPORT: MetricInfo =
    MetricInfo::new("support", "number of the class's images", NOT_NEGATIVE)
        .unit("images")
        .of_positive();

/// A measure, and the class that it is of if its name says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedMeasure<'a> {
    pub measure: Measure,
    /// `None` for the positive class, or if the measure covers all classes.
    pub class: Option<&'a str>,
}

impl From<Measure> for NamedMeasure<'_> {
    fn from(measure: Measure) -> Self {
        Self {
            measure,
            class: None,
        }
    }
}

impl<'a> NamedMeasure<'a> {
    /// Returns the measure with this name: `recall`, or `recall[BACTERIA]` for one class.
    pub fn new(name: &'a str) -> Option<Self> {
        if let Some(measure) = Measure::named(name) {
            return Some(measure.into());
        }
        let (base, class) = class_of(name)?;
        let measure = Measure::named(base).filter(|measure| measure.info().per_class)?;
        let class = Some(class);
        Some(Self { measure, class })
    }
}

impl Measure {
    pub const ALL: [Self; 25] = [
        Self::Accuracy,
        Self::F1,
        Self::MacroF1,
        Self::WeightedF1,
        Self::Precision,
        Self::MacroPrecision,
        Self::WeightedPrecision,
        Self::Recall,
        Self::MacroRecall,
        Self::WeightedRecall,
        Self::Specificity,
        Self::Npv,
        Self::LrPositive,
        Self::LrNegative,
        Self::RocAuc,
        Self::MacroRocAuc,
        Self::AveragePrecision,
        Self::Brier,
        Self::LogLoss,
        Self::Ece,
        Self::CalibrationSlope,
        Self::CalibrationIntercept,
        Self::BrierReliability,
        Self::BrierResolution,
        Self::BrierUncertainty,
    ];

    /// The measures that calibration changes, of those that do not depend on a decision.
    pub const OF_CALIBRATION: [Self; 8] = [
        Self::LogLoss,
        Self::Brier,
        Self::BrierReliability,
        Self::BrierResolution,
        Self::BrierUncertainty,
        Self::Ece,
        Self::CalibrationSlope,
        Self::CalibrationIntercept,
    ];

    /// Returns the declaration of the measure as a metric of `evaluate`.
    pub fn info(self) -> &'static MetricInfo {
        &METRICS[self as usize]
    }

    /// Returns the measure's name among the metrics of `evaluate`.
    pub fn name(self) -> &'static str {
        &self.info().name
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.name() == name)
    }

    /// Returns the direction in which the measure improves. Neutral measures count as maximized; rows of tables are not
    /// compared by them.
    pub fn direction(self) -> Direction {
        self.info().direction.unwrap_or(Direction::Maximize)
    }

    /// Returns `true` if a resample has a larger value than the test set on average, because the noise of resampling
    /// adds to the distances in bins (Bröcker, 2012).
    fn grows_with_noise(self) -> bool {
        matches!(
            self,
            Self::Ece | Self::BrierReliability | Self::BrierResolution
        )
    }

    /// Returns the ends of the interval of `value` from the percentiles of its resamples and their mean. If resampling
    /// makes the measure larger on average, both are moved down by the difference: otherwise, the interval could lie above
    /// the value.
    pub(super) fn ends(self, percentiles: [f64; 2], mean: f64, value: f64) -> [f64; 2] {
        if !self.grows_with_noise() {
            return percentiles;
        }
        let excess = mean - value;
        let [least, most] = self.info().range;
        percentiles.map(|end| (end - excess).clamp(least, most))
    }

    /// Returns `true` if the measure ranks images by their scores, so that it compares images with each other.
    pub fn ranks(self) -> bool {
        matches!(
            self,
            Self::RocAuc | Self::MacroRocAuc | Self::AveragePrecision
        )
    }

    /// Returns `true` if the measure depends on how probabilities are turned into classes.
    pub fn needs_decision(self) -> bool {
        match self {
            Self::Accuracy
            | Self::F1
            | Self::MacroF1
            | Self::WeightedF1
            | Self::Precision
            | Self::MacroPrecision
            | Self::WeightedPrecision
            | Self::Recall
            | Self::MacroRecall
            | Self::WeightedRecall
            | Self::Specificity
            | Self::Npv
            | Self::LrPositive
            | Self::LrNegative => true,
            Self::RocAuc
            | Self::MacroRocAuc
            | Self::AveragePrecision
            | Self::Brier
            | Self::LogLoss
            | Self::Ece
            | Self::CalibrationSlope
            | Self::CalibrationIntercept
            | Self::BrierReliability
            | Self::BrierResolution
            | Self::BrierUncertainty => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{METRICS, Measure, NamedMeasure};

    #[test]
    fn a_measure_is_found_by_its_exact_name_only() {
        assert_eq!(METRICS.len(), Measure::ALL.len() + 1);
        for (index, measure) in Measure::ALL.into_iter().enumerate() {
            assert_eq!(measure as usize, index);
            assert_eq!(NamedMeasure::new(measure.name()), Some(measure.into()));
        }
        assert_eq!(NamedMeasure::new("F1"), None);
    }

    #[test]
    fn a_measure_of_one_class_has_the_class_in_its_name() {
        let found = NamedMeasure::new("recall[A]").unwrap();
        assert_eq!((found.measure, found.class), (Measure::Recall, Some("A")));
        assert_eq!(NamedMeasure::new("macro_recall[A]"), None);
        assert_eq!(NamedMeasure::new("support[A]"), None);
    }
}
