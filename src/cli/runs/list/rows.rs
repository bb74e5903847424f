//! [`Rows`]: the list as text.

use super::column::{self, Column};
use super::entry::Entry;
use super::value::Value;
use crate::report::columns::{fitted, total, widths};

/// Columns that are left out first in a narrow terminal. The id of a run begins with the time of its start.
const LEAST_IMPORTANT: [&str; 3] = ["stages", "started", "took"];

/// A header and a row for each entry.
pub(super) struct Rows {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    /// `true` for columns of numbers.
    are_numbers: Vec<bool>,
}

impl Rows {
    pub(super) fn of(entries: &[Entry<'_>], columns: &[Column]) -> Self {
        let of_entry =
            |entry: &Entry<'_>| columns.iter().map(|column| column.value(entry)).collect();
        let values: Vec<Vec<Value>> = entries.iter().map(of_entry).collect();
        let rows = entries.iter().zip(&values).map(|(entry, values)| {
            let mut row = vec![entry.id()];
            row.extend(values.iter().map(Value::text));
            row
        });
        let is_number = |column: usize| {
            let mut values = values.iter().map(|values| &values[column]);
            values.all(Value::is_number_or_missing)
        };
        let are_numbers = (0..columns.len()).map(is_number);
        Self {
            header: column::heads(columns),
            rows: rows.collect(),
            are_numbers: std::iter::once(false).chain(are_numbers).collect(),
        }
    }

    /// Leaves out columns until the lines fit into `width`: the least important ones, then texts and metrics that are the
    /// same everywhere, then the last metrics. The column `sort` is kept. Returns the names of the columns that were left
    /// out. If the lines still do not fit, leaves out none, because all lines will be blocks.
    pub(super) fn narrow(&mut self, width: usize, sort: Option<&str>) -> Vec<String> {
        let sort = sort.map(|sort| sort.strip_prefix('-').unwrap_or(sort));
        let is_same = |place: usize| {
            self.rows
                .windows(2)
                .all(|two| two[0][place] == two[1][place])
        };
        let rank = |place: usize| match self.header[place].as_str() {
            "run" => None,
            name if Some(name) == sort => None,
            name => {
                let least = LEAST_IMPORTANT.iter().position(|least| *least == name);
                let is_same = self.rows.len() > 1 && is_same(place);
                let from_end = self.header.len() - place;
                match (least, self.are_numbers[place]) {
                    (Some(rank), _) => Some((0, rank)),
                    (None, false) if is_same => Some((1, place)),
                    (None, true) if is_same => Some((2, from_end)),
                    (None, true) => Some((3, from_end)),
                    (None, false) => None,
                }
            }
        };
        let mut candidates: Vec<((usize, usize), usize)> = (0..self.header.len())
            .filter_map(|place| Some((rank(place)?, place)))
            .collect();
        candidates.sort_unstable();
        let mut all = vec![self.header.clone()];
        all.extend_from_slice(&self.rows);
        let widths = widths(&all);
        let mut kept: Vec<usize> = (0..self.header.len()).collect();
        for (_, place) in candidates {
            let shown: Vec<usize> = kept.iter().map(|&place| widths[place]).collect();
            if total(&shown) <= width {
                break;
            }
            kept.retain(|known| *known != place);
        }
        let shown: Vec<usize> = kept.iter().map(|&place| widths[place]).collect();
        if total(&shown) > width {
            return Vec::new();
        }
        let left_out = (0..self.header.len()).filter(|place| !kept.contains(place));
        let left_out = left_out.map(|place| self.header[place].clone()).collect();
        let pick = |row: &[String]| -> Vec<String> {
            kept.iter().map(|&place| row[place].clone()).collect()
        };
        self.rows = self.rows.iter().map(|row| pick(row)).collect();
        self.header = pick(&self.header);
        self.are_numbers = kept.iter().map(|&place| self.are_numbers[place]).collect();
        left_out
    }

    /// The list for a terminal of `width` columns; `None` if there is no limit.
    pub(super) fn text(&self, width: Option<usize>) -> String {
        let numbers = (0..self.header.len()).filter(|&place| self.are_numbers[place]);
        let numbers: Vec<usize> = numbers.collect();
        fitted(&self.header, &self.rows, &numbers, width)
    }
}

#[cfg(test)]
mod tests {
    use super::Rows;

    fn rows() -> Rows {
        let texts = |texts: [&str; 6]| texts.map(str::to_owned).to_vec();
        Rows {
            header: texts(["run", "pipeline", "state", "started", "a.f1", "a.auc"]),
            rows: vec![
                texts([
                    "20261130-1",
                    "p",
                    "succeeded",
                    "2026-11-30 02:00",
                    "0.9",
                    "0.95",
                ]),
                texts([
                    "20261130-2",
                    "p",
                    "failed",
                    "2026-11-30 02:01",
                    "0.8",
                    "0.85",
                ]),
            ],
            are_numbers: vec![false, false, false, false, true, true],
        }
    }

    #[test]
    fn a_narrow_terminal_loses_the_least_important_columns_first() {
        for (width, sort, expected) in [
            (62, None, &[] as &[&str]),
            (61, None, &["started"]),
            (40, None, &["pipeline", "started"]),
            (30, None, &["pipeline", "started", "a.auc"]),
            (30, Some("-a.auc"), &["pipeline", "started", "a.f1"]),
            // Too narrow even so: nothing is left out, and each run is a block.
            (20, None, &[]),
        ] {
            let mut rows = rows();
            assert_eq!(rows.narrow(width, sort), expected, "{width}");
            let text = rows.text(Some(width));
            assert!(text.lines().all(|line| line.len() <= width || width == 20));
            assert_eq!(
                text.contains("2026-11-30 02:01"),
                !expected.contains(&"started")
            );
        }
    }
}
