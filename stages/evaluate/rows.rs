//! Compares the rows of a table's column with a reference row.

use contract::Direction;
use contract::analysis::{
    ComparedRow, Contrast, CorrectedContrast, EvaluatedRow, Reference, RowContrasts,
};

use super::repeats::{Incomparable, Repeats};
use crate::metrics::{NamedMeasure, holm};

/// Least number of resamples. With this number, a p-value of 0.05 varies by 0.003 with the seed.
const RESAMPLES: usize = 10_000;

/// Resamples for each pair that p-values are corrected for. The least p-value of a single pair, 2 / (n + 1), must
/// remain small after the correction.
const RESAMPLES_PER_PAIR: usize = 200;

/// Seed of the bootstrap. It is fixed, so that a comparison depends on the evaluations only.
const SEED: u64 = 0;

/// A row, prepared for comparisons, or a short reason why it cannot be compared.
struct Side<'a> {
    name: &'a str,
    repeats: Result<Repeats<'a>, String>,
}

impl Side<'_> {
    fn minus(&self, other: &Self) -> Result<Contrast, String> {
        let (ours, theirs) = (self.repeats.as_ref()?, other.repeats.as_ref()?);
        ours.minus(theirs).map_err(|e: Incomparable| e.to_string())
    }

    /// Returns the mean over the seeds; `None` if a value is undefined or cannot be read.
    fn mean(&self) -> Option<f64> {
        let values = self.repeats.as_ref().ok()?.resampled()?.values();
        Some(values.iter().sum::<f64>() / values.len() as f64)
    }
}

/// Compares rows by `measure`. `None` if there are fewer than two rows, or if the reference row is missing.
pub fn contrast_rows(
    measure: NamedMeasure<'_>,
    rows: &[EvaluatedRow],
    reference: &Reference,
) -> Option<RowContrasts> {
    let most_pairs = rows.len() * rows.len().saturating_sub(1) / 2;
    let resamples = RESAMPLES.max(RESAMPLES_PER_PAIR * most_pairs);
    compare(measure, rows, reference, resamples)
}

pub(super) fn compare(
    measure: NamedMeasure<'_>,
    rows: &[EvaluatedRow],
    reference: &Reference,
    resamples: usize,
) -> Option<RowContrasts> {
    let side = |row| of_row(row, measure, resamples);
    let sides: Vec<Side<'_>> = rows.iter().map(side).collect();
    let chosen = match reference {
        Reference::Best => best(&sides, measure.measure.direction())?,
        Reference::Row(name) => sides.iter().position(|side| side.name == *name)?,
    };
    let others = || (0..sides.len()).filter(|&other| other != chosen);
    others().next()?;
    let contrasts: Vec<_> = others()
        .map(|other| {
            (
                sides[other].name.to_owned(),
                sides[other].minus(&sides[chosen]),
            )
        })
        .collect();
    // The pairs without the reference row.
    let unseen = match reference {
        Reference::Best => others()
            .flat_map(|a| others().filter(move |&b| b < a).map(move |b| (a, b)))
            .filter_map(|(a, b)| sides[a].minus(&sides[b]).ok())
            .collect(),
        Reference::Row(_) => Vec::new(),
    };
    let (rows, pairs) = corrected(contrasts, &unseen);
    Some(RowContrasts {
        reference: sides[chosen].name.to_owned(),
        direction: measure.measure.direction(),
        resamples,
        pairs,
        rows,
    })
}

fn of_row<'a>(row: &'a EvaluatedRow, measure: NamedMeasure<'a>, resamples: usize) -> Side<'a> {
    let evaluations = row.evaluations.as_ref().map_err(Clone::clone);
    Side {
        name: &row.row,
        repeats: evaluations.map(|evaluations| Repeats::new(evaluations, measure, resamples, SEED)),
    }
}

/// Returns the position of the best row; the first of several equally good ones.
fn best(sides: &[Side<'_>], direction: Direction) -> Option<usize> {
    let mut best: Option<(f64, usize)> = None;
    for (place, side) in sides.iter().enumerate() {
        let Some(value) = side.mean() else {
            continue;
        };
        let is_better = best.is_none_or(|(so_far, _)| match direction {
            Direction::Maximize => value > so_far,
            Direction::Minimize => value < so_far,
        });
        if is_better {
            best = Some((value, place));
        }
    }
    Some(best?.1)
}

/// Corrects the p-values of `rows` for their number and that of `unseen` pairs, and returns that number. If the data
/// chose the reference row, a correction for the shown pairs only would be too weak.
pub fn corrected(
    rows: Vec<(String, Result<Contrast, String>)>,
    unseen: &[Contrast],
) -> (Vec<ComparedRow>, usize) {
    let found = rows.iter().filter_map(|(_, found)| found.as_ref().ok());
    let all: Vec<&Contrast> = found.chain(unseen).collect();
    let pairs = all.len();
    let p_values: Vec<f64> = all.iter().map(|contrast| contrast.difference.p).collect();
    let mcnemar_p_values: Vec<f64> = all
        .iter()
        .filter_map(|contrast| Some(contrast.mcnemar?.p))
        .collect();
    let delong_p_values: Vec<f64> = all
        .iter()
        .filter_map(|contrast| Some(contrast.delong?.p))
        .collect();
    let mut p_values = holm(&p_values).into_iter();
    let mut mcnemar_p_values = holm(&mcnemar_p_values).into_iter();
    let mut delong_p_values = holm(&delong_p_values).into_iter();
    let mut correct = |contrast: Contrast| CorrectedContrast {
        // There is one p-value for each contrast.
        p_holm: p_values.next().unwrap_or(1.0),
        mcnemar_p_holm: contrast.mcnemar.and_then(|_| mcnemar_p_values.next()),
        delong_p_holm: contrast.delong.and_then(|_| delong_p_values.next()),
        contrast,
    };
    let rows = rows
        .into_iter()
        .map(|(row, found)| (row, found.map(&mut correct)))
        .collect();
    (rows, pairs)
}
