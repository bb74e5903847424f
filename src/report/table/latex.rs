//! Tables for papers, with the rules of the package `booktabs`.

use super::text::{as_printed, deviation, interval, value};
use super::{Cell, Filled, Shown};
use crate::report::expectations::Verdict;

/// A table whose cells are LaTeX already.
pub(super) struct Tabular<'a> {
    pub name: &'a str,
    /// As text.
    pub caption: Option<&'a str>,
    /// The argument of `tabular`: a letter for each column.
    pub columns: String,
    /// The lines between the first two rules.
    pub header: String,
    pub rows: Vec<Vec<String>>,
}

impl Tabular<'_> {
    pub fn render(&self) -> String {
        let caption = self.caption.map_or(String::new(), |caption| {
            format!("  \\caption{{{}}}\n", escape(caption))
        });
        let rows = self.rows.iter();
        let rows: String = rows
            .map(|row| format!("    {} \\\\\n", cells(row)))
            .collect();
        format!(
            "% in the preamble: \\usepackage{{booktabs}}\n\
             \\begin{{table}}\n  \\centering\n{caption}  \\label{{tab:{}}}\n  \
             \\begin{{tabular}}{{{}}}\n    \\toprule\n{}    \\midrule\n{rows}    \\bottomrule\n  \
             \\end{{tabular}}\n\\end{{table}}\n",
            self.name, self.columns, self.header
        )
    }
}

/// Our figure with its interval, and the reference's in a column of its own beside it.
pub(super) fn latex(filled: &Filled<'_>) -> String {
    let table = filled.table;
    let row = |(row, cells): &(&str, Vec<Cell>)| {
        let mut line = vec![escape(row)];
        for shown in filled.cells(row, cells) {
            line.push(ours(&shown));
            if shown.column.has_reference() {
                let printed = |figure| number(&as_printed(figure));
                line.push(shown.reference.map_or(String::new(), printed));
            }
        }
        line
    };
    let columns: String = table
        .columns
        .iter()
        .map(|column| if column.has_reference() { "lr" } else { "l" })
        .collect();
    Tabular {
        name: &table.name,
        caption: table.title.as_deref(),
        columns: format!("l{columns}"),
        header: header(filled),
        rows: filled.rows.iter().map(row).collect(),
    }
    .render()
}

/// The titles; a title of two columns has a rule below it, and a second line says which is which.
fn header(filled: &Filled<'_>) -> String {
    let table = filled.table;
    let axis = escape(&table.rows);
    if !table.columns.iter().any(|column| column.has_reference()) {
        let titles = table.columns.iter().map(|column| escape(&column.title));
        let line: Vec<String> = std::iter::once(axis).chain(titles).collect();
        return format!("    {} \\\\\n", cells(&line));
    }
    let (mut titles, mut rules, mut below) = (vec![String::new()], Vec::new(), vec![axis]);
    let mut first = 2;
    for column in &table.columns {
        let title = escape(&column.title);
        if column.has_reference() {
            titles.push(format!("\\multicolumn{{2}}{{c}}{{{title}}}"));
            rules.push(format!("\\cmidrule(lr){{{first}-{}}}", first + 1));
            below.extend(["ours".to_owned(), escape(&column.reference_label)]);
            first += 2;
        } else {
            titles.push(title);
            below.push(String::new());
            first += 1;
        }
    }
    format!(
        "    {} \\\\\n    {}\n    {} \\\\\n",
        cells(&titles),
        rules.join(" "),
        cells(&below)
    )
}

fn ours(shown: &Shown<'_>) -> String {
    let mut text = match shown.cell {
        Cell::Value { .. } => {
            let figures = value(shown) + &deviation(shown, "$\\pm$") + &interval(shown);
            number(&figures)
        }
        Cell::Missing(reason) => escape(reason),
    };
    if let Some(verdict) = shown.verdict() {
        text += match verdict {
            Verdict::Pass => " $\\surd$",
            Verdict::Fail => " $\\times$",
            Verdict::NotKnown => " ?",
        };
        for bounds in shown.failed() {
            text += &format!(" ({})", number(&escape(&bounds.to_string())));
        }
    }
    text
}

pub(super) fn cells(cells: &[String]) -> String {
    cells.join(" & ")
}

/// Figures, their minus signs long.
fn number(text: &str) -> String {
    text.replace('-', "$-$")
}

/// Text in which nothing is an instruction to LaTeX.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '|' => escaped.push_str("\\textbar{}"),
            // As it is, some languages of babel take it for the beginning of something.
            '"' => escaped.push_str("\\char34{}"),
            '±' => escaped.push_str("$\\pm$"),
            '✓' => escaped.push_str("$\\surd$"),
            '✗' => escaped.push_str("$\\times$"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', character]),
            // An empty line would end a paragraph, which no cell may.
            '\n' | '\r' => escaped.push(' '),
            _ => escaped.push(character),
        }
    }
    escaped
}
