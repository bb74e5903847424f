//! Compares results with expectations.
//!
//! [`judge`] compares one value with its bounds; [`Judgements`] holds the verdicts for a pipeline. Tables
//! show them in their cells, and a [`list`] shows those that have no cell. This module reads no files.

pub mod list;

use std::collections::{HashMap, HashSet};
use std::fmt;

use engine::graph::{Bounds, Column, InstanceName, PortMetric, Row, Table};
use engine::wording;
use serde::Serialize;

/// Maximum number of unmet expectations that are listed.
const LISTED: usize = 20;

/// Comparison of a value with what was expected. Worse verdicts are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Pass,
    /// There is no value to judge.
    NotKnown,
    Fail,
}

impl Verdict {
    /// A sign that is readable without color.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Pass => "✓",
            Self::Fail => "✗",
            Self::NotKnown => "?",
        }
    }
}

impl Verdict {
    /// The same verdict for a page.
    pub fn view(self) -> pages::Verdict {
        match self {
            Self::Pass => pages::Verdict::Pass,
            Self::NotKnown => pages::Verdict::NotKnown,
            Self::Fail => pages::Verdict::Fail,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotKnown => "not known",
        })
    }
}

/// Compares a value with its bounds. With several seeds, the value is the mean over them; in a
/// cross-validation, it is that of the predictions of all folds together, or else the mean over folds.
pub fn judge(bounds: &Bounds, value: Option<f64>) -> Verdict {
    match value {
        None => Verdict::NotKnown,
        Some(value) if bounds.hold(value) => Verdict::Pass,
        Some(_) => Verdict::Fail,
    }
}

/// A metric of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    pub instance: InstanceName,
    pub metric: PortMetric,
}

/// `evaluate[model1].f1`
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.instance, self.metric)
    }
}

/// An expectation of one metric, and the verdict on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    pub subject: Subject,
    pub bounds: Bounds,
    /// The value, or a short reason why there is none.
    pub measured: Result<f64, String>,
    /// The class that the value is of; `None` if it covers all classes or is not known.
    pub class: Option<String>,
    pub verdict: Verdict,
}

impl Judgement {
    pub fn of(subject: Subject, bounds: Bounds, measured: Result<f64, String>) -> Self {
        let verdict = judge(&bounds, measured.as_ref().ok().copied());
        Self {
            subject,
            bounds,
            measured,
            class: None,
            verdict,
        }
    }

    /// Sets the class that the value is of.
    pub fn of_class(self, class: Option<String>) -> Self {
        Self { class, ..self }
    }

    /// `0.723 (class PNEUMONIA), expected 0.88 ± 0.05`, or `not run, expected at least 0.9`.
    pub fn in_words(&self) -> String {
        let measured = match &self.measured {
            Ok(value) => self.bounds.figure(*value),
            Err(reason) => reason.clone(),
        };
        format!("{measured}{}, expected {}", self.class_note(), self.bounds)
    }
}

impl Judgement {
    /// ` (class PNEUMONIA)`, or an empty text.
    fn class_note(&self) -> String {
        let class = self.class.as_ref();
        class.map_or(String::new(), |class| format!(" (class {class})"))
    }
}

/// All judgements of a pipeline, in the order of its expectations.
#[derive(Default)]
pub struct Judgements {
    all: Vec<Judgement>,
    by_subject: HashMap<Subject, Vec<usize>>,
}

impl Judgements {
    pub fn new(all: Vec<Judgement>) -> Self {
        let mut by_subject: HashMap<Subject, Vec<usize>> = HashMap::new();
        for (index, judgement) in all.iter().enumerate() {
            let subject = judgement.subject.sorted();
            by_subject.entry(subject).or_default().push(index);
        }
        Self { all, by_subject }
    }

    pub fn all(&self) -> &[Judgement] {
        &self.all
    }

    /// The judgements of one metric.
    pub fn of(&self, subject: &Subject) -> Vec<&Judgement> {
        let found = self.by_subject.get(&subject.sorted()).into_iter().flatten();
        found.map(|&index| &self.all[index]).collect()
    }

    /// The judgements that have no cell in these tables.
    pub fn outside(&self, tables: &[Table]) -> Vec<&Judgement> {
        let cells = tables.iter().flat_map(subjects);
        let shown: HashSet<Subject> = cells.map(|cell| cell.sorted()).collect();
        let all = self.all.iter();
        all.filter(|judgement| !shown.contains(&judgement.subject.sorted()))
            .collect()
    }

    /// Describes the expectations that are not met: `2 expectations failed, 1 is not known`, and a line for
    /// each. `None` if all are met.
    pub fn unmet(&self) -> Option<String> {
        let count = |verdict| {
            let all = self.all.iter();
            all.filter(|judgement| judgement.verdict == verdict).count()
        };
        let (failed, unknown) = (count(Verdict::Fail), count(Verdict::NotKnown));
        let is = if unknown == 1 { "is" } else { "are" };
        let expectations = |count| wording::counted(count, "expectation");
        let mut text = match (failed, unknown) {
            (0, 0) => return None,
            (failed, 0) => format!("{} failed", expectations(failed)),
            (0, unknown) => format!("{} {is} not known", expectations(unknown)),
            _ => format!("{} failed, {unknown} {is} not known", expectations(failed)),
        };
        let unmet = |judgement: &&Judgement| judgement.verdict != Verdict::Pass;
        for judgement in self.all.iter().filter(unmet).take(LISTED) {
            text += &format!("\n  {}: {}", judgement.subject, judgement.in_words());
        }
        if failed + unknown > LISTED {
            text += &format!("\n  and {} more", failed + unknown - LISTED);
        }
        Some(text)
    }
}

/// The subjects of a table's cells.
fn subjects(table: &Table) -> impl Iterator<Item = Subject> {
    let columns = table.columns.iter();
    columns.flat_map(move |column| {
        let rows = table.rows.iter();
        rows.map(move |row| Subject::of_cell(row, column))
    })
}

impl Subject {
    /// The subject of a cell.
    pub fn of_cell(row: &Row, column: &Column) -> Self {
        Self {
            instance: Self::instance_of_row(row.stage_of(column), row),
            metric: column.port_metric(),
        }
    }

    /// Name of what a row shows of a stage: an instance, or several whose mean is shown.
    pub fn instance_of_row(stage: &str, row: &Row) -> InstanceName {
        InstanceName {
            stage: stage.to_owned(),
            axes: row.axes.clone(),
            copy: row.copy(),
        }
    }

    /// The subject with its axes sorted by name: tables may list axes in another order than stages.
    fn sorted(&self) -> Self {
        let mut subject = self.clone();
        subject.instance.axes.sort();
        subject
    }
}
