//! Renders the differences between two runs as text or Markdown: first what differs, then the effects.

use contract::analysis::UNDEFINED;
use contract::{class_of, one_line};
use engine::run::recorded::Recorded;
use engine::wording;

use super::cause::Cause;
use super::metric::{MetricChange, MetricPair};
use super::run_diff::{Change, RunDiff, StagePair};
use crate::cli::record_text::when;
use crate::report::columns::{aligned, fitted, sentence};
use crate::report::markdown;

/// Maximum number of stages that are named individually for a change.
const NAMED: usize = 3;

const OTHER_IMAGES: &str = "with other test images, so without a verdict: ";

const NOTHING_MEASURED: &str = "no metric was measured in both runs";

const APART: &str = "* the 95 % intervals do not overlap";

/// Explains the brackets.
const INTERVALS: &str = "[…] 95 % intervals, as each stage reports them; those of `evaluate` cover the choice of test \
                         images only, not of seeds";

type Row<const N: usize> = [String; N];

/// Renders the differences for a terminal of `width` columns; `None` if there is none.
pub(super) fn text(a: &Recorded, b: &Recorded, diff: &RunDiff, width: Option<usize>) -> String {
    let page = Page::of(diff);
    let mut text = aligned(&[head("A", a), head("B", b)], 4);
    let mut part = |part: String| {
        if !part.is_empty() {
            text += &format!("\n{part}");
        }
    };
    part(aligned(&page.settings, 2));
    part(headed(&["what differs", "in"], &page.changes, width));
    let stages = headed(
        &["stage", "why it differs", "time A", "time B"],
        &page.stages,
        width,
    );
    part(
        stages
            + &page
                .same
                .as_ref()
                .map_or(String::new(), |same| format!("{same}\n")),
    );
    let metrics = headed(&METRICS, &page.metrics, width);
    let notes = page.notes().into_iter();
    let notes: String = notes
        .map(|note| sentence(&one_line(&note), width))
        .collect();
    part(metrics + &notes);
    text
}

pub(super) fn markdown(a: &Recorded, b: &Recorded, diff: &RunDiff) -> String {
    let page = Page::of(diff);
    let mut parts = vec![table(
        &["", "run", "started", "state", "time"],
        &[head("A", a), head("B", b)],
    )];
    parts.push(table(&["setting", "change"], &page.settings));
    parts.push(table(&["what differs", "in"], &page.changes));
    parts.push(table(
        &["stage", "why it differs", "time A", "time B"],
        &page.stages,
    ));
    parts.extend(page.same.as_ref().map(|same| format!("{same}\n")));
    parts.push(table(&METRICS, &page.metrics));
    let notes = page.notes().into_iter();
    parts.extend(notes.map(|note| match note.strip_prefix('*') {
        Some(rest) => format!("\\*{}\n", markdown::escaped(rest)),
        None => markdown::escaped(&note) + "\n",
    }));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

const METRICS: [&str; 6] = ["stage", "metric", "A", "B", "difference", ""];

/// Rows with a header, of which the first two columns are text; an empty string if there are no rows.
fn headed<const N: usize>(header: &[&str; N], rows: &[Row<N>], width: Option<usize>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.to_vec()).collect();
    let numbers: Vec<usize> = (2..N).collect();
    fitted(&header.map(str::to_owned), &rows, &numbers, width)
}

fn table<const N: usize>(header: &[&str; N], rows: &[Row<N>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.to_vec()).collect();
    markdown::table(&header.map(str::to_owned), &rows)
}

fn head(letter: &str, run: &Recorded) -> Row<5> {
    let report = &run.report;
    [
        letter.to_owned(),
        report.run.clone(),
        when(&report.started),
        report.state.to_string(),
        wording::duration(report.seconds),
    ]
}

/// The content of both formats.
struct Page {
    settings: Vec<Row<2>>,
    changes: Vec<Row<2>>,
    stages: Vec<Row<4>>,
    /// A sentence with the number of stages that are the same and have no row; `None` if there are none.
    same: Option<String>,
    metrics: Vec<Row<6>>,
    /// `true` if no metric was measured in both runs.
    nothing_measured: bool,
    /// The stages whose metrics were measured on other test images.
    other_images: Vec<String>,
    /// `true` if a metric has an interval.
    has_intervals: bool,
    /// `true` if some intervals do not overlap.
    apart: bool,
}

impl Page {
    /// Sentences below the metrics.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.nothing_measured {
            notes.push(NOTHING_MEASURED.to_owned());
        }
        if !self.other_images.is_empty() {
            notes.push(format!("{OTHER_IMAGES}{}", named(&self.other_images)));
        }
        if self.has_intervals {
            notes.push(INTERVALS.to_owned());
        }
        if self.apart {
            notes.push(APART.to_owned());
        }
        notes
    }

    fn of(diff: &RunDiff) -> Self {
        let shown = |value: &str| if value.is_empty() { "none" } else { value }.to_owned();
        let settings = diff.settings.iter().map(|setting| {
            let [a, b] = &setting.unique;
            let change = format!("{} → {}", shown(a), shown(b));
            [setting.what.to_owned(), change]
        });
        let changes = diff.changes.iter();
        let changes = changes.map(|change| [change.what.clone(), places(change)]);
        let metrics = metrics(&diff.stages);
        let mut measured = diff.stages.iter().flat_map(|stage| &stage.metrics);
        let of_other_images = metrics.iter().filter(|(_, metric)| metric.other_images);
        let mut other_images: Vec<String> = of_other_images
            .map(|(stage, _)| (*stage).to_owned())
            .collect();
        other_images.dedup();
        Self {
            nothing_measured: !measured.any(MetricPair::is_in_both),
            other_images,
            settings: settings.collect(),
            changes: changes.collect(),
            stages: diff.stages.iter().filter_map(stage).collect(),
            same: same(&diff.stages),
            has_intervals: metrics
                .iter()
                .any(|(_, metric)| metric.a_interval.or(metric.b_interval).is_some()),
            apart: metrics.iter().any(|(_, metric)| metric.apart == Some(true)),
            metrics: metrics
                .iter()
                .map(|(stage, metric)| row(stage, metric))
                .collect(),
        }
    }
}

