//! Selects the images whose heat maps are shown.

use super::record::Explained;
use crate::evaluate::report::Report;

/// Selects up to `count` images: one half are the most confident errors, the other half the most confident correct
/// images of each class in turn. If there are too few of one sort, there are more of the other. The errors come first.
/// Of images with the same probability, the first ones of the dataset are selected.
pub(super) fn explained(report: &Report<'_>, names: &[String], count: usize) -> Vec<Explained> {
    let predicted = report.predictions.decide(report.decision);
    let labels = report.predictions.labels;
    let rows = report
        .predictions
        .probabilities
        .chunks_exact(report.predictions.classes);
    let all = rows.enumerate().map(|(index, row)| Explained {
        index,
        name: names[index].clone(),
        label: labels[index],
        predicted: predicted[index],
        probability: row[predicted[index] as usize],
    });
    let (mut correct, mut errors): (Vec<_>, Vec<_>) =
        all.partition(|one| one.label == one.predicted);
    for images in [&mut correct, &mut errors] {
        images.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    }
    let correct = in_turn(correct, report.classes.len());
    let half = count / 2;
    let of_errors = errors
        .len()
        .min(half.max(count.saturating_sub(correct.len())));
    errors.truncate(of_errors);
    errors.extend(correct.into_iter().take(count - of_errors));
    errors
}

/// Orders images so that classes alternate. The order within a class is kept.
fn in_turn(images: Vec<Explained>, classes: usize) -> Vec<Explained> {
    let mut seen = vec![0; classes];
    let mut ranked: Vec<(usize, Explained)> = images
        .into_iter()
        .map(|image| {
            let rank = &mut seen[image.label as usize];
            *rank += 1;
            (*rank, image)
        })
        .collect();
    ranked.sort_by_key(|(rank, image)| (*rank, image.label));
    ranked.into_iter().map(|(_, image)| image).collect()
}

#[cfg(test)]
mod tests {
    use super::explained;
    use crate::evaluate::report::Report;
    use crate::metrics::{Decision, Predictions};

    /// Returns the selected images of eight.
    fn selected(labels: &[u32], count: usize) -> Vec<usize> {
        let of_second = [0.9f32, 0.2, 0.7, 0.6, 0.1, 0.95, 0.9, 0.4];
        let probabilities: Vec<f32> = of_second.iter().flat_map(|&p| [1.0 - p, p]).collect();
        let classes = ["A", "B"].map(str::to_owned);
        let names: Vec<String> = (0..8).map(|at| at.to_string()).collect();
        let report = Report {
            classes: &classes,
            positive: 1,
            decision: Decision::Threshold {
                class: 1,
                threshold: 0.5,
            },
            predictions: Predictions {
                probabilities: &probabilities,
                labels,
                classes: 2,
            },
            groups: &[],
            pixels: String::new(),
        };
        let found = explained(&report, &names, count);
        found.into_iter().map(|one| one.index).collect()
    }

    #[test]
    fn half_are_errors_and_the_classes_alternate_among_the_others() {
        // Errors: 0 (0.9), 2 (0.7), 7 (0.6). Correct: 4 (0.9), 1 (0.8) of A; 5 (0.95), 6 (0.9), 3 (0.6) of B.
        let labels = [0, 0, 0, 1, 0, 1, 1, 1];
        assert_eq!(selected(&labels, 4), [0, 2, 4, 5]);
        assert_eq!(selected(&labels, 5), [0, 2, 4, 5, 1]);
        assert_eq!(selected(&labels, 0), [0; 0]);
        assert_eq!(selected(&labels, 1), [4]);
        // All of them, although there are fewer errors than half.
        assert_eq!(selected(&labels, 100), [0, 2, 7, 4, 5, 1, 6, 3]);
    }

    #[test]
    fn errors_make_up_for_missing_correct_images() {
        // Only images 4 and 5 are correct; of the errors, 0 and 6 have the same probability.
        let labels = [0, 1, 0, 0, 0, 1, 0, 1];
        assert_eq!(selected(&labels, 6), [0, 6, 1, 2, 4, 5]);
    }
}
