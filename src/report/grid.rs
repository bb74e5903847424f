//! Rows of text below a header, as a ruled table, Markdown, CSV or LaTeX.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ColumnConstraint, Width};
use contract::one_line;
use unicode_width::UnicodeWidthStr;

use super::columns::{blocks, sentence, widths};
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
        let note = |note: &String| sentence(&one_line(note), width);
        let notes: String = self.notes.iter().map(note).collect();
        // Otherwise the notes would read as part of the last block.
        let gap = match self.becomes_blocks(width) && !notes.is_empty() {
            true => "\n",
            false => "",
        };
        format!("{title}{table}{gap}{notes}")
    }

    /// `true` if the table is too wide for a terminal of `width` columns even with wrapped cells, so that
    /// [`terminal`](Self::terminal) formats each row as a block of lines.
    pub(super) fn becomes_blocks(&self, width: Option<usize>) -> bool {
        let all = escaped(&self.header, &self.rows);
        width.is_some_and(|width| framed(&widths(&all), LEAST) > width)
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
/// Columns that the spaces around a cell take.
const PADDING: usize = 2;
/// Columns that the frame of a column takes, with the spaces.
const FRAME: usize = PADDING + 1;
/// A space where lines do not break.
const JOINT: &str = "\u{a0}";

/// Formats a header and rows as a ruled table for a terminal of `width` columns; `None` for other output, which has no
/// limit. The columns in `numbers` are flush right. If the table is too wide, its long cells are wrapped, but not
/// within an interval, and if that is not enough, each row becomes a block of lines. Nothing is cut.
pub(super) fn ruled(
    header: &[String],
    rows: &[Vec<String>],
    numbers: &[usize],
    width: Option<usize>,
) -> String {
    let mut all = escaped(header, rows);
    let widths = widths(&all);
    let mut table = comfy_table::Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    let mut most = usize::MAX;
    match width {
        Some(width) if framed(&widths, LEAST) > width => return blocks(&all[0], &all[1..], width),
        Some(width) if framed(&widths, most) > width => {
            let fits = |longest: &usize| framed(&widths, *longest) <= width;
            most = (LEAST..).take_while(fits).last().unwrap_or(LEAST);
            all.iter_mut().flatten().for_each(join_interval);
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
    if most == usize::MAX {
        return format!("{table}\n");
    }
    for (column, longest) in table.column_iter_mut().zip(widths) {
        let padded = longest.min(most) + PADDING;
        let padded = u16::try_from(padded).unwrap_or(u16::MAX);
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(padded)));
    }
    format!("{table}\n").replace(JOINT, " ")
}

/// The header and the rows as text that stays on its line. The widths of columns are those of escaped text.
fn escaped(header: &[String], rows: &[Vec<String>]) -> Vec<Vec<String>> {
    let cells = |row: &[String]| -> Vec<String> {
        row.iter().map(|cell| one_line(cell).into_owned()).collect()
    };
    let rows = rows.iter().map(|row| cells(row));
    std::iter::once(cells(header)).chain(rows).collect()
}

/// Width of a ruled table whose columns are at most `longest` wide.
fn framed(widths: &[usize], longest: usize) -> usize {
    let columns = widths.iter().map(|width| (*width).min(longest) + FRAME);
    columns.sum::<usize>() + 1
}

/// Replaces the space in an interval such as `[0.89, 0.94]` by one where lines do not break, if a column of the least
/// width has room for the interval.
fn join_interval(cell: &mut String) {
    let Some((start, rest)) = cell.split_once(" [") else {
        return;
    };
    let Some((ends, end)) = rest.split_once(']') else {
        return;
    };
    if ends.width() + 2 <= LEAST {
        *cell = format!("{start} [{}]{end}", ends.replace(' ', JOINT));
    }
}

#[cfg(test)]
mod tests {
    use super::{Grid, ruled};

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
        // The interval stays on one line.
        assert!(
            wrapped.contains("┆ 0.921 [0.89, 0.95]      │\n"),
            "{wrapped}"
        );
        assert_eq!(
            ruled(&header, &rows, &[], Some(30)),
            "model\n  a\\nb\\u001b\nf1-score\n  0.921 [0.89, 0.95] (paper 0.95)\n"
        );
    }

    #[test]
    fn an_empty_line_separates_blocks_from_notes() {
        let grid = Grid {
            name: String::new(),
            title: None,
            header: texts(&["model", "f1"]),
            rows: vec![texts(&["cnn[a]", "0.921 [0.89, 0.95]"])],
            notes: texts(&["95 % intervals"]),
        };
        let table = grid.terminal(Some(30));
        assert!(table.ends_with("┘\n95 % intervals\n"), "{table}");
        assert!(table.contains("┆ 0.921 "), "{table}");
        let blocks = grid.terminal(Some(28));
        assert_eq!(
            blocks,
            "model  cnn[a]\nf1     0.921 [0.89, 0.95]\n\n95 % intervals\n"
        );
    }
}
