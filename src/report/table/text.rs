//! Tables for people: `0.918 [0.89, 0.94] (paper 0.95)`.

use comfy_table::presets::UTF8_FULL_CONDENSED;

use super::{Cell, Filled};
use crate::report::markdown;

/// Ruled lines, the title above them.
pub(super) fn terminal(filled: &Filled<'_>) -> String {
    let mut table = comfy_table::Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_header(header(filled));
    for row in body(filled) {
        table.add_row(row);
    }
    let title = filled
        .table
        .title
        .as_ref()
        .map_or(String::new(), |title| format!("{title}\n"));
    format!("{title}{table}\n")
}

/// A Markdown table, the title in bold above it.
pub(super) fn markdown(filled: &Filled<'_>) -> String {
    let title = filled
        .table
        .title
        .as_ref()
        .map_or(String::new(), |title| format!("**{title}**\n\n"));
    title + &markdown::table(&header(filled), &body(filled))
}

fn header(filled: &Filled<'_>) -> Vec<String> {
    let titles = filled
        .table
        .columns
        .iter()
        .map(|column| column.title.clone());
    std::iter::once(filled.table.rows.clone())
        .chain(titles)
        .collect()
}

fn body(filled: &Filled<'_>) -> Vec<Vec<String>> {
    let cells = |(row, cells)| {
        filled.cells(row, cells).map(|(column, cell, reference)| {
            let ours = match cell {
                Cell::Value {
                    value,
                    interval: None,
                } => format!("{value:.3}"),
                Cell::Value {
                    value,
                    interval: Some([low, high]),
                } => {
                    format!("{value:.3} [{low:.2}, {high:.2}]")
                }
                Cell::Missing(reason) => reason.clone(),
            };
            match reference {
                Some(value) => format!("{ours} ({} {})", column.reference_label, as_printed(value)),
                None => ours,
            }
        })
    };
    filled
        .rows
        .iter()
        .map(|(row, values)| {
            std::iter::once((*row).to_owned())
                .chain(cells((row, values)))
                .collect()
        })
        .collect()
}

/// A reference's figure as its table printed it: 0.8, too, with two decimals.
fn as_printed(value: f64) -> String {
    let text = value.to_string();
    match text.split_once('.') {
        Some((_, decimals)) if decimals.len() == 1 => text + "0",
        _ => text,
    }
}
