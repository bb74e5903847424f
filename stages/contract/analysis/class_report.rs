//! [`ClassReport`]: the results of an evaluation for each class, with averages.

use serde::Serialize;

use super::Decision;

/// The results of an evaluation for each class, like scikit-learn's `classification_report`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassReport {
    /// The classes in their order.
    pub classes: Vec<ClassLine>,
    /// Means over the classes that occur among the labels or the predictions. A mean is undefined if it is undefined
    /// for one of them.
    #[serde(rename = "macro")]
    pub macro_average: ClassScores,
    /// Means weighted by the classes' numbers of images.
    #[serde(rename = "weighted")]
    pub weighted_average: ClassScores,
    pub accuracy: Option<f64>,
    /// Number of all images.
    pub images: u64,
    /// How probabilities were turned into classes; `None` if the most probable class was predicted.
    pub decision: Option<Decision>,
}

/// The results of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassLine {
    pub class: String,
    pub is_positive: bool,
    #[serde(flatten)]
    pub scores: ClassScores,
    /// Number of the class's images.
    pub support: u64,
}

/// Measures of one class against all others, or their averages; `None` where a measure is undefined.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassScores {
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub f1: Option<f64>,
    pub specificity: Option<f64>,
    pub roc_auc: Option<f64>,
    pub average_precision: Option<f64>,
}

/// Text for a value that the images do not define.
pub const UNDEFINED: &str = "undefined";

impl ClassScores {
    /// Names of the measures, in the order of [`ClassScores::values`].
    pub const NAMES: [&str; 6] = [
        "precision",
        "recall",
        "f1",
        "specificity",
        "roc_auc",
        "average_precision",
    ];

    pub fn values(&self) -> [Option<f64>; 6] {
        [
            self.precision,
            self.recall,
            self.f1,
            self.specificity,
            self.roc_auc,
            self.average_precision,
        ]
    }
}

impl ClassReport {
    /// Returns the titles of the columns of [`ClassReport::rows`].
    pub fn header() -> Vec<&'static str> {
        let names = ClassScores::NAMES;
        [&["class"][..], &names, &["support"]].concat()
    }

    /// Returns a row of texts for each class, then those of the averages and of the accuracy. `figure` formats a value,
    /// `None` being an undefined one. The positive class is marked by `mark`.
    pub fn rows(&self, figure: impl Fn(Option<f64>) -> String, mark: &str) -> Vec<Vec<String>> {
        let row = |name: String, scores: [Option<f64>; 6], support: u64| {
            let figures = scores.map(&figure);
            let ends = [vec![name], figures.to_vec(), vec![support.to_string()]];
            ends.concat()
        };
        let classes = self.classes.iter().map(|line| {
            let mark = if line.is_positive { mark } else { "" };
            let name = format!("{}{mark}", line.class);
            row(name, line.scores.values(), line.support)
        });
        let averages = [
            ("macro average", self.macro_average),
            ("weighted average", self.weighted_average),
        ];
        let averages = averages
            .into_iter()
            .map(|(name, scores)| row(name.to_owned(), scores.values(), self.images));
        classes.chain(averages).collect()
    }
}

/// Formats a value with three decimals, or as `undefined`.
pub fn three_decimals(value: Option<f64>) -> String {
    value.map_or(UNDEFINED.to_owned(), |value| format!("{value:.3}"))
}
