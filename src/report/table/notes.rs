//! Notes below a table: what the intervals account for, and how classes were decided.

use contract::analysis::{Decision, Summary};
use engine::run::measurements::Cell;

use super::Filled;

/// Returns a note for each column that needs one, or one note if they are all the same.
pub(super) fn notes(filled: &Filled<'_>) -> Vec<String> {
    let columns = filled.table.columns.iter().enumerate();
    let notes: Vec<(&str, String)> = columns
        .map(|(place, column)| (column.title.as_str(), note(&summaries(filled, place))))
        .filter(|(_, note)| !note.is_empty())
        .collect();
    let is_same = notes.windows(2).all(|pair| pair[0].1 == pair[1].1);
    match notes.first() {
        Some((_, note)) if is_same => vec![note.clone()],
        _ => notes
            .into_iter()
            .map(|(title, note)| format!("{title}: {note}"))
            .collect(),
    }
}

/// The values of the column at `place`.
fn summaries<'a>(filled: &'a Filled<'_>, place: usize) -> Vec<&'a Summary> {
    let cells = filled.rows.iter().filter_map(|(_, cells)| cells.get(place));
    let summary = |cell: &'a Cell| match cell {
        Cell::Value(summary) => Some(summary),
        Cell::Missing(_) => None,
    };
    cells.filter_map(summary).collect()
}

/// `± standard deviation over 5 seeds; 95 % intervals over seeds and test images; PNEUMONIA from a probability of
/// 0.5`.
fn note(summaries: &[&Summary]) -> String {
    let repeated = summaries.iter().filter(|summary| summary.sd.is_some());
    let seeds = range(repeated.map(|summary| summary.n));
    let deviation = seeds.map(|(fewest, most)| match fewest == most {
        true => format!("± standard deviation over {most} seeds"),
        false => format!("± standard deviation over {fewest} to {most} seeds"),
    });
    let mut over: Vec<String> = Vec::new();
    for interval in summaries.iter().filter_map(|summary| summary.interval) {
        let text = interval.over.to_string();
        if !over.contains(&text) {
            over.push(text);
        }
    }
    let intervals =
        (!over.is_empty()).then(|| format!("95 % intervals over {}", over.join(" or over ")));
    let parts = [deviation, intervals, decision(summaries)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join("; ")
}

/// `PNEUMONIA from a probability of 0.5`; `None` if the values do not share one class.
pub(super) fn decision(summaries: &[&Summary]) -> Option<String> {
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
    Some(match low == high {
        true => format!("{class} from a probability of {low}"),
        false => format!("{class} from a probability of {low} to {high}, depending on the model"),
    })
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
