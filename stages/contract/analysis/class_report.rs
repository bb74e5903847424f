//! [`ClassReport`]: the results of an evaluation for each class, with averages.

use serde::{Serialize, Serializer};

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

/// Measures of one class against all others, or their averages, in the order of [`ClassScores::NAMES`]; `None` where a
/// measure is undefined. In JSON, a field for each measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassScores(pub [Option<f64>; 6]);

/// Text for a value that the images do not define.
pub const UNDEFINED: &str = "undefined";

impl ClassScores {
    /// Names of the measures.
    pub const NAMES: [&str; 6] = [
        "precision",
        "recall",
        "f1",
        "specificity",
        "roc_auc",
        "average_precision",
    ];
}

impl Serialize for ClassScores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Self::NAMES.into_iter().zip(self.0))
    }
}

impl ClassReport {
    /// Titles of the columns of [`ClassReport::rows`].
    pub const HEADER: [&str; 8] = {
        let mut header = ["class"; 8];
        let mut measure = 0;
        while measure < ClassScores::NAMES.len() {
            header[measure + 1] = ClassScores::NAMES[measure];
            measure += 1;
        }
        header[7] = "support";
        header
    };

    /// Returns a row of texts for each class, then those of the averages. `figure` formats a value, `None` being an
    /// undefined one. `mark` is added to the name of the positive class.
    pub fn rows(&self, figure: impl Fn(Option<f64>) -> String, mark: &str) -> Vec<[String; 8]> {
        let row = |name: String, scores: &ClassScores, support: u64| {
            let [a, b, c, d, e, f] = scores.0.map(&figure);
            [name, a, b, c, d, e, f, support.to_string()]
        };
        let classes = self.classes.iter().map(|line| {
            let mark = if line.is_positive { mark } else { "" };
            row(format!("{}{mark}", line.class), &line.scores, line.support)
        });
        let averages = [
            ("macro average", &self.macro_average),
            ("weighted average", &self.weighted_average),
        ];
        let averages = averages.map(|(name, scores)| row(name.to_owned(), scores, self.images));
        classes.chain(averages).collect()
    }
}

/// Formats a value with three decimals, or as `undefined`.
pub fn three_decimals(value: Option<f64>) -> String {
    value.map_or(UNDEFINED.to_owned(), |value| format!("{value:.3}"))
}
