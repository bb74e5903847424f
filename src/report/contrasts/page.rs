//! Contrasts for pages.

use engine::run::contrasts::ColumnContrasts;
use pages::ContrastView;

use super::text::{heading, other_reasons, rows};

/// The contrasts of each column as a heading, a header, rows and remarks.
pub fn views(columns: &[ColumnContrasts]) -> Vec<ContrastView> {
    columns.iter().map(view).collect()
}

fn view(contrasts: &ColumnContrasts) -> ContrastView {
    let mut heading = heading(contrasts).into_iter();
    let mut rows = rows(contrasts).into_iter();
    ContrastView {
        title: heading.next().unwrap_or_default(),
        header: rows.next().unwrap_or_default(),
        rows: rows.collect(),
        notes: heading.chain(other_reasons(contrasts)).collect(),
    }
}
