//! Tables as LaTeX for papers.

use engine::graph::Row;

use super::notes::notes;
use super::text::{as_printed, deviation, folds, interval, partial, value};
use super::{Cell, Filled, Shown};
use crate::report::expectations::Verdict;
use crate::report::latex::{Tabular, escaped, line, number};

/// Renders our value with its interval, and the reference value in a separate column next to it.
pub(super) fn latex(filled: &Filled<'_>) -> String {
    let table = filled.table;
    let row = |(row, cells): &(&Row, Vec<Cell>)| {
        let mut fields: Vec<String> = row.values.iter().map(|value| escaped(value)).collect();
        for shown in filled.cells(row, cells) {
            fields.push(ours(&shown));
            if shown.column.has_reference() {
                let printed = |figure| number(&as_printed(figure));
                fields.push(shown.reference.map_or(String::new(), printed));
            }
        }
        fields
    };
    let columns: String = table
        .columns
        .iter()
        .map(|column| if column.has_reference() { "lr" } else { "l" })
        .collect();
    Tabular {
        name: &table.name,
        caption: table.title.as_deref().map(escaped),
        columns: "l".repeat(table.axes.len()) + &columns,
        header: header(filled),
        rows: filled.rows.iter().map(row).collect(),
        notes: notes(filled).iter().map(|note| escaped(note)).collect(),
    }
    .render()
}

/// The column titles. A title that spans two columns has a rule below it, and a second line names the two
/// columns.
fn header(filled: &Filled<'_>) -> String {
    let table = filled.table;
    let axes: Vec<String> = table.axes.iter().map(|axis| escaped(axis)).collect();
    if !table.columns.iter().any(|column| column.has_reference()) {
        let titles = table.columns.iter().map(|column| escaped(&column.title));
        let titles: Vec<String> = axes.into_iter().chain(titles).collect();
        return line(&titles);
    }
    let mut first = axes.len() + 1;
    let (mut titles, mut rules, mut below) = (vec![String::new(); axes.len()], Vec::new(), axes);
    for column in &table.columns {
        let title = escaped(&column.title);
        if column.has_reference() {
            titles.push(format!("\\multicolumn{{2}}{{c}}{{{title}}}"));
            rules.push(format!("\\cmidrule(lr){{{first}-{}}}", first + 1));
            below.extend(["ours".to_owned(), escaped(&column.reference_label)]);
            first += 2;
        } else {
            titles.push(title);
            below.push(String::new());
            first += 1;
        }
    }
    format!("{}    {}\n{}", line(&titles), rules.join(" "), line(&below))
}

fn ours(shown: &Shown<'_>) -> String {
    let mut text = match shown.cell {
        Cell::Value(_) | Cell::Partial { .. } => {
            let figures = value(shown) + &deviation(shown, "$\\pm$") + &interval(shown);
            let figures = figures + &folds(shown, "$\\pm$");
            number(&figures) + &escaped(&partial(shown))
        }
        Cell::Missing(reason) => escaped(reason),
    };
    if let Some(verdict) = shown.verdict() {
        text += match verdict {
            Verdict::Pass => " $\\surd$",
            Verdict::Fail => " $\\times$",
            Verdict::NotKnown => " ?",
        };
        for bounds in shown.failed() {
            text += &format!(" ({})", number(&escaped(&bounds.to_string())));
        }
    }
    text
}
