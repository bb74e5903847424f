//! Rows of text below a header, as a ruled table, Markdown, CSV or LaTeX.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use contract::{one_line, printable};

use super::latex::{self, Tabular};
use super::{csv, markdown};

/// A header, and rows with as many cells.
pub(super) struct Grid {
    /// Name of the table, used in its LaTeX label.
    pub name: String,
    pub title: Option<String>,
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// Sentences below the table.
    pub notes: Vec<String>,
}

impl Grid {
    /// A ruled table with the title above it and the notes below it.
    pub(super) fn terminal(&self) -> String {
        let table = ruled(&self.header, &self.rows);
        let title = self.title.as_ref();
        let title = title.map_or(String::new(), |title| format!("{}\n", one_line(title)));
        let note = |note: &String| format!("{}\n", one_line(note));
        let notes: String = self.notes.iter().map(note).collect();
        format!("{title}{table}\n{notes}")
    }

    /// A Markdown table with the title in bold above it and the notes below it.
    pub(super) fn markdown(&self) -> String {
        let title = self.title.as_ref();
        let title = title.map_or(String::new(), |title| {
            format!("**{}**\n\n", markdown::escaped(title))
        });
        let note = |note: &String| format!("\n{}\n", markdown::escaped(note));
        let notes: String = self.notes.iter().map(note).collect();
        title + &markdown::table(&self.header, &self.rows) + &notes
    }

    /// Comma-separated values, without title and notes.
    pub(super) fn csv(&self) -> String {
        let lines = std::iter::once(&self.header).chain(&self.rows);
        lines.map(|fields| csv::line(fields)).collect()
    }

    /// A LaTeX table with the title as its caption.
    pub(super) fn latex(&self) -> String {
        let row = |cells: &Vec<String>| -> Vec<String> {
            cells.iter().map(|cell| latex::escaped(cell)).collect()
        };
        Tabular {
            name: &self.name,
            caption: self.title.as_deref().map(latex::escaped),
            columns: "l".repeat(self.header.len()),
            header: latex::line(&row(&self.header)),
            rows: self.rows.iter().map(row).collect(),
            notes: row(&self.notes),
        }
        .render()
    }
}

/// A table with ruled lines for the terminal.
pub(super) fn ruled(header: &[String], rows: &[Vec<String>]) -> comfy_table::Table {
    // Escape first, because the widths of columns are measured next.
    let cells = |row: &[String]| -> Vec<String> {
        row.iter()
            .map(|cell| printable(cell).into_owned())
            .collect()
    };
    let mut table = comfy_table::Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_header(cells(header));
    for row in rows {
        table.add_row(cells(row));
    }
    table
}
