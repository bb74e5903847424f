//! Contrasts for pages.

use engine::run::contrasts::ColumnContrasts;
use pages::ContrastView;

use super::text::{heading, other_reasons, rows};

/// The contrasts of each column as a heading, a header, rows and remarks.
pub fn views(columns: &[ColumnContrasts]) -> Vec<ContrastView> {
    columns.iter().map(view).collect()
}

fn view(contrasts: &ColumnContrasts) -> ContrastView {
    let shown = if contrasts.has_mcnemar() { 7 } else { 5 };
    let all = rows(contrasts).into_iter();
    let mut all = all.map(|row| row[..shown].to_vec());
    let header = all.next().unwrap_or_default();
    let rows: Vec<Vec<String>> = all.collect();
    let heading = heading(contrasts);
    let (title, note) = heading.split_once('\n').unwrap_or((&heading, ""));
    let reasons = other_reasons(contrasts).into_iter();
    ContrastView {
        title: title.to_owned(),
        header: if rows.is_empty() { Vec::new() } else { header },
        rows,
        notes: std::iter::once(note.to_owned())
            .filter(|note| !note.is_empty())
            .chain(reasons.map(|(row, why)| format!("{row}: {why}")))
            .collect(),
    }
}
