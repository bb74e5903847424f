//! Rows of text below a header, as a ruled table, Markdown, CSV or LaTeX.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement};
use contract::one_line;

use super::columns::{blocks, widths};
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
    /// A ruled table with the title above it and the notes below it, for a terminal of `width` columns.
    pub(super) fn terminal(&self, width: Option<usize>) -> String {
        let table = ruled(&self.header, &self.rows, &[], width);
        let title = self.title.as_ref();
        let title = title.map_or(String::new(), |title| format!("{}\n", one_line(title)));
        let note = |note: &String| format!("{}\n", one_line(note));
        let notes: String = self.notes.iter().map(note).collect();
        format!("{title}{table}{notes}")
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

/// Least width of a column whose cells are wrapped. Narrower cells are hard to read.
const LEAST: usize = 16;
/// Columns that the frame of a column takes.
const FRAME: usize = 3;

/// Formats a header and rows as a ruled table for a terminal of `width` columns; `None` for other output, which has no
/// limit. The columns in `numbers` are flush right. If the table is too wide, its long cells are wrapped, and if that
/// is not enough, each row becomes a block of lines. Nothing is cut.
pub(super) fn ruled(
    header: &[String],
    rows: &[Vec<String>],
    numbers: &[usize],
    width: Option<usize>,
) -> String {
    // Escape first, because the widths of columns are measured next.
    let cells = |row: &[String]| -> Vec<String> {
        row.iter().map(|cell| one_line(cell).into_owned()).collect()
    };
    let mut all = vec![cells(header)];
    all.extend(rows.iter().map(|row| cells(row)));
    let widths = widths(&all);
    let framed = |longest: usize| {
        let columns = widths.iter().map(|width| (*width).min(longest) + FRAME);
        columns.sum::<usize>() + 1
    };
    let mut table = comfy_table::Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    match width {
        Some(width) if framed(LEAST) > width => return blocks(&all[0], &all[1..], width),
        Some(width) if framed(usize::MAX) > width => {
            let width = u16::try_from(width).unwrap_or(u16::MAX);
            table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width);
        }
        _ => {}
    }
    let mut all = all.into_iter();
    table.set_header(all.next().unwrap_or_default());
    table.add_rows(all);
    for &number in numbers {
        if let Some(column) = table.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{table}\n")
}

#[cfg(test)]
mod tests {
    use super::ruled;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn a_table_that_is_too_wide_is_wrapped_and_then_becomes_blocks() {
        let header = texts(&["model", "f1-score"]);
        let rows = [texts(&["a\nb\u{1b}", "0.921 [0.89, 0.95] (paper 0.95)"])];
        let whole = ruled(&header, &rows, &[], None);
        assert!(
            whole.contains("│ a\\nb\\u001b ┆ 0.921 [0.89, 0.95] (paper 0.95) │\n"),
            "{whole}"
        );
        assert_eq!(ruled(&header, &rows, &[], Some(48)), whole);
        let wrapped = ruled(&header, &rows, &[], Some(40));
        assert!(
            wrapped.lines().all(|line| line.chars().count() <= 40),
            "{wrapped}"
        );
        assert!(
            wrapped.contains("(paper") && wrapped.contains('┆'),
            "{wrapped}"
        );
        assert_eq!(
            ruled(&header, &rows, &[], Some(30)),
            "model\n  a\\nb\\u001b\nf1-score\n  0.921 [0.89, 0.95] (paper 0.95)\n"
        );
    }
}
