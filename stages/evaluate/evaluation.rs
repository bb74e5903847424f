//! Reads what an evaluation recorded for every image.

use contract::analysis::Evaluation;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::metrics::{Predictions, Scored, Units};

/// Name of the file with a line for each image.
pub const PREDICTIONS_FILE: &str = "predictions.csv";

/// Name of the file with the confusion matrix and the classes.
pub use contract::CONFUSION_FILE;

/// Name of the file with a line for each class, and the averages of the classes.
pub(super) const CLASS_REPORT_FILE: &str = "class_report.csv";

/// Name of the column with the groups of images, if they have any.
const GROUP: &str = "group";

/// Reasons why files are not the output of an evaluation.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("`{CONFUSION_FILE}` does not list the classes: {0}")]
    Confusion(#[from] serde_json::Error),
    #[error("`{CONFUSION_FILE}` has the class `{0}`, which is not one of its classes")]
    Unknown(String),
    #[error("`{PREDICTIONS_FILE}` is not a table: {0}")]
    Table(#[from] csv::Error),
    #[error("`{PREDICTIONS_FILE}` has the columns {found}, not {expected}")]
    Columns { found: String, expected: String },
    #[error("`{PREDICTIONS_FILE}`, image {image}: `{class}` is not a class")]
    Class { image: usize, class: String },
    #[error("`{PREDICTIONS_FILE}`, image {image}: `{text}` is not a probability")]
    Probability { image: usize, text: String },
}

/// Reasons why two evaluations cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unlike {
    #[error("the classes differ")]
    Classes,
    #[error("the positive classes differ")]
    Positive,
    #[error("the test images differ")]
    Images,
    #[error("the labels differ")]
    Labels,
    #[error("the groups of the test images differ")]
    Groups,
}

#[derive(Deserialize)]
struct Confusion {
    classes: Vec<String>,
    positive: String,
    decision: Decision,
    pixels: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Decision {
    Threshold {
        class: String,
        threshold: f64,
        rule: Option<String>,
    },
    MostProbable(IgnoredAny),
}

/// Reads the content of [`PREDICTIONS_FILE`] and of [`CONFUSION_FILE`].
pub fn read(predictions: &[u8], confusion: &[u8]) -> Result<Evaluation, Unreadable> {
    let Confusion {
        classes,
        positive,
        decision,
        pixels,
    } = serde_json::from_slice(confusion)?;
    let class = |name: String| index(&classes, &name).ok_or(Unreadable::Unknown(name));
    let positive = class(positive)?;
    let (threshold, threshold_rule) = match decision {
        Decision::Threshold {
            class: name,
            threshold,
            rule,
        } => (Some((class(name)?, threshold)), rule),
        Decision::MostProbable(IgnoredAny) => (None, None),
    };
    let mut table = csv::Reader::from_reader(predictions);
    let is_grouped = table.headers()?.get(1) == Some(GROUP);
    let expected = columns(&classes, is_grouped);
    if table.headers()?.iter().ne(expected.iter()) {
        let found: Vec<&str> = table.headers()?.iter().collect();
        return Err(Unreadable::Columns {
            found: found.join(","),
            expected: expected.join(","),
        });
    }
    let mut evaluation = Evaluation {
        names: Vec::new(),
        pixels,
        groups: Vec::new(),
        folds: Vec::new(),
        labels: Vec::new(),
        predicted: Vec::new(),
        probabilities: Vec::new(),
        classes,
        positive,
        threshold,
        threshold_rule,
    };
    for row in table.records() {
        add(&mut evaluation, &row?, is_grouped)?;
    }
    Ok(evaluation)
}

/// Adds an image. `row` has as many fields as the header.
fn add(
    evaluation: &mut Evaluation,
    row: &csv::StringRecord,
    is_grouped: bool,
) -> Result<(), Unreadable> {
    let first = 1 + usize::from(is_grouped);
    let image = evaluation.names.len() + 1;
    let class = |field: usize| {
        index(&evaluation.classes, &row[field]).ok_or_else(|| Unreadable::Class {
            image,
            class: row[field].to_owned(),
        })
    };
    let (label, predicted) = (class(first)?, class(first + 1)?);
    for text in row.iter().skip(first + 2) {
        let probability = text.parse().ok().filter(|p| (0.0..=1.0).contains(p));
        let probability = probability.ok_or_else(|| Unreadable::Probability {
            image,
            text: text.to_owned(),
        })?;
        evaluation.probabilities.push(probability);
    }
    evaluation.names.push(row[0].to_owned());
    if is_grouped {
        evaluation.groups.push(row[1].to_owned());
    }
    evaluation.labels.push(label);
    evaluation.predicted.push(predicted);
    Ok(())
}

/// Returns `true` if `a` and `b` are of the same images: by name and pixels, in the same order.
pub(super) fn has_same_images(a: &Evaluation, b: &Evaluation) -> bool {
    a.names == b.names && a.pixels == b.pixels
}

/// Checks that `a` and `b` have the same classes and the same images, with the same labels and groups.
pub(super) fn check_alike(a: &Evaluation, b: &Evaluation) -> Result<(), Unlike> {
    if a.classes != b.classes {
        return Err(Unlike::Classes);
    }
    if !has_same_images(a, b) {
        return Err(Unlike::Images);
    }
    if a.labels != b.labels {
        return Err(Unlike::Labels);
    }
    if a.groups != b.groups {
        return Err(Unlike::Groups);
    }
    if a.positive != b.positive {
        return Err(Unlike::Positive);
    }
    Ok(())
}

/// Returns the predictions in the form that measures are computed from. Measures of one class are those of `class`, or
/// else of the positive class; `None` if there is no such class.
pub(super) fn scored(evaluation: &Evaluation, class: Option<&str>) -> Option<Scored> {
    let predictions = Predictions {
        probabilities: &evaluation.probabilities,
        labels: &evaluation.labels,
        classes: evaluation.classes.len(),
    };
    let class = match class {
        Some(name) => index(&evaluation.classes, name)?,
        None => evaluation.positive,
    };
    let predicted = evaluation.predicted.clone();
    let scored = Scored::new(&predictions, predicted, class as usize);
    Some(scored.within(&evaluation.folds))
}

/// Returns what the bootstrap draws: the groups of the images, if they have any.
pub(super) fn units(evaluation: &Evaluation) -> Units {
    match evaluation.groups.as_slice() {
        [] => Units::images(evaluation.names.len()),
        groups => Units::groups(groups),
    }
}

/// Returns the columns of [`PREDICTIONS_FILE`].
pub(super) fn columns(classes: &[String], is_grouped: bool) -> Vec<String> {
    let group = is_grouped.then_some(GROUP);
    let words = ["name"]
        .into_iter()
        .chain(group)
        .chain(["label", "predicted"]);
    let probabilities = classes.iter().map(|class| format!("p_{class}"));
    words.map(str::to_owned).chain(probabilities).collect()
}

fn index(classes: &[String], name: &str) -> Option<u32> {
    let place = classes.iter().position(|class| class == name)?;
    u32::try_from(place).ok()
}
