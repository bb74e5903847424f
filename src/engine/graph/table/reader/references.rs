//! Reads the reference values of a column (`paper`).

use std::collections::BTreeMap;

use contract::{MetricInfo, Segment};

use super::Reader;
use crate::graph::metric;
use crate::graph::table::Row;
use crate::spec::{Diagnostic, Paper, suggest};

impl Reader<'_> {
    /// The reference values of a column by row.
    pub(super) fn reference(
        &mut self,
        column: usize,
        paper: &Paper,
        rows: &[Row],
        are_rows_known: bool,
    ) -> BTreeMap<String, f64> {
        let by_row = match paper {
            Paper::All(value) => return rows.iter().map(|row| (row.label(), *value)).collect(),
            Paper::ByRow(by_row) => by_row,
        };
        let labels: Vec<String> = rows.iter().map(Row::label).collect();
        // `--set` may shorten an axis, so reference values for rows that this run does not have are allowed.
        // But if a row has no reference value, such a name is probably a misspelling of that row.
        if !are_rows_known || labels.iter().all(|row| by_row.contains_key(row)) {
            return by_row.clone();
        }
        let has_copies = rows
            .iter()
            .any(|row| row.seed.is_some() || row.fold.is_some());
        // A run may have fewer seeds or folds, and these are not misspelt.
        let may_be_seed = |row: &str| has_copies && row.bytes().all(|byte| byte.is_ascii_digit());
        let unknown = by_row.keys().filter(|row| !labels.contains(row));
        for row in unknown.filter(|row| !may_be_seed(row)) {
            let path = [Segment::Key("paper".to_owned()), Segment::Key(row.clone())];
            let place = self.place(column, &path);
            let axes = &self.spec.fields.rows.0;
            let error = match axes.as_slice() {
                [] => Diagnostic::at(&place, "the table has a single row".to_owned())
                    .hint("write the value itself, as in `paper: 0.95`".to_owned()),
                [axis] => {
                    let message = format!("the axis `{axis}` has no value `{row}`");
                    let known = labels.iter().map(String::as_str);
                    Diagnostic::at(&place, message).hint(suggest::hint("values", row, known))
                }
                _ => {
                    let message = format!("the table has no row `{row}`");
                    let known = labels.iter().map(String::as_str);
                    Diagnostic::at(&place, message).hint(suggest::hint("rows", row, known))
                }
            };
            self.errors.push(error);
        }
        by_row.clone()
    }

    /// Reports reference values that the metric cannot have.
    pub(super) fn check_references(
        &mut self,
        column: usize,
        paper: &Paper,
        info: Option<&MetricInfo>,
    ) {
        let Some(info) = info else {
            return;
        };
        let key = Segment::Key("paper".to_owned());
        let values: Vec<(Vec<Segment>, f64)> = match paper {
            Paper::All(value) => vec![(vec![key], *value)],
            Paper::ByRow(by_row) => {
                let path = |row: &String| vec![key.clone(), Segment::Key(row.clone())];
                let values = by_row.iter();
                values.map(|(row, value)| (path(row), *value)).collect()
            }
        };
        for (path, value) in values {
            let place = self.place(column, &path);
            let why = format!("{value} cannot be its value");
            let error = metric::check_value(info, value, &why, &place).err();
            self.errors.extend(error);
        }
    }
}
