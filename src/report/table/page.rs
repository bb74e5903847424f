//! Tables for pages.

use contract::Direction;
use engine::graph::{Column, Row, Table};
use engine::run::contrasts::ColumnContrasts;
use engine::run::measurements::Cell;
use pages::{BestRow, CellView, Reference, RowView, TableView};

use super::text::{as_printed, deviation, interval, partial, value};
use super::{Filled, Shown, contrasts, notes};
use crate::report::expectations::{Judgements, Verdict};

/// What a page needs to know about a cell in addition to its content.
pub struct Behind {
    /// The names of the instances behind the value.
    pub stages: Vec<String>,
    /// Direction of the metric, if it has one.
    pub direction: Option<Direction>,
}

/// Returns a table with links to the instances behind its cells. The best value of a column is marked if the
/// column has several values.
pub fn view(
    table: &Table,
    cells: impl Fn(&Row, &Column) -> Cell,
    expected: &Judgements,
    contrasts: &[ColumnContrasts],
    behind: impl Fn(&Row, &Column) -> Behind,
) -> TableView {
    let filled = Filled::of(table, cells, expected, contrasts);
    let best: Vec<Option<usize>> = (0..table.columns.len())
        .map(|place| best(&filled, place, &behind))
        .collect();
    let rows = filled.rows.iter().enumerate().map(|(at, (row, cells))| {
        let cells = filled.cells(row, cells).enumerate();
        RowView {
            names: row.values.clone(),
            cells: cells
                .map(|(place, shown)| CellView {
                    is_best: best[place] == Some(at),
                    stages: behind(row, shown.column).stages,
                    ..cell(&shown)
                })
                .collect(),
        }
    });
    let rows: Vec<RowView> = rows.collect();
    let winners = best.iter().enumerate().filter_map(|(place, best)| {
        let row = &rows[(*best)?];
        let cell = &row.cells[place];
        Some(BestRow {
            column: table.columns[place].title.clone(),
            row: row.names.join(", "),
            value: format!("{} {}", cell.value, cell.spread)
                .trim_end()
                .to_owned(),
            stages: cell.stages.clone(),
        })
    });
    TableView {
        title: table.title.clone().unwrap_or_else(|| table.name.clone()),
        axes: table.axes.clone(),
        columns: table.columns.iter().map(|c| c.title.clone()).collect(),
        best: winners.collect(),
        notes: notes::notes(&filled),
        contrasts: contrasts::views(contrasts),
        rows,
    }
}

fn cell(shown: &Shown<'_>) -> CellView {
    let summary = shown.cell.summary();
    let spread = deviation(shown, "±") + &interval(shown) + &partial(shown);
    CellView {
        value: match shown.cell {
            Cell::Missing(reason) => reason.clone(),
            Cell::Value(_) | Cell::Partial { .. } => value(shown),
        },
        is_missing: summary.is_none(),
        spread: spread.trim_start().to_owned(),
        reference: shown.reference.map(|figure| Reference {
            label: shown.column.reference_label.clone(),
            value: as_printed(figure),
        }),
        verdict: shown.verdict().map(Verdict::view),
        failed: shown.failed().map(|bounds| bounds.to_string()).collect(),
        is_best: false,
        stages: Vec::new(),
        sort_key: summary.map_or_else(String::new, |summary| summary.mean.to_string()),
    }
}

/// Position of the row with the best value of a column; the first of several. `None` if the metric has no direction,
/// or if there are fewer than two values.
fn best(
    filled: &Filled<'_>,
    place: usize,
    behind: &impl Fn(&Row, &Column) -> Behind,
) -> Option<usize> {
    let column = &filled.table.columns[place];
    let mut values = Vec::new();
    for (at, (row, cells)) in filled.rows.iter().enumerate() {
        if let Some(summary) = cells[place].summary() {
            let gain = match behind(row, column).direction? {
                Direction::Maximize => summary.mean,
                Direction::Minimize => -summary.mean,
            };
            values.push((at, gain));
        }
    }
    let (first, rest) = values.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let best = rest.iter().fold(first, |best, one| match one.1 > best.1 {
        true => one,
        false => best,
    });
    Some(best.0)
}
