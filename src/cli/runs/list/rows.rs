//! [`Rows`]: the list as text.

use super::column::{self, Column, Role};
use super::entry::Entry;
use super::value::Value;
use crate::report::columns::{fitted, total, widths};

/// A header and a row for each entry.
pub(super) struct Rows {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    /// `true` for columns of numbers.
    are_numbers: Vec<bool>,
    /// Roles of the columns after the run's id.
    roles: Vec<Role>,
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
            roles: columns.iter().map(|column| column.role(entries)).collect(),
        }
    }

    /// Leaves out the columns for which `width` has no room if more important ones are kept. The importance is that of
    /// their roles, but metrics and pipelines that are the same everywhere are less important. Returns the names of the
    /// columns that were left out. If there is no room for the run's id, its state, the first metric and the column
    /// `sort`, leaves out none, because all lines will be blocks.
    pub(super) fn narrow(&mut self, width: usize, sort: Option<&str>) -> Vec<String> {
        let sort = sort.map(|sort| sort.strip_prefix('-').unwrap_or(sort));
        let mut all = vec![self.header.clone()];
        all.extend_from_slice(&self.rows);
        let widths = widths(&all);
        let places = self.by_importance(sort);
        let is_metric = |&place: &usize| place > 0 && self.roles[place - 1] == Role::Metric;
        let first_metric = places.iter().copied().find(is_metric);
        let mut kept: Vec<usize> = Vec::new();
        for place in places {
            kept.push(place);
            let shown: Vec<usize> = kept.iter().map(|&place| widths[place]).collect();
            if total(&shown) <= width {
                continue;
            }
            let is_needed = place == 0
                || Some(self.header[place].as_str()) == sort
                || Some(place) == first_metric
                || self.roles[place - 1] == Role::State;
            if is_needed {
                return Vec::new();
            }
            kept.pop();
        }
        kept.sort_unstable();
        let left_out = (0..self.header.len()).filter(|place| !kept.contains(place));
        let left_out = left_out.map(|place| self.header[place].clone()).collect();
        let pick = |row: &[String]| -> Vec<String> {
            kept.iter().map(|&place| row[place].clone()).collect()
        };
        self.rows = self.rows.iter().map(|row| pick(row)).collect();
        self.header = pick(&self.header);
        self.are_numbers = kept.iter().map(|&place| self.are_numbers[place]).collect();
        let roles = kept.iter().filter(|&&place| place > 0);
        self.roles = roles.map(|&place| self.roles[place - 1]).collect();
        left_out
    }

    /// The places of all columns, the most important first: the run's id, the column `sort`, and the others by their
    /// roles.
    fn by_importance(&self, sort: Option<&str>) -> Vec<usize> {
        let is_same = |place: usize| {
            let mut two = self.rows.windows(2);
            self.rows.len() > 1 && two.all(|two| two[0][place] == two[1][place])
        };
        let importance = |&place: &usize| match place {
            0 => (0, Role::State, false),
            _ if Some(self.header[place].as_str()) == sort => (1, Role::State, false),
            _ => match self.roles[place - 1] {
                Role::Metric => (2, Role::Metric, is_same(place)),
                // After the settings.
                Role::Pipeline if is_same(place) => (2, Role::Setting, true),
                role => (2, role, false),
            },
        };
        let mut places: Vec<usize> = (0..self.header.len()).collect();
        // The sort is stable: of columns with the same role, the first is the most important.
        places.sort_by_key(importance);
        places
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
    use super::{Role, Rows};

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
            roles: vec![
                Role::Pipeline,
                Role::State,
                Role::Started,
                Role::Metric,
                Role::Metric,
            ],
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
            // Still too wide, so each run is printed as a block, with all columns.
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

    #[test]
    fn a_long_setting_does_not_hide_the_results() {
        let mut rows = rows();
        let path = "/a/long/path/to/a/folder/with/images".to_owned();
        rows.header.insert(4, "path".to_owned());
        rows.rows[0].insert(4, path);
        rows.rows[1].insert(4, "-".to_owned());
        rows.are_numbers.insert(4, false);
        rows.roles.insert(3, Role::Setting);
        assert_eq!(rows.narrow(82, None), ["started"]);
        assert_eq!(rows.narrow(70, None), ["path"]);
        assert_eq!(rows.header, ["run", "pipeline", "state", "a.f1", "a.auc"]);
    }

    #[test]
    fn without_room_for_a_metric_each_run_is_a_block() {
        let mut rows = rows();
        // The id, the state and the first metric take 27 columns.
        assert_eq!(rows.narrow(26, None), [""; 0]);
        assert_eq!(rows.narrow(27, None), ["pipeline", "started", "a.auc"]);
    }
}
