//! Computes the tables of an evaluation for readers of medical studies.

mod files;
mod operating;
mod subgroups;

use contract::analysis::{AreaEstimate, AreaMethod, Clinical, DecisionCurve, chosen_by};
use contract::json::shortest;

use super::report::Report;
use crate::metrics::{Bootstrap, Decision, Placements, net_benefits, shifted};

pub use files::CLINICAL_FILE;
pub(super) use files::{draw, write};
pub(super) use subgroups::{Assigned, warnings};

/// Choices that the tables depend on besides the predictions.
pub(super) struct Asked<'a> {
    /// Prevalence that predictive values and the decision curve are computed for.
    pub prevalence: Option<f64>,
    /// Origin of the decision rule: `the threshold stored with the model`.
    pub origin: &'a str,
    pub divisions: &'a [Assigned],
    pub bootstrap: &'a Bootstrap,
}

/// Computes all tables.
pub(super) fn clinical(report: &Report<'_>, asked: &Asked<'_>) -> Clinical {
    let positive = &report.classes[report.positive];
    let scores = report.predictions.scores(report.positive);
    let is_positive = is_positive(report);
    let over = asked.bootstrap.units.over();
    let placements = Placements::new(&scores, &is_positive);
    let positives = is_positive.iter().filter(|is| **is).count();
    let images = is_positive.len();
    let points = net_benefits(&scores, &is_positive, asked.prevalence);
    Clinical {
        positive: positive.clone(),
        rule: rule(report, asked.origin),
        images: images as u64,
        positives: positives as u64,
        assumed_prevalence: asked.prevalence,
        over,
        operating_point: operating::table(report, asked),
        roc_auc: placements.map(|placements| AreaEstimate {
            value: placements.area(),
            interval: placements.interval(&asked.bootstrap.units),
            method: AreaMethod::of(over),
        }),
        decision_curve: points.map(|points| {
            let observed = positives as f64 / images as f64;
            DecisionCurve {
                positive: positive.clone(),
                prevalence: asked.prevalence.unwrap_or(observed),
                is_shifted: asked.prevalence.is_some(),
                threshold: own_threshold(report).map(|threshold| match asked.prevalence {
                    Some(prevalence) => shifted(threshold, [observed, prevalence]),
                    None => threshold,
                }),
                points,
            }
        }),
        subgroups: subgroups::tables(report, asked),
    }
}

/// Returns the threshold on the probability of the positive class, if there is one. A threshold on the other one of two
/// classes is converted: the positive class is decided below it, and both probabilities add up to 1.
fn own_threshold(report: &Report<'_>) -> Option<f64> {
    match report.decision {
        Decision::Threshold { class, threshold } if class == report.positive => {
            Some(shortest(threshold))
        }
        Decision::Threshold { threshold, .. } => Some(1.0 - shortest(threshold)),
        Decision::MostProbable => None,
    }
}

fn is_positive(report: &Report<'_>) -> Vec<bool> {
    let labels = report.predictions.labels.iter();
    labels
        .map(|&label| label as usize == report.positive)
        .collect()
}

/// Formats `from a probability of 0.62, the threshold stored with the model`, or, if the threshold is on the other class,
/// `below a probability of 0.62 of PNEUMONIA, …`.
fn rule(report: &Report<'_>, origin: &str) -> String {
    match report.decision {
        Decision::Threshold { class, threshold } => {
            let of = (class != report.positive).then(|| report.classes[class].as_str());
            let start = match of {
                None => format!("from a probability of {threshold}"),
                Some(class) => format!("below a probability of {threshold} of {class}"),
            };
            let chosen = chosen_by(report.rule.as_deref(), of);
            format!("{start}, {origin}{chosen}")
        }
        Decision::MostProbable => "if it is the most probable class".to_owned(),
    }
}

#[cfg(test)]
mod tests;
