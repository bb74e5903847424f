//! Tables as CSV.

use contract::analysis::Summary;
use engine::graph::Column;
use engine::wording;

use super::Filled;
use super::notes::decided;
use crate::report::contrasts;
use crate::report::csv::line;

/// Comma-separated values. Each column of the table has fields for its value, the ends of its interval, the variation
/// that the interval covers, and the reference value. If a column has means over seeds or an axis, fields for the
/// number of values and the standard deviation follow; if it has a class or a threshold, a field for them follows; if
/// it is of a cross-validation, fields for the number of folds and the mean and standard deviation over them follow; if
/// it has expectations, fields for the verdict and the bounds follow. The fields of contrasts come last. Missing values
/// are empty.
pub(super) fn csv(filled: &Filled<'_>) -> String {
    let mut header = filled.table.axes.clone();
    for column in &filled.table.columns {
        header.push(column.title.clone());
        let named = |what: &str| format!("{} {what}", column.title);
        header.extend(["low", "high", "interval over", &column.reference_label].map(named));
        if is_repeated(filled, column) {
            let is_pooled = is_of_folds(filled, column);
            let count = match column.mean.as_slice() {
                _ if is_pooled => "seeds".to_owned(),
                [] => "seeds".to_owned(),
                axes => format!("values of {}", axes.join(" and ")),
            };
            header.extend([named(&count), named("sd")]);
        }
        if is_of_folds(filled, column) {
            header.extend(["folds", "fold mean", "fold sd"].map(named));
        }
        if is_decided(filled, column) {
            header.push(named("rule"));
        }
        if is_judged(filled, column) {
            header.extend(["verdict", "expected"].map(named));
        }
    }
    header.extend(contrasts::header(filled.contrasts));
    let mut text = line(&header);
    for (row, cells) in &filled.rows {
        let mut fields = row.values.clone();
        for shown in filled.cells(row, cells) {
            let summary = shown.cell.summary();
            let interval = summary.and_then(|summary| summary.interval);
            let [low, high] = interval.map_or([None; 2], |interval| interval.ends.map(Some));
            let number = |number: Option<f64>| number.map_or(String::new(), wording::exact);
            fields.extend([summary.map(|summary| summary.mean), low, high].map(number));
            fields.push(interval.map_or(String::new(), |interval| interval.over.to_string()));
            fields.push(number(shown.reference));
            if is_repeated(filled, shown.column) {
                let repeated = summary.filter(|summary| summary.sd.is_some());
                fields.push(repeated.map_or(String::new(), |summary| summary.n.to_string()));
                fields.push(number(repeated.and_then(|summary| summary.sd)));
            }
            if is_of_folds(filled, shown.column) {
                let folds = summary.and_then(|summary| summary.folds);
                fields.push(folds.map_or(String::new(), |folds| folds.count.to_string()));
                fields.push(number(folds.map(|folds| folds.mean)));
                fields.push(number(folds.and_then(|folds| folds.sd)));
            }
            if is_decided(filled, shown.column) {
                let rule = summary.and_then(|summary| decided(shown.column, &[summary]));
                fields.push(rule.unwrap_or_default());
            }
            if is_judged(filled, shown.column) {
                let verdict = shown.verdict();
                fields.push(verdict.map_or(String::new(), |verdict| verdict.to_string()));
                let all = shown.judgements.iter();
                let bounds: Vec<String> = all.map(|one| one.bounds.to_string()).collect();
                fields.push(bounds.join("; "));
            }
        }
        fields.extend(contrasts::fields(filled.contrasts, &row.label()));
        text.push_str(&line(&fields));
    }
    text
}

/// `true` if a cell of this column is a mean over several seeds.
fn is_repeated(filled: &Filled<'_>, column: &Column) -> bool {
    has(filled, column, |summary| summary.sd.is_some())
}

/// `true` if a cell of this column is that of the pooled predictions of folds.
fn is_of_folds(filled: &Filled<'_>, column: &Column) -> bool {
    has(filled, column, |summary| summary.folds.is_some())
}

/// `true` if a cell of this column is of a class that its title does not name, or depends on a threshold.
fn is_decided(filled: &Filled<'_>, column: &Column) -> bool {
    has(filled, column, |summary| {
        decided(column, &[summary]).is_some()
    })
}

/// `true` if a cell of this column meets a condition.
fn has(filled: &Filled<'_>, column: &Column, condition: impl Fn(&Summary) -> bool) -> bool {
    filled.rows.iter().any(|(row, cells)| {
        filled
            .cells(row, cells)
            .filter(|shown| std::ptr::eq(shown.column, column))
            .any(|shown| shown.cell.summary().is_some_and(&condition))
    })
}

/// `true` if there is an expectation in any row of this column.
fn is_judged(filled: &Filled<'_>, column: &Column) -> bool {
    let mut rows = filled.rows.iter();
    rows.any(|(row, _)| !filled.judgements(row, column).is_empty())
}
