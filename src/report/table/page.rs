//! Tables for pages.

use contract::Direction;
use engine::graph::{Column, Row, Table};
use engine::run::contrasts::ColumnContrasts;
use engine::run::measurements::Cell;
use engine::wording;
use pages::{BestRow, CellView, Reference, RowView, TableView};

use super::text::{as_printed, deviation, folds, interval, partial, value};
use super::{Filled, Shown, contrasts, notes};
use crate::report::expectations::{Judgements, Verdict};

/// Facts about a cell that a page shows in addition to its content.
pub struct Behind {
    /// The names of the instances behind the value.
    pub stages: Vec<String>,
    /// Direction of the metric, if it has one.
    pub direction: Option<Direction>,
}

/// Returns a table with links to the instances behind its cells. The best value of a column is marked if it is better
/// than all others. Rows of seeds or folds have none: the best one is the best by chance.
pub fn view(
    table: &Table,
    cells: impl Fn(&Row, &Column) -> Cell,
    expected: &Judgements,
    contrasts: &[ColumnContrasts],
    behind: impl Fn(&Row, &Column) -> Behind,
) -> TableView {
    let filled = Filled::of(table, cells, expected, contrasts);
    let best: Vec<Option<Best>> = (0..table.columns.len())
        .map(|place| best(&filled, place, &behind))
        .collect();
    let rows = filled.rows.iter().enumerate().map(|(at, (row, cells))| {
        let cells = filled.cells(row, cells).enumerate();
        RowView {
            names: row.values.clone(),
            cells: cells
                .map(|(place, shown)| CellView {
                    best: best[place].filter(|best| best.row == at).map(Best::word),
                    stages: behind(row, shown.column).stages,
                    ..cell(&shown)
                })
                .collect(),
        }
    });
    let rows: Vec<RowView> = rows.collect();
    let winners = best.iter().enumerate().filter_map(|(place, best)| {
        let best = (*best)?;
        let row = &rows[best.row];
        let cell = &row.cells[place];
        Some(BestRow {
            label: label(best, &table.columns[place]),
            row: row.names.join(", "),
            value: format!("{} {}", cell.value, cell.spread)
                .trim_end()
                .to_owned(),
            column: table.columns[place].title.clone(),
            certainty: String::new(),
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
    let spread = deviation(shown, "±") + &interval(shown) + &folds(shown, "±") + &partial(shown);
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
        best: None,
        stages: Vec::new(),
        sort_key: summary.map_or_else(String::new, |summary| summary.mean.to_string()),
    }
}

/// The row with the best value of a column.
#[derive(Clone, Copy)]
struct Best {
    /// Its position.
    row: usize,
    direction: Direction,
}

impl Best {
    fn word(self) -> &'static str {
        match self.direction {
            Direction::Maximize => "highest",
            Direction::Minimize => "lowest",
        }
    }
}

/// Finds the row whose value of a column is better than all others. `None` if the metric has no direction, if there are
/// fewer than two values, if another value looks the same in the table, or if the rows are seeds or folds.
fn best(
    filled: &Filled<'_>,
    place: usize,
    behind: &impl Fn(&Row, &Column) -> Behind,
) -> Option<Best> {
    if filled.table.has_copies_as_rows() {
        return None;
    }
    let column = &filled.table.columns[place];
    let mut values = Vec::new();
    for (at, (row, cells)) in filled.rows.iter().enumerate() {
        if let Some(summary) = cells[place].summary() {
            let direction = behind(row, column).direction?;
            let gain = match direction {
                Direction::Maximize => summary.mean,
                Direction::Minimize => -summary.mean,
            };
            let shown = wording::measured(summary.mean);
            values.push((gain, shown, Best { row: at, direction }));
        }
    }
    let (first, rest) = values.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let best = rest.iter().fold(first, |best, one| match one.0 > best.0 {
        true => one,
        false => best,
    });
    let as_good = values.iter().filter(|one| one.1 == best.1);
    (as_good.count() == 1).then_some(best.2)
}

/// The words for the best value of a column: `Highest f1`, or `Highest f1 (CNN)` if the column has another title.
fn label(best: Best, column: &Column) -> String {
    let word = match best.direction {
        Direction::Maximize => "Highest",
        Direction::Minimize => "Lowest",
    };
    let metric = &column.metric.metric;
    match column.title.eq_ignore_ascii_case(metric) {
        true => format!("{word} {metric}"),
        false => format!("{word} {metric} ({})", column.title),
    }
}
