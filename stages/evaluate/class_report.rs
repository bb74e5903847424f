//! Computes the [`ClassReport`] of an evaluation.

use std::array;

use contract::analysis::{ClassLine, ClassReport, ClassScores, Decision, Evaluation};

use crate::metrics::{Confusion, Predictions, average_precision, roc_auc};

/// A measure of each class, by the position of the class.
type Score<'a> = &'a dyn Fn(usize) -> Option<f64>;

/// Computes the results of each class, and their averages.
pub fn class_report(evaluation: &Evaluation) -> ClassReport {
    let classes = evaluation.classes.len();
    let predictions = Predictions {
        probabilities: &evaluation.probabilities,
        labels: &evaluation.labels,
        classes,
    };
    let confusion = Confusion::new(&evaluation.labels, &evaluation.predicted, classes);
    let scores: Vec<ClassScores> = (0..classes)
        .map(|class| {
            let labels = evaluation.labels.iter();
            let is_class: Vec<bool> = labels.map(|&label| label as usize == class).collect();
            let probabilities = predictions.scores(class);
            ClassScores([
                confusion.precision(class),
                confusion.recall(class),
                confusion.f1(class),
                confusion.specificity(class),
                roc_auc(&probabilities, &is_class),
                average_precision(&probabilities, &is_class),
            ])
        })
        .collect();
    let averages = |mean: &dyn Fn(Score<'_>) -> Option<f64>| {
        ClassScores(array::from_fn(|measure| {
            mean(&|class| scores[class].0[measure])
        }))
    };
    let lines = evaluation.classes.iter().zip(&scores).enumerate();
    ClassReport {
        classes: lines
            .map(|(class, (name, scores))| ClassLine {
                class: name.clone(),
                is_positive: class == evaluation.positive as usize,
                scores: *scores,
                support: confusion.support(class),
            })
            .collect(),
        macro_average: averages(&|value| confusion.macro_mean(value)),
        weighted_average: averages(&|value| confusion.weighted_mean(value)),
        accuracy: confusion.accuracy(),
        images: confusion.total(),
        decision: decision(evaluation),
    }
}

fn decision(evaluation: &Evaluation) -> Option<Decision> {
    let (class, threshold) = evaluation.threshold?;
    Some(Decision {
        class: evaluation.classes.get(class as usize)?.clone(),
        thresholds: [threshold; 2],
    })
}

#[cfg(test)]
mod tests {
    use contract::analysis::{ClassScores, Evaluation, three_decimals};

    use super::class_report;

    /// 30 images of three classes, whose probabilities favour the image's class.
    fn evaluation() -> Evaluation {
        let labels: Vec<u32> = (0..30).map(|i| (i * i + i / 3) % 3).collect();
        let mut probabilities = Vec::new();
        let mut predicted = Vec::new();
        for (i, &label) in (0u32..).zip(&labels) {
            let raw = [0, 1, 2].map(|class| {
                let bonus = if class == label { 14 } else { 0 };
                f64::from((i * 37 + class * 53) % 29 + 1 + bonus)
            });
            let sum: f64 = raw.iter().sum();
            let row = raw.map(|value| (value / sum) as f32);
            let best = (1..3).fold(0, |best, c| if row[c] > row[best] { c } else { best });
            predicted.push(best as u32);
            probabilities.extend(row);
        }
        Evaluation {
            names: (0..30).map(|i| i.to_string()).collect(),
            pixels: None,
            groups: Vec::new(),
            folds: Vec::new(),
            labels,
            predicted,
            probabilities,
            classes: ["A", "B", "C"].map(str::to_owned).to_vec(),
            positive: 2,
            threshold: None,
            threshold_rule: None,
        }
    }

    fn close(found: ClassScores, expected: [f64; 6]) {
        let pairs = found.0.into_iter().zip(expected);
        for ((found, expected), name) in pairs.zip(ClassScores::NAMES) {
            assert!(
                (found.unwrap() - expected).abs() < 1e-12,
                "{name}: {found:?}"
            );
        }
    }

    /// The expected numbers are those of scikit-learn 1.9.1 for the same labels and float32 probabilities:
    /// `classification_report(output_dict=True)`, `recall_score(y != c, predicted != c)` for the specificity,
    /// `roc_auc_score` (with `multi_class="ovr"` and `average` for the means) and `average_precision_score`. The means of
    /// specificity and average precision are those of the three numbers, weighted by 10, 11 and 9 images.
    #[test]
    fn the_report_is_that_of_scikit_learn() {
        let report = class_report(&evaluation());
        let expected = [
            [1.0, 0.7, 0.8235294117647058, 1.0, 0.94, 0.9454545454545454],
            [
                0.8888888888888888,
                0.7272727272727273,
                0.8,
                0.9473684210526315,
                0.9425837320574163,
                0.9218115218115219,
            ],
            [
                0.6428571428571429,
                1.0,
                0.782608695652174,
                0.7619047619047619,
                0.8253968253968254,
                0.6220156386823055,
            ],
        ];
        for (line, expected) in report.classes.iter().zip(expected) {
            close(line.scores, expected);
        }
        let mean = |index: usize, weights: [f64; 3]| {
            let sum: f64 = (0..3)
                .map(|class| weights[class] * expected[class][index])
                .sum();
            sum / weights.iter().sum::<f64>()
        };
        close(
            report.macro_average,
            [
                0.8439153439153438,
                0.8090909090909091,
                0.8020460358056266,
                mean(3, [1.0; 3]),
                0.9026601858180806,
                mean(5, [1.0; 3]),
            ],
        );
        close(
            report.weighted_average,
            [
                0.8521164021164022,
                0.8,
                0.8026257459505541,
                mean(3, [10.0, 11.0, 9.0]),
                0.9065664160401002,
                mean(5, [10.0, 11.0, 9.0]),
            ],
        );
        assert_eq!((report.accuracy, report.images), (Some(0.8), 30));
        let supports: Vec<u64> = report.classes.iter().map(|line| line.support).collect();
        assert_eq!(supports, [10, 11, 9]);
    }

    /// scikit-learn gives a precision of 0 to a class that was never predicted, and with `zero_division=nan` leaves it
    /// out of the mean.
    #[test]
    fn a_class_that_is_never_predicted_leaves_the_mean_precision_undefined() {
        let mut evaluation = evaluation();
        for predicted in &mut evaluation.predicted {
            *predicted %= 2;
        }
        let report = class_report(&evaluation);
        let rows = report.rows(three_decimals, " (positive)");
        assert_eq!(rows[2][..3], ["C (positive)", "undefined", "0.000"]);
        assert_eq!(rows[3][..2], ["macro average", "undefined"]);
        assert_eq!(rows[4][..2], ["weighted average", "undefined"]);
    }
}
