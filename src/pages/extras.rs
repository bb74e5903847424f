//! Parts of pages that are not in the folder of a run: the caller knows them from the pipeline file and from
//! other runs.

/// Parts of a page that the caller provides.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// Sentences that the reader should know first, such as: the pipeline file has changed since this run.
    pub notices: Vec<String>,
    pub tables: Vec<TableView>,
    /// Comparisons of the best instances with the others, for a pipeline without tables.
    pub certainties: Vec<CertaintyView>,
    pub expectations: Vec<ExpectationView>,
    /// The run compared with the one before it.
    pub comparison: Option<Comparison>,
    /// Warnings about the pipeline. Lines after the first one quote its file, with carets below columns.
    pub warnings: Vec<String>,
    /// Commands that repeat the run, one a line.
    pub commands: Vec<String>,
}

/// A table of a pipeline.
#[derive(Clone, Debug)]
pub struct TableView {
    pub title: String,
    /// The axes whose values are the rows; empty if there is a single row.
    pub axes: Vec<String>,
    /// Titles of the columns.
    pub columns: Vec<String>,
    pub rows: Vec<RowView>,
    pub notes: Vec<String>,
    pub contrasts: Vec<ContrastView>,
    /// The row with the best value of each column, where a single row has it.
    pub best: Vec<BestRow>,
}

/// A row of a table.
#[derive(Clone, Debug)]
pub struct RowView {
    /// Its values on the axes.
    pub names: Vec<String>,
    pub cells: Vec<CellView>,
}

/// The rows of a column, compared with one of them.
#[derive(Clone, Debug)]
pub struct ContrastView {
    pub title: String,
    /// Empty if no row was compared.
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
    pub notes: Vec<String>,
}

/// The row with the best value of a column.
#[derive(Clone, Debug)]
pub struct BestRow {
    /// `Highest f1`, or `Lowest loss`. It does not say "best", because the intervals of other rows may overlap.
    pub label: String,
    /// The row's values on the axes, as in the table.
    pub row: String,
    /// `0.921 [0.89, 0.95]`.
    pub value: String,
    /// Title of the column.
    pub column: String,
    /// Comparison with the other rows: `not significantly better than model3`; empty if they were not compared.
    pub certainty: String,
    /// The instances behind the value.
    pub stages: Vec<String>,
}

/// Comparison of the best instance by a metric with the others.
#[derive(Clone, Debug)]
pub struct CertaintyView {
    /// The instance with the best value.
    pub stage: String,
    pub metric: String,
    /// `not significantly better than evaluate[model3]`; empty if there was nothing to compare with.
    pub text: String,
}

/// A cell of a table.
#[derive(Clone, Debug, Default)]
pub struct CellView {
    /// `0.921`, or why there is no value: `not run`.
    pub value: String,
    pub is_missing: bool,
    /// `± 0.012 [0.90, 0.93]`; may be empty.
    pub spread: String,
    pub reference: Option<Reference>,
    pub verdict: Option<Verdict>,
    /// The bounds that are violated.
    pub failed: Vec<String>,
    /// `highest` or `lowest`, if no other value of its column is as good.
    pub best: Option<&'static str>,
    /// The instances behind the value: one, or one for each seed.
    pub stages: Vec<String>,
    /// The value in full precision, for sorting.
    pub sort_key: String,
}

/// A value to compare with: `paper`, `0.95`.
#[derive(Clone, Debug)]
pub struct Reference {
    pub label: String,
    pub value: String,
}

/// The outcome of checking a value against expected bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    NotKnown,
    Fail,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::NotKnown => "not known",
            Self::Fail => "fail",
        }
    }

    pub fn class(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::NotKnown => "unknown",
            Self::Fail => "fail",
        }
    }

    pub fn sign(self) -> &'static str {
        match self {
            Self::Pass => "✓",
            Self::NotKnown => "?",
            Self::Fail => "✗",
        }
    }
}

/// An expectation and its verdict.
#[derive(Clone, Debug)]
pub struct ExpectationView {
    /// `evaluate[model1].f1`
    pub metric: String,
    /// The value, or why there is none.
    pub value: String,
    pub expected: String,
    pub verdict: Verdict,
    /// The instance that was measured.
    pub stage: String,
}

/// A run compared with an earlier one.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Id of the earlier run, and its time as in its record.
    pub other: String,
    pub other_started: String,
    /// Settings that differ: what, before, now.
    pub settings: Vec<(String, String, String)>,
    pub changes: Vec<ChangeView>,
    pub metrics: Vec<MetricChangeView>,
    /// Number of metrics that are the same in both runs.
    pub same_metrics: usize,
    /// Number of metrics that only one of the runs has.
    pub unpaired_metrics: usize,
    /// Number of stages whose keys are the same in both runs.
    pub same_stages: usize,
}

/// A difference that caused others, and the stages that have it.
#[derive(Clone, Debug)]
pub struct ChangeView {
    /// `params.epochs 2 → 1`
    pub what: String,
    pub stages: Vec<String>,
}

/// A metric with different values in both runs.
#[derive(Clone, Debug)]
pub struct MetricChangeView {
    pub stage: String,
    pub metric: String,
    /// Before and now.
    pub values: [f64; 2],
    /// `true` if it became better; `None` if that is not known.
    pub is_better: Option<bool>,
    /// `true` if the intervals of both values do not overlap.
    pub is_apart: bool,
    /// `true` if the values were measured on other images.
    pub has_other_images: bool,
}

impl Comparison {
    /// The stages whose metrics were measured on other images than before.
    pub fn with_other_images(&self) -> Vec<&str> {
        let metrics = self.metrics.iter().filter(|metric| metric.has_other_images);
        let mut names: Vec<&str> = metrics.map(|metric| &*metric.stage).collect();
        names.dedup();
        names
    }
}

impl MetricChangeView {
    pub fn before(&self) -> String {
        crate::metric::number(self.values[0])
    }

    pub fn now(&self) -> String {
        crate::metric::number(self.values[1])
    }

    /// `+0.012`.
    pub fn change(&self) -> String {
        crate::metric::change(self.values[1] - self.values[0])
    }

    /// The change in full precision, for sorting.
    pub fn sort_key(&self) -> f64 {
        self.values[1] - self.values[0]
    }

    /// `better`, and whether the intervals overlap. Values for other images have no verdict.
    pub fn verdict(&self) -> &'static str {
        match (self.is_better, self.is_apart) {
            _ if self.has_other_images => "other test images",
            (Some(true), true) => "better, intervals apart",
            (Some(true), false) => "better",
            (Some(false), true) => "worse, intervals apart",
            (Some(false), false) => "worse",
            (None, _) => "",
        }
    }
}
