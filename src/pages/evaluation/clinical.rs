//! [`ClinicalView`]: the tables of an evaluation for readers of medical studies.

use contract::analysis::{Clinical, Figure, Subgroups};
use store::keys::Digest;

use crate::figure::FigureView;
use crate::reader::Reader;
use crate::stage::StageView;

/// The classifier at the threshold in use, its area under the ROC curve, and its results in subgroups.
#[derive(Clone, Debug)]
pub struct ClinicalView {
    /// `PNEUMONIA, from a probability of 0.62, …`
    pub heading: String,
    /// Titles and rows of the operating point.
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// The area under the ROC curve, and remarks.
    pub notes: Vec<String>,
    pub subgroups: Vec<SubgroupsView>,
}

/// The results in each part of the images.
#[derive(Clone, Debug)]
pub struct SubgroupsView {
    /// Name of the division.
    pub by: String,
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
    pub notes: Vec<String>,
}

impl ClinicalView {
    pub(super) fn new(clinical: &Clinical) -> Self {
        let (header, rows) = split(clinical.operating_rows());
        let tests = clinical.subgroup_tests();
        let notes = clinical.area_line().into_iter().chain(clinical.notes());
        Self {
            heading: clinical.heading(),
            header,
            rows,
            notes: notes.collect(),
            subgroups: clinical
                .subgroups
                .iter()
                .map(|division| subgroups(division, tests))
                .collect(),
        }
    }
}

/// Reads the tables from an output; `None` if it has none, as that of an earlier version.
pub(super) fn read(reader: Reader<'_>, output: &Digest) -> Option<Clinical> {
    let name = reader.analysis.clinical_file();
    if !reader.tree(output)?.files.contains_key(name) {
        return None;
    }
    let clinical = reader.analysis.read_clinical(&reader.file(output, name)?);
    clinical
        .inspect_err(|e| tracing::warn!("{output}: {e}"))
        .ok()
}

/// Draws the decision curve, if there is one.
pub(super) fn curve(
    reader: Reader<'_>,
    stage: &StageView,
    clinical: &Clinical,
) -> Option<FigureView> {
    let curve = clinical.decision_curve.as_ref()?;
    // Probabilities that are right for the test images are not right where the disease is rarer or more frequent.
    let shifted = match curve.is_shifted {
        true => {
            " The model's probabilities are shifted to it from the share among the images, by Bayes' theorem."
        }
        false => "",
    };
    let caption = format!(
        "In true positives per image, for a prevalence of {:.3}.{shifted} The model is useful where it is above both \
         other lines.",
        curve.prevalence
    );
    let id = format!("{}-decision-curve", stage.id);
    FigureView::new(reader, id, caption, &Figure::DecisionCurve(curve))
}

fn subgroups(division: &Subgroups, tests: usize) -> SubgroupsView {
    let (header, rows) = split(division.rows());
    SubgroupsView {
        by: division.by.clone(),
        header,
        rows,
        notes: division.notes(tests),
    }
}

/// Separates the titles from the rows.
fn split(mut rows: Vec<Vec<String>>) -> (Vec<String>, Vec<Vec<String>>) {
    let header = match rows.is_empty() {
        true => Vec::new(),
        false => rows.remove(0),
    };
    (header, rows)
}
