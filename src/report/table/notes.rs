//! Notes below a table: the classes that metrics are of, what the intervals account for, and how classes were decided.

use contract::analysis::{Decision, Over, Summary};
use contract::class_of;
use engine::graph::Column;
use engine::run::measurements::Cell;

use super::{Filled, axes_of, values_of};

/// Returns the notes of the columns, each with the titles of the columns that it is for. If all columns that need a
/// note need the same one, it has no titles. A note about the folds of a cross-validation comes first.
pub(super) fn notes(filled: &Filled<'_>) -> Vec<String> {
    let mut notes: Vec<(String, Vec<&str>)> = Vec::new();
    for (place, column) in filled.table.columns.iter().enumerate() {
        let note = note(column, &summaries(filled, place));
        match notes.iter_mut().find(|(known, _)| *known == note) {
            _ if note.is_empty() => {}
            Some((_, titles)) => titles.push(&column.title),
            None => notes.push((note, vec![&column.title])),
        }
    }
    // Which column the class is for must be clear.
    let has_class = filled.table.columns.iter().any(|one| class(one).is_some());
    let is_clear = |titles: &[&str]| !has_class || titles.len() == filled.table.columns.len();
    let of_columns: Vec<String> = match notes.as_slice() {
        [(note, titles)] if is_clear(titles) => vec![note.clone()],
        _ => notes
            .into_iter()
            .map(|(note, titles)| format!("{}: {note}", titles.join(", ")))
            .collect(),
    };
    folds(filled).into_iter().chain(of_columns).collect()
}

/// The values of the column at `place`.
fn summaries<'a>(filled: &'a Filled<'_>, place: usize) -> Vec<&'a Summary> {
    let cells = filled.rows.iter().filter_map(|(_, cells)| cells.get(place));
    cells.filter_map(Cell::summary).collect()
}

/// The class of the metric, the positive class and the rule of decision; `None` if there are none.
pub(super) fn decided(column: &Column, summaries: &[&Summary]) -> Option<String> {
    let parts = [class(column), rule(summaries)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// `class: BACTERIA` for a metric of one class whose title does not name it.
fn class(column: &Column) -> Option<String> {
    let (_, class) = class_of(&column.metric.metric)?;
    (!column.title.contains(class)).then(|| format!("class: {class}"))
}

/// `± standard deviation over 5 seeds; 95 % intervals over seeds and test images; positive class: PNEUMONIA, from a
/// probability of 0.5`.
fn note(column: &Column, summaries: &[&Summary]) -> String {
    let repeated = summaries.iter().filter(|summary| summary.sd.is_some());
    let counts = range(repeated.map(|summary| summary.n));
    let deviation = counts.map(|(fewest, most)| {
        let count = match fewest == most {
            true => most.to_string(),
            false => format!("{fewest} to {most}"),
        };
        let axes = summaries
            .first()
            .map_or(&[][..], |one| axes_of(column, one));
        format!(
            "± standard deviation over {}",
            values_of(column, axes, &count)
        )
    });
    let mut covered: Vec<String> = Vec::new();
    for interval in summaries.iter().filter_map(|summary| summary.interval) {
        let text = match interval.over {
            Over::Reported => "intervals reported by the program".to_owned(),
            over => format!("95 % intervals over {over}"),
        };
        if !covered.contains(&text) {
            covered.push(text);
        }
    }
    let intervals = (!covered.is_empty()).then(|| covered.join(" or "));
    let parts = [deviation, intervals, decided(column, summaries)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join("; ")
}

/// Says that values are those of the pooled predictions of folds, and what the numbers in parentheses are; `None` if no
/// cell of the table is of a cross-validation.
fn folds(filled: &Filled<'_>) -> Option<String> {
    let cells = filled.rows.iter().flat_map(|(_, cells)| cells);
    let folds = cells.filter_map(|cell| cell.summary()?.folds);
    let (_, most) = range(folds.map(|folds| folds.count))?;
    Some(format!(
        "values are of the predictions of {most} folds together, each image predicted by a model trained without it; \
         (folds …): mean ± standard deviation over folds, which are not independent"
    ))
}

/// The positive class and the rule of decision: `positive class: PNEUMONIA, from a probability of 0.5`, or, if the rule
/// is about the other class, `positive class: NORMAL; PNEUMONIA from a probability of 0.5`.
fn rule(summaries: &[&Summary]) -> Option<String> {
    let classes = || {
        summaries
            .iter()
            .filter_map(|summary| summary.positive.as_ref())
    };
    let positive = classes()
        .next()
        .filter(|first| classes().all(|class| class == *first));
    match (positive, decision(summaries)) {
        (None, None) => None,
        (Some(positive), None) => Some(format!("positive class: {positive}")),
        (Some(positive), Some((class, from))) if class == *positive => {
            Some(format!("positive class: {positive}, {from}"))
        }
        (Some(positive), Some((class, from))) => {
            Some(format!("positive class: {positive}; {class} {from}"))
        }
        (None, Some((class, from))) => Some(format!("{class} {from}")),
    }
}

/// The class that a threshold is about, and `from a probability of 0.5`; `None` if the values do not share one class.
fn decision(summaries: &[&Summary]) -> Option<(String, String)> {
    let decisions = || {
        summaries
            .iter()
            .filter_map(|summary| summary.decision.as_ref())
    };
    let Decision { class, .. } = decisions().next()?;
    if decisions().any(|decision| decision.class != *class) {
        return None;
    }
    let ends = decisions().flat_map(|decision| decision.thresholds);
    let (low, high) = range(ends.map(rounded))?;
    let from = match low == high {
        true => format!("from a probability of {low}"),
        false => format!("from a probability of {low} to {high}, chosen by each training"),
    };
    Some((class.clone(), from))
}

/// Rounds to three decimals.
fn rounded(threshold: f64) -> f64 {
    (threshold * 1e3).round() / 1e3
}

/// The least and the greatest value; `None` if there are none.
fn range<T: Copy + PartialOrd>(values: impl Iterator<Item = T>) -> Option<(T, T)> {
    values.fold(None, |range, value| {
        let (low, high) = range.unwrap_or((value, value));
        Some((
            if value < low { value } else { low },
            if value > high { value } else { high },
        ))
    })
}
