//! Notes below a table: the classes that metrics are of, what the intervals account for, how classes were decided, and
//! what values of a cross-validation are.

use contract::analysis::{Decision, Over, Summary};
use contract::class_of;
use engine::graph::Column;
use engine::run::measurements::Cell;

use super::folds::{self, range};
use super::{Filled, axes_of, values_of};

/// Most rows that a note names.
const NAMED: usize = 4;

/// Returns the notes of the columns, each with the titles of the columns that it is for. If all columns that need a
/// note need the same one, it has no titles. Notes about the folds of a cross-validation come first.
pub(super) fn notes(filled: &Filled<'_>) -> Vec<String> {
    let mut notes: Vec<(String, Vec<&str>)> = Vec::new();
    for (place, column) in filled.table.columns.iter().enumerate() {
        let note = note(column, &named(filled, place));
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
    folds::notes(filled).into_iter().chain(of_columns).collect()
}

/// The values of the column at `place`, with the names of their rows.
fn named<'a>(filled: &'a Filled<'_>, place: usize) -> Vec<(String, &'a Summary)> {
    let cells = filled.rows.iter().filter_map(|(row, cells)| {
        let summary = cells.get(place).and_then(Cell::summary)?;
        Some((row.label(), summary))
    });
    cells.collect()
}

/// Rows in words: `a, b and c`, or `a, b and 4 others`.
fn listed(rows: &[&str]) -> String {
    match rows {
        [] => String::new(),
        [row] => (*row).to_owned(),
        [rows @ .., last] if rows.len() < NAMED => format!("{} and {last}", rows.join(", ")),
        rows => format!(
            "{} and {} others",
            rows[..NAMED - 1].join(", "),
            rows.len() - (NAMED - 1)
        ),
    }
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
fn note(column: &Column, named: &[(String, &Summary)]) -> String {
    let summaries: Vec<&Summary> = named.iter().map(|(_, summary)| *summary).collect();
    let summaries = summaries.as_slice();
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
    let parts = [
        deviation,
        intervals(named),
        agreeing(named),
        decided(column, summaries),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join("; ")
}

/// `95 % intervals over test images`. If rows differ in what their intervals cover, the rows are named: `95 % intervals
/// over test images (a, b) or over groups of test images (c)`.
fn intervals(named: &[(String, &Summary)]) -> Option<String> {
    let mut covered: Vec<(String, Vec<&str>)> = Vec::new();
    for (row, summary) in named {
        let Some(interval) = summary.interval else {
            continue;
        };
        let text = match interval.over {
            Over::Reported => "as reported by the program".to_owned(),
            over => format!("over {over}"),
        };
        match covered.iter_mut().find(|(known, _)| *known == text) {
            Some((_, rows)) => rows.push(row),
            None => covered.push((text, vec![row])),
        }
    }
    match covered.as_slice() {
        [] => None,
        [(text, _)] if text.starts_with("as ") => {
            Some("intervals reported by the program".to_owned())
        }
        [(text, _)] => Some(format!("95 % intervals {text}")),
        several => {
            let several = several.iter();
            let parts = several.map(|(text, rows)| format!("{text} ({})", listed(rows)));
            let parts: Vec<String> = parts.collect();
            Some(format!("95 % intervals {}", parts.join(" or ")))
        }
    }
}

/// Says which rows have no interval, or another one, because all resamples agree: `no interval of a, whose resamples all
/// agree`.
fn agreeing(named: &[(String, &Summary)]) -> Option<String> {
    let rows = |has_interval: bool| -> Vec<&str> {
        let all = named.iter().filter(|(_, summary)| {
            summary.resamples_agree && summary.interval.is_some() == has_interval
        });
        all.map(|(row, _)| row.as_str()).collect()
    };
    let part = |what: &str, rows: Vec<&str>| {
        let of = match rows.as_slice() {
            [] => return None,
            rows if rows.len() == named.len() => String::new(),
            rows => format!(" of {}", listed(rows)),
        };
        Some(format!("{what}{of}, because all resamples agree"))
    };
    let parts = [
        part("Wilson's interval", rows(true)),
        part("no interval", rows(false)),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
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
