//! The metrics that are shown after a run of a pipeline without tables.

use std::collections::{BTreeSet, HashMap};

use contract::analysis::Over;
use engine::run::run_metrics::{InstanceMetrics, Measured, pooled};
use engine::wording;

use super::changes::{Before, Earlier, since};
use super::group::{Group, MOST_COLUMNS, groups};
use super::{chosen, figure, interval, name, signed};
use crate::report::columns::sentence;
use crate::report::grid::Grid;

/// Maximum number of rows of a table.
pub const MOST_ROWS: usize = 20;

/// Most metrics that a note names.
const NAMED: usize = 4;

/// Renders the headline metrics, in a table for each group of stages with the same metrics; an empty string if nothing
/// was measured. `unread` is the number of further instances with metrics. `before` are earlier runs, newest first.
/// Tables that do not fit into the `width` of the terminal are wrapped. `command` lists all metrics.
pub fn summary(
    now: &[&InstanceMetrics],
    unread: usize,
    before: &[Before<'_>],
    width: Option<usize>,
    command: &str,
) -> String {
    let all = pooled(now);
    let chosen = chosen(&all);
    let earlier = Earlier::new(before);
    let groups = groups(&chosen);
    let (mut instances, mut metrics) = (unread, 0);
    // Tables, and `true` for those that are formatted as blocks.
    let mut texts = Vec::new();
    for group in &groups {
        let grid = grid(group, &earlier);
        instances += group.rows.len().saturating_sub(MOST_ROWS);
        metrics += group.columns.len().saturating_sub(MOST_COLUMNS);
        texts.push((grid.terminal(width), grid.becomes_blocks(width)));
    }
    if texts.is_empty() {
        return String::new();
    }
    let mut notes = notes(&chosen);
    let changes: Vec<_> = chosen
        .iter()
        .filter_map(|one| earlier.change(one))
        .collect();
    if !changes.is_empty() {
        notes.push(format!("(+/-): change since {}", since(&changes)));
    }
    let counted = |count: usize, noun: &str| {
        (count > 0).then(|| wording::counted(count, &format!("more {noun}")))
    };
    let more = [counted(instances, "instance"), counted(metrics, "metric")];
    let more: Vec<String> = more.into_iter().flatten().collect();
    if !more.is_empty() {
        notes.push(format!("… {}: `{command}`", more.join(" and ")));
    }
    let notes: String = notes
        .iter()
        .map(|note| sentence(&name(note), width))
        .collect();
    texts.push((notes, false));
    below_one_another(&texts)
}

/// Joins texts, with an empty line after each that is `true` if another one follows.
fn below_one_another(texts: &[(String, bool)]) -> String {
    let mut all = String::new();
    let mut has_gap = false;
    for (text, is_blocks) in texts.iter().filter(|(text, _)| !text.is_empty()) {
        if has_gap {
            all.push('\n');
        }
        all += text;
        has_gap = *is_blocks;
    }
    all
}

/// A table of a group, with the differences from earlier runs in parentheses.
fn grid(group: &Group<'_>, earlier: &Earlier<'_>) -> Grid {
    let columns = || group.columns.iter().take(MOST_COLUMNS);
    let row = |(instance, metrics): &(&str, HashMap<String, &Measured<'_>>)| {
        let cell = |column: &String| {
            let Some(one) = metrics.get(column) else {
                return String::new();
            };
            let mut text = figure(one);
            if let Some(ends) = one.interval().filter(|_| one.mean().is_some()) {
                text += &format!(" {}", interval(ends));
            }
            if let Some(change) = earlier.change(one) {
                text += &format!(" ({})", signed(change.difference));
            }
            text
        };
        let cells = columns().map(cell);
        std::iter::once(name(instance)).chain(cells).collect()
    };
    Grid {
        name: "metrics".to_owned(),
        title: None,
        header: std::iter::once("stage".to_owned())
            .chain(columns().map(|column| name(column)))
            .collect(),
        rows: group.rows.iter().take(MOST_ROWS).map(row).collect(),
        notes: Vec::new(),
    }
}

/// Describes the numbers after a value, and the positive class.
fn notes(chosen: &[&Measured<'_>]) -> Vec<String> {
    let counts = chosen.iter().map(|one| one.defined());
    let (fewest, most) = (counts.clone().min(), counts.max());
    let mut notes = Vec::new();
    if let (Some(fewest), Some(most @ 2..)) = (fewest, most) {
        let count = match fewest == most {
            true => most.to_string(),
            false => format!("{fewest} to {most}"),
        };
        let repeated = chosen.iter().find(|one| one.defined() > 1);
        let values = repeated.map(|one| one.values_in_words(&count));
        notes.extend(values.map(|values| format!("means ± standard deviation over {values}")));
    }
    let intervals = chosen
        .iter()
        .filter(|one| one.interval().is_some() && one.mean().is_some());
    let intervals = intervals.map(|one| match one.over() {
        Some(Over::Reported) => "intervals reported by the program".to_owned(),
        Some(over) => format!("95 % intervals over {over}"),
        None => "95 % intervals, as each stage reports them".to_owned(),
    });
    let intervals: BTreeSet<String> = intervals.collect();
    if !intervals.is_empty() {
        let intervals: Vec<String> = intervals.into_iter().collect();
        notes.push(intervals.join(" or "));
    }
    let without = chosen.iter().filter(|one| one.is_without_interval());
    let mut without: Vec<String> = without.map(|one| one.full_name()).collect();
    let more = match without.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    without.truncate(NAMED);
    if !without.is_empty() {
        notes.push(format!(
            "no interval of {}{more}, because all resamples agree",
            without.join(", ")
        ));
    }
    let mut classes: Vec<&str> = chosen.iter().filter_map(|one| one.class()).collect();
    classes.sort_unstable();
    classes.dedup();
    match classes.as_slice() {
        [] => {}
        [class] => notes.push(format!("positive class: {class}")),
        several => notes.push(format!(
            "positive classes: {}, depending on the stage",
            several.join(", ")
        )),
    }
    notes
}
