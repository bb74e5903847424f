//! Writes the tables and figures of an evaluation.

use std::path::Path;

use contract::analysis::{ClassReport, Evaluation, Over, chosen_by, three_decimals};
use contract::json::shortest;
use contract::{Failure, METRICS_FILE, Metrics, json};
use serde_json::json;

use super::class_report::class_report;
use super::evaluation::{CLASS_REPORT_FILE, CONFUSION_FILE, PREDICTIONS_FILE, columns};
use crate::figures::confusion::confusion;
use crate::figures::roc::roc;
use crate::metrics::{Confusion, Decision, Predictions};

/// The metrics in the summary of an evaluation.
const SUMMARIZED: [&str; 3] = ["f1", "accuracy", "roc_auc"];

/// A set of predictions to report on.
pub(super) struct Report<'a> {
    pub(super) classes: &'a [String],
    pub(super) positive: usize,
    pub(super) decision: Decision,
    /// Rule by which the threshold was chosen, if it was.
    pub(super) rule: Option<String>,
    pub(super) predictions: Predictions<'a>,
    /// The group of each image; empty if the images have none.
    pub(super) groups: &'a [String],
    /// Checksum of the pixels of all images; `None` without images.
    pub(super) pixels: Option<String>,
}

impl Report<'_> {
    fn confusion(&self) -> Confusion {
        let decided = self.predictions.decide(self.decision);
        Confusion::new(self.predictions.labels, &decided, self.classes.len())
    }

    /// Writes `metrics.json`, `confusion.json`, `class_report.csv` and `predictions.csv`.
    pub(super) fn write(
        &self,
        metrics: &Metrics,
        names: &[String],
        folder: &Path,
    ) -> Result<(), Failure> {
        json::write(&folder.join(METRICS_FILE), metrics)?;

        let confusion = self.confusion();
        let classes = 0..self.classes.len();
        let rows: Vec<Vec<u64>> = classes
            .clone()
            .map(|a| classes.clone().map(|p| confusion.count(a, p)).collect())
            .collect();
        let decision = match self.decision {
            Decision::Threshold { class, threshold } => {
                let mut decision =
                    json!({ "class": self.classes[class], "threshold": shortest(threshold) });
                if let Some(rule) = &self.rule {
                    decision["rule"] = json!(rule);
                }
                decision
            }
            Decision::MostProbable => json!("most probable class"),
        };
        let content = json!({
            "classes": self.classes,
            "positive": self.classes[self.positive],
            "decision": decision,
            "pixels": self.pixels,
            "actual_by_predicted": rows,
        });
        json::write(&folder.join(CONFUSION_FILE), &content)?;

        let path = folder.join(CLASS_REPORT_FILE);
        self.write_class_report(&path)
            .map_err(|e| Failure::io("write", &path, e))?;

        let path = folder.join(PREDICTIONS_FILE);
        self.write_csv(names, &path)
            .map_err(|e| Failure::io("write", &path, e))
    }

    /// Writes `confusion.png` and, if both the positive class and other classes have images, `roc.png`.
    pub(super) fn draw(&self, metrics: &Metrics, folder: &Path) -> Result<(), Failure> {
        let confusion_matrix = self.confusion();
        let curve = self.predictions.ranking(self.positive).roc_curve();
        // Both are defined where there is a curve.
        let specificity = confusion_matrix.specificity(self.positive);
        let recall = confusion_matrix.recall(self.positive);
        if let (Some(curve), Some(auc), Some(specificity), Some(recall)) =
            (curve, metrics.get("roc_auc"), specificity, recall)
        {
            let at = (1.0 - specificity, recall);
            let title = format!("ROC curve: {}", self.classes[self.positive]);
            roc(
                &folder.join("roc.png"),
                &title,
                curve,
                (auc, self.over()),
                Some((self.decision_text(), at)),
            )?;
        }
        let title = format!("{} images", self.predictions.labels.len());
        confusion(
            &folder.join("confusion.png"),
            &title,
            self.classes,
            &confusion_matrix,
        )
    }

    /// Formats the decision rule as `threshold 0.620 (highest F1 on 52 validation images)`, with the class if it is not the
    /// positive one.
    fn decision_text(&self) -> String {
        match self.decision {
            Decision::Threshold { class, threshold } => {
                let of = (class != self.positive).then(|| self.classes[class].as_str());
                threshold_text(f64::from(threshold), of, self.rule.as_deref())
            }
            Decision::MostProbable => "most probable class".to_owned(),
        }
    }

    /// Returns the sources of variation that the intervals cover.
    fn over(&self) -> Over {
        if self.groups.is_empty() {
            Over::Images
        } else {
            Over::Groups
        }
    }

    /// Formats the main metrics as `f1 of PNEUMONIA 0.918 [0.897, 0.937], accuracy …`, followed by the decision rule
    /// and by what the intervals account for.
    pub(super) fn summary(&self, metrics: &Metrics) -> String {
        let figures = SUMMARIZED.into_iter().filter_map(|name| {
            let metric = metrics.get(name)?;
            let of = metric.of.as_ref().map(|class| format!(" of {class}"));
            let value = three_decimals(Some(metric.value).filter(|value| value.is_finite()));
            let interval = metric
                .interval
                .map(|[low, high]| format!(" [{low:.3}, {high:.3}]"));
            let [of, interval] = [of, interval].map(Option::unwrap_or_default);
            Some(format!("{name}{of} {value}{interval}"))
        });
        let mut parts: Vec<String> = figures.collect();
        parts.push(self.decision_text());
        let has_intervals = metrics.values().any(|metric| metric.interval.is_some());
        let note = has_intervals.then(|| format!("; 95 % intervals over {}", self.over()));
        let is_bare = |name: &&str| {
            let metric = metrics.get(*name);
            metric.is_some_and(|one| one.resamples_agree && one.interval.is_none())
        };
        let bare: Vec<&str> = SUMMARIZED.into_iter().filter(is_bare).collect();
        let agreed = (!bare.is_empty()).then(|| {
            format!(
                "; no interval of {}, because all resamples agree",
                bare.join(", ")
            )
        });
        parts.join(", ") + &note.unwrap_or_default() + &agreed.unwrap_or_default()
    }

    /// Writes a line for each class and for the averages. Undefined values are empty.
    fn write_class_report(&self, path: &Path) -> Result<(), csv::Error> {
        let mut table = csv::Writer::from_path(path)?;
        table.write_record(ClassReport::HEADER)?;
        let figure = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        for row in class_report(&self.evaluation()).rows(figure, "") {
            table.write_record(row)?;
        }
        table.flush()?;
        Ok(())
    }

    /// Returns the predictions as an evaluation of images without names.
    fn evaluation(&self) -> Evaluation {
        Evaluation {
            names: Vec::new(),
            pixels: None,
            groups: Vec::new(),
            folds: Vec::new(),
            labels: self.predictions.labels.to_vec(),
            predicted: self.predictions.decide(self.decision),
            probabilities: self.predictions.probabilities.to_vec(),
            classes: self.classes.to_vec(),
            positive: self.positive as u32,
            threshold: match self.decision {
                Decision::Threshold { class, threshold } => {
                    Some((class as u32, shortest(threshold)))
                }
                Decision::MostProbable => None,
            },
            threshold_rule: self.rule.clone(),
        }
    }

    /// Writes a line for each image: its name, its group, if images have groups, its class, its predicted class, and
    /// each class's probability.
    /// Fields are quoted as in RFC 4180.
    fn write_csv(&self, names: &[String], path: &Path) -> Result<(), csv::Error> {
        let mut table = csv::Writer::from_path(path)?;
        table.write_record(columns(self.classes, !self.groups.is_empty()))?;
        let Predictions {
            probabilities,
            labels,
            classes,
        } = self.predictions;
        let decided = self.predictions.decide(self.decision);
        for (i, row) in probabilities.chunks_exact(classes).enumerate() {
            let class = |class: u32| self.classes[class as usize].clone();
            let words = [class(labels[i]), class(decided[i])].into_iter();
            let probabilities = row.iter().map(f32::to_string);
            let first = std::iter::once(names[i].clone()).chain(self.groups.get(i).cloned());
            table.write_record(first.chain(words).chain(probabilities))?;
        }
        table.flush()?;
        Ok(())
    }
}

/// Formats a threshold, the class that it is about if that is not the positive one, and the rule that chose it.
pub(crate) fn threshold_text(threshold: f64, of: Option<&str>, rule: Option<&str>) -> String {
    let rule = chosen_by(rule, of);
    let of = of.map_or_else(String::new, |class| format!(" of {class}"));
    format!("threshold {threshold:.3}{of}{rule}")
}
