//! [`ConfusionView`]: the confusion matrix of an evaluation as a table.

use contract::analysis::ConfusionMatrix;

use crate::shortened;

/// Most classes whose columns have names. More columns have numbers, or they would not fit.
const NAMED: usize = 5;
/// Longest name of a class in a header, in characters. The report by class has names in full.
const LONGEST: usize = 60;

/// Counts of images by actual and predicted class.
#[derive(Clone, Debug)]
pub struct ConfusionView {
    pub classes: Vec<ClassName>,
    /// `true` if the columns have the numbers of classes instead of their names.
    pub is_numbered: bool,
    pub rows: Vec<Vec<ConfusionCell>>,
}

/// A class as a header of the matrix.
#[derive(Clone, Debug)]
pub struct ClassName {
    /// Its number, from 1.
    pub number: usize,
    pub name: String,
    /// The beginning of a long name.
    pub short: String,
}

#[derive(Clone, Debug)]
pub struct ConfusionCell {
    pub count: u64,
    /// Share of the row: `96 %`, or `–` if the row has no images.
    pub percent: String,
    /// Darkness of the cell, from 0 to 9.
    pub shade: u64,
    pub is_correct: bool,
}

impl ConfusionView {
    pub(super) fn new(matrix: &ConfusionMatrix) -> Self {
        let classes = matrix.classes.iter().zip(1..);
        let classes = classes.map(|(name, number)| ClassName {
            number,
            name: name.clone(),
            short: shortened::cut(name, LONGEST),
        });
        Self {
            classes: classes.collect(),
            is_numbered: matrix.classes.len() > NAMED,
            rows: matrix.counts.iter().enumerate().map(row).collect(),
        }
    }
}

fn row((actual, counts): (usize, &Vec<u64>)) -> Vec<ConfusionCell> {
    let all: u64 = counts.iter().sum();
    let cells = counts.iter().enumerate();
    cells
        .map(|(predicted, &count)| ConfusionCell {
            count,
            percent: match all {
                0 => "–".to_owned(),
                all => format!("{:.0} %", 100.0 * count as f64 / all as f64),
            },
            shade: (9 * count).checked_div(all).unwrap_or(0),
            is_correct: actual == predicted,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_many_classes_have_numbers_and_long_names_are_cut() {
        let matrix = |classes: usize| ConfusionMatrix {
            title: String::new(),
            classes: (0..classes)
                .map(|at| format!("class {at} ") + &"x".repeat(80))
                .collect(),
            counts: vec![vec![1; classes]; classes],
        };
        let few = ConfusionView::new(&matrix(5));
        assert!(!few.is_numbered);
        assert_eq!(few.classes[4].number, 5);
        assert_eq!(few.classes[4].short.chars().count(), LONGEST);
        assert!(few.classes[4].short.ends_with('…'));
        assert_eq!(few.rows[0][0].percent, "20 %");
        assert!(ConfusionView::new(&matrix(12)).is_numbered);
    }
}
