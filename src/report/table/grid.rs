//! Rows of text under a header, in every way of writing that is not a program's own.

use comfy_table::presets::UTF8_FULL_CONDENSED;

use super::latex::Tabular;
use super::{delimited, latex};

/// A header and rows of as many cells.
pub(in crate::report) struct Grid {
    /// Labels it where other text may refer to it.
    pub name: String,
    pub title: Option<String>,
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Grid {
    /// Ruled lines, the title above them.
    pub fn terminal(self) -> String {
        let mut table = comfy_table::Table::new();
        table
            .load_style(UTF8_FULL_CONDENSED)
            .set_header(self.header);
        for row in self.rows {
            table.add_row(row);
        }
        let title = self
            .title
            .map_or(String::new(), |title| format!("{title}\n"));
        format!("{title}{table}\n")
    }

    /// A Markdown table, the title in bold above it.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let title = self.title.as_ref();
        let mut text = title.map_or(String::new(), |title| format!("**{title}**\n\n"));
        text.push_str(&line(&self.header));
        text.push_str(&line(&vec!["---".to_owned(); self.header.len()]));
        for row in &self.rows {
            text.push_str(&line(row));
        }
        text
    }

    /// Comma-separated values, without the title.
    pub fn csv(&self) -> String {
        let lines = std::iter::once(&self.header).chain(&self.rows);
        lines.map(|fields| delimited::line(fields)).collect()
    }

    /// A LaTeX table, its title the caption.
    pub fn latex(&self) -> String {
        let escaped = |cells: &Vec<String>| -> Vec<String> {
            cells.iter().map(|cell| latex::escape(cell)).collect()
        };
        Tabular {
            name: &self.name,
            caption: self.title.as_deref(),
            columns: "l".repeat(self.header.len()),
            header: format!("    {} \\\\\n", latex::cells(&escaped(&self.header))),
            rows: self.rows.iter().map(escaped).collect(),
        }
        .render()
    }
}
