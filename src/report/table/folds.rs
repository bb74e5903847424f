//! Notes about values of a cross-validation.

use contract::analysis::FoldSpread;
use engine::wording::measured;

use super::Filled;

/// Most values that are named because the folds do not contain them.
const NAMED: usize = 4;

/// Says that values are those of the pooled predictions of folds, what the numbers in parentheses are, which columns
/// compare images of the same fold only, and which values are outside of the range of the folds. Empty if no cell of the
/// table is of a cross-validation.
pub(super) fn notes(filled: &Filled<'_>) -> Vec<String> {
    let cells = filled.rows.iter().flat_map(|(_, cells)| cells);
    let folds = cells.filter_map(|cell| cell.summary()?.folds);
    let Some((_, most)) = range(folds.map(|folds| folds.count)) else {
        return Vec::new();
    };
    let pooled = format!(
        "values are of the predictions of {most} folds together, each image predicted by a model trained without it; \
         (folds …): mean ± standard deviation over folds, which are not independent"
    );
    let notes = [Some(pooled), within(filled), outside(filled)];
    notes.into_iter().flatten().collect()
}

/// Names the columns whose values compare images of the same fold only.
fn within(filled: &Filled<'_>) -> Option<String> {
    let columns = filled.table.columns.iter().enumerate();
    let within = columns.filter(|(place, _)| {
        let mut cells = filled
            .rows
            .iter()
            .filter_map(|(_, cells)| cells.get(*place));
        cells.any(|cell| {
            let folds = cell.summary().and_then(|summary| summary.folds);
            folds.is_some_and(|folds| folds.compares_within)
        })
    });
    let titles: Vec<&str> = within.map(|(_, column)| column.title.as_str()).collect();
    (!titles.is_empty()).then(|| {
        format!(
            "{}: only images of the same fold are compared, because each fold has its own model",
            titles.join(", ")
        )
    })
}

/// Warns about values that are outside of the range of the folds.
fn outside(filled: &Filled<'_>) -> Option<String> {
    let mut found = Vec::new();
    for (row, cells) in &filled.rows {
        for (column, cell) in filled.table.columns.iter().zip(cells) {
            let Some((value, folds)) = cell.summary().and_then(|s| Some((s.mean, s.folds?))) else {
                continue;
            };
            if !folds.excludes(value) {
                continue;
            }
            let of = match row.label() {
                row if row.is_empty() => String::new(),
                row => format!(" of {row}"),
            };
            let FoldSpread {
                range: [low, high], ..
            } = folds;
            found.push(format!(
                "{}{of} is {}, but {} to {} in single folds",
                column.title,
                measured(value),
                measured(low),
                measured(high)
            ));
        }
    }
    let more = match found.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    found.truncate(NAMED);
    (!found.is_empty()).then(|| {
        format!(
            "warning: {}{more}: single folds have few images, and errors of different models may cancel out or add up",
            found.join("; ")
        )
    })
}

/// The least and the greatest value; `None` if there are none.
pub(super) fn range<T: Copy + PartialOrd>(values: impl Iterator<Item = T>) -> Option<(T, T)> {
    values.fold(None, |range, value| {
        let (low, high) = range.unwrap_or((value, value));
        Some((
            if value < low { value } else { low },
            if value > high { value } else { high },
        ))
    })
}
