//! The metrics that are shown after a run of a pipeline without tables.

use std::collections::HashMap;

use engine::run::run_metrics::{InstanceMetrics, Measured, Pooled, pooled};
use engine::wording;
use unicode_width::UnicodeWidthStr;

use super::{figure, interval, name, signed};
use crate::report::grid::Grid;

/// Maximum number of rows of a table.
pub const MOST_ROWS: usize = 20;
/// Maximum number of columns with metrics.
const MOST_COLUMNS: usize = 6;
/// Maximum number of changes that are listed in a sentence.
const MOST_CHANGES: usize = 3;

/// A metric whose value differs from that of an earlier run.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// `evaluate[model1].f1`
    pub name: String,
    pub difference: f64,
}

/// The metrics to show: the first ones of all that measure something, or those of trainings if there are no others.
fn chosen<'a>(all: &'a Pooled<'a>) -> Vec<&'a Measured<'a>> {
    let headline = all.iter().filter(|one| one.headline.is_some());
    let (secondary, primary): (Vec<_>, Vec<_>) = headline.partition(|one| one.is_secondary);
    match primary.is_empty() {
        true => secondary,
        false => primary,
    }
}

/// Finds the headline metrics that differ between two runs. Those that one of them lacks are left out.
pub fn changes(now: &[&InstanceMetrics], before: &[&InstanceMetrics]) -> Vec<Change> {
    let (now, before) = (pooled(now), pooled(before));
    let known = means(&before);
    let change = |one: &&Measured<'_>| {
        let was = known.get(&(one.instance, one.port, one.name))?;
        let difference = one.mean()? - was;
        (difference != 0.0 && difference.is_finite()).then(|| Change {
            name: one.full_name(),
            difference,
        })
    };
    let now = chosen(&now);
    now.iter().filter_map(change).collect()
}

/// `evaluate[model1].f1 +0.013, evaluate[model2].f1 -0.002 and 4 more`
pub fn changes_in_words(changes: &[Change]) -> String {
    let listed = changes.iter().take(MOST_CHANGES);
    let listed: Vec<String> = listed
        .map(|change| format!("{} {}", name(&change.name), signed(change.difference)))
        .collect();
    let more = changes.len().saturating_sub(MOST_CHANGES);
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    listed.join(", ") + &more
}

type Means<'a> = HashMap<(&'a str, &'a str, &'a str), f64>;

fn means<'a>(all: &Pooled<'a>) -> Means<'a> {
    let all = all.iter();
    all.filter_map(|one| Some(((one.instance, one.port, one.name), one.mean()?)))
        .collect()
}

/// Renders the headline metrics, in a table for each group of stages with the same metrics; an empty string if nothing
/// was measured. `unread` is the number of further instances with metrics. `before` is an earlier run with its id. Intervals are left out if they do not fit into `width`
/// columns. `command` lists all metrics.
pub fn summary(
    now: &[&InstanceMetrics],
    unread: usize,
    before: Option<(&str, &[&InstanceMetrics])>,
    width: usize,
    command: &str,
) -> String {
    let all = pooled(now);
    let chosen = chosen(&all);
    let earlier = before.map(|(_, metrics)| pooled(metrics));
    let earlier = earlier.as_ref().map(means).unwrap_or_default();
    let groups = groups(&chosen);
    let (mut instances, mut metrics) = (unread, 0);
    let mut texts = Vec::new();
    for group in &groups {
        let whole = group.grid(&earlier, true);
        let grid = match widest(&whole) <= width {
            true => whole,
            false => group.grid(&earlier, false),
        };
        instances += group.rows.len().saturating_sub(MOST_ROWS);
        metrics += group.columns.len().saturating_sub(MOST_COLUMNS);
        texts.push(grid.terminal());
    }
    if texts.is_empty() {
        return String::new();
    }
    let mut notes = notes(&chosen);
    if let Some((run, _)) = before
        && chosen.iter().any(|one| change(one, &earlier).is_some())
    {
        notes.push(format!("(+/-): change since run {}", name(run)));
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
        .map(|note| format!("{}\n", name(note)))
        .collect();
    texts.concat() + &notes
}

/// Instances of stages that have the same metrics.
struct Group<'a> {
    /// Names of the metrics.
    columns: Vec<String>,
    /// Instances with their metrics by name.
    rows: Vec<(&'a str, HashMap<String, &'a Measured<'a>>)>,
}

fn groups<'a>(chosen: &[&'a Measured<'a>]) -> Vec<Group<'a>> {
    let mut stages: Vec<(&str, Group<'a>)> = Vec::new();
    for &one in chosen {
        let place = stages.iter().position(|(stage, _)| *stage == one.stage);
        let place = place.unwrap_or_else(|| {
            let (columns, rows) = (Vec::new(), Vec::new());
            stages.push((one.stage, Group { columns, rows }));
            stages.len() - 1
        });
        let group = &mut stages[place].1;
        let metric = one.metric();
        if !group.columns.contains(&metric) {
            group.columns.push(metric.clone());
        }
        match group.rows.last_mut() {
            Some((instance, metrics)) if *instance == one.instance => {
                metrics.insert(metric, one);
            }
            _ => group
                .rows
                .push((one.instance, HashMap::from([(metric, one)]))),
        }
    }
    let mut groups: Vec<Group<'a>> = Vec::new();
    for (_, group) in stages {
        match groups
            .iter_mut()
            .find(|known| known.columns == group.columns)
        {
            Some(known) => known.rows.extend(group.rows),
            None => groups.push(group),
        }
    }
    groups
}

impl Group<'_> {
    fn grid(&self, earlier: &Means<'_>, has_intervals: bool) -> Grid {
        let columns = || self.columns.iter().take(MOST_COLUMNS);
        let row = |(instance, metrics): &(&str, HashMap<String, &Measured<'_>>)| {
            let cell = |column: &String| {
                let Some(one) = metrics.get(column) else {
                    return String::new();
                };
                let mut text = figure(one);
                if let Some(ends) = one
                    .interval()
                    .filter(|_| has_intervals && one.mean().is_some())
                {
                    text += &format!(" {}", interval(ends));
                }
                if let Some(difference) = change(one, earlier) {
                    text += &format!(" ({})", signed(difference));
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
            rows: self.rows.iter().take(MOST_ROWS).map(row).collect(),
            notes: Vec::new(),
        }
    }
}

/// Difference from an earlier value; `None` if it is the same or one is missing.
fn change(one: &Measured<'_>, earlier: &Means<'_>) -> Option<f64> {
    let was = earlier.get(&(one.instance, one.port, one.name))?;
    let difference = one.mean()? - was;
    (difference != 0.0 && difference.is_finite()).then_some(difference)
}

/// What numbers after a value mean, and the positive class.
fn notes(chosen: &[&Measured<'_>]) -> Vec<String> {
    let counts = chosen.iter().map(|one| one.defined());
    let (fewest, most) = (counts.clone().min(), counts.max());
    let mut notes = Vec::new();
    if let (Some(fewest), Some(most @ 2..)) = (fewest, most) {
        let count = match fewest == most {
            true => most.to_string(),
            false => format!("{fewest} to {most}"),
        };
        notes.push(format!("means ± standard deviation over {count} seeds"));
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

/// Width of the widest line of a ruled table.
fn widest(grid: &Grid) -> usize {
    let columns = 0..grid.header.len();
    let width = |column: usize| {
        let rows = grid.rows.iter().map(|row| row[column].width());
        rows.chain([grid.header[column].width()]).max().unwrap_or(0) + 3
    };
    columns.map(width).sum::<usize>() + 1
}