/// `cnn[4], cnn[6]`, or `cnn[4], cnn[6], cnn[8] and 3 more`.
fn named(stages: &[String]) -> String {
    let (first, rest) = stages.split_at(stages.len().min(NAMED));
    match rest.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// `cnn[4], cnn[6]`, or `12 of cnn` if there are many.
fn places(change: &Cause) -> String {
    if change.stages.len() <= NAMED {
        return change.stages.join(", ");
    }
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for name in &change.stages {
        let stage = name.split('[').next().unwrap_or(name);
        match counts.iter_mut().find(|(known, _)| *known == stage) {
            Some((_, count)) => *count += 1,
            None => counts.push((stage, 1)),
        }
    }
    let counts = counts.iter().map(|(stage, count)| match count {
        1 => (*stage).to_owned(),
        _ => format!("{count} of {stage}"),
    });
    counts.collect::<Vec<_>>().join(", ")
}

/// The row of a stage that differs, or that both runs executed; else `None`.
fn stage(pair: &StagePair) -> Option<Row<4>> {
    let [a, b] = [&pair.a, &pair.b].map(|side| side.as_ref().and_then(|side| side.seconds));
    let what = match pair.change {
        Change::Same if a.is_none() || b.is_none() => return None,
        Change::Same => "same".to_owned(),
        Change::Changed => pair.reason.clone().unwrap_or_default(),
        Change::OnlyInA => "only in A".to_owned(),
        Change::OnlyInB => "only in B".to_owned(),
    };
    let time = |seconds: Option<f64>| seconds.map_or("-".to_owned(), wording::duration);
    Some([pair.name.clone(), what, time(a), time(b)])
}

fn same(pairs: &[StagePair]) -> Option<String> {
    let is_same = |pair: &&StagePair| pair.change == Change::Same && stage(pair).is_none();
    match pairs.iter().filter(is_same).count() {
        0 => None,
        1 => Some("1 stage is the same".to_owned()),
        count => Some(format!("{} are the same", wording::stages(count))),
    }
}

/// All metrics of stages that are in both runs and differ in at least one metric. Metrics of each single class, such as
/// `recall[NORMAL]`, are left out, because there are many.
fn metrics(pairs: &[StagePair]) -> Vec<(&str, &MetricPair)> {
    let differ = |pair: &MetricPair| pair.a != pair.b;
    let in_both = pairs
        .iter()
        .filter(|pair| pair.a.is_some() && pair.b.is_some());
    let changed = in_both.filter(|pair| pair.metrics.iter().any(differ));
    changed
        .flat_map(|pair| {
            pair.metrics
                .iter()
                .filter(|metric| class_of(&metric.metric).is_none())
                .map(|metric| (pair.name.as_str(), metric))
        })
        .collect()
}

fn row(stage: &str, metric: &MetricPair) -> Row<6> {
    let verdict = match metric.verdict {
        Some(MetricChange::Better) => "better",
        Some(MetricChange::Worse) => "worse",
        Some(MetricChange::Equal) | None => "",
    };
    let mark = if metric.apart == Some(true) { " *" } else { "" };
    [
        stage.to_owned(),
        name(metric),
        measured(metric.a, metric.a_is_undefined, metric.a_interval),
        measured(metric.b, metric.b_is_undefined, metric.b_interval),
        metric.difference.map_or("-".to_owned(), signed),
        format!("{verdict}{mark}"),
    ]
}

/// `accuracy`, `f1 of PNEUMONIA`, or, if the runs differ in the class, `f1 (A: of NORMAL, B: of PNEUMONIA)`.
fn name(metric: &MetricPair) -> String {
    let name = &metric.metric;
    match (&metric.a_class, &metric.b_class) {
        (Some(a), Some(b)) if a != b => format!("{name} (A: of {a}, B: of {b})"),
        (Some(class), _) | (None, Some(class)) => format!("{name} of {class}"),
        (None, None) => name.clone(),
    }
}

/// `0.8993 [0.87, 0.93]`; `undefined`, or `-` if there is no value.
fn measured(value: Option<f64>, is_undefined: bool, interval: Option<[f64; 2]>) -> String {
    let Some(value) = value else {
        return if is_undefined { UNDEFINED } else { "-" }.to_owned();
    };
    let Some(ends) = interval else {
        return figure(value);
    };
    // Two decimals are enough for an interval, unless it is narrower than 0.02 or its upper end is 100 or more.
    let [low, high] = if ends[1] - ends[0] >= 0.02 && ends[1].abs() < 100.0 {
        ends.map(|end| format!("{end:.2}"))
    } else {
        ends.map(figure)
    };
    format!("{} [{low}, {high}]", figure(value))
}

/// `+0.0120`.
fn signed(difference: f64) -> String {
    let sign = if difference > 0.0 { "+" } else { "" };
    format!("{sign}{}", figure(difference))
}

/// `12`, `0.8993`.
fn figure(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e9 {
        return format!("{value:.0}");
    }
    wording::figure(value)
}
