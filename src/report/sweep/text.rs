//! Rankings as text for the terminal and as Markdown.

use contract::{Direction, one_line};
use engine::sweep::record::{Importance, ImportanceOf, SweepReport, Trial, TrialState};
use engine::wording;
use unicode_width::UnicodeWidthStr;

use super::shortened;
use crate::report::grid::ruled;
use crate::report::markdown;

/// Width of the text in columns if there is no terminal.
const WIDTH: usize = 100;
/// Longest value in a terminal, in characters: with enough space, and with little space.
const LONGEST: [usize; 2] = [18, 9];

/// A table whose less important columns can be left out.
pub(super) struct Ranking {
    pub columns: Vec<Column>,
    /// Axes with the same value in all trials: `dropout 0.1`.
    pub constant: Vec<String>,
    /// Labels of the axes that do not fit.
    pub left_out: Vec<String>,
    /// Values of axes were shortened.
    is_cut: bool,
    /// Explains the numbers after an objective, if there are several seeds or folds.
    spread: Option<&'static str>,
}

pub(super) struct Column {
    pub title: String,
    pub cells: Vec<String>,
    pub is_number: bool,
}

/// Explains the numbers after the objectives of trials, with intervals and without.
fn spread(shown: &[&Trial]) -> [&'static str; 2] {
    let has_seeds = shown.iter().any(|trial| trial.seeds.len() > 1);
    let has_folds = shown.iter().any(|trial| trial.folds.is_some());
    match (has_seeds, has_folds) {
        (_, false) => [
            "± standard deviation, and 95 % intervals over seeds",
            "± standard deviation over seeds",
        ],
        (false, true) => ["means ± standard deviation over folds"; 2],
        (true, true) => [
            "means over folds; ± standard deviation, and 95 % intervals over seeds",
            "means over folds; ± standard deviation over seeds",
        ],
    }
}

/// Amount of detail in a row.
#[derive(Clone, Copy)]
struct Detail {
    deviation: bool,
    interval: bool,
    time: bool,
    longest: usize,
}

impl Ranking {
    /// A ranking with all columns, except for axes that have the same value in all trials.
    pub(super) fn whole(report: &SweepReport, shown: &[&Trial], longest: usize) -> Self {
        let detail = Detail {
            deviation: true,
            interval: true,
            time: true,
            longest,
        };
        Self::of(report, shown, detail, &[])
    }

    /// A ranking that fits into `width` columns, if possible. Leaves out intervals first, then times; then
    /// shortens values; then leaves out deviations, and finally the least important axes.
    fn fitting(report: &SweepReport, shown: &[&Trial], width: usize) -> Self {
        let all = Detail {
            deviation: true,
            interval: true,
            time: true,
            longest: LONGEST[0],
        };
        let no_interval = Detail {
            interval: false,
            ..all
        };
        let no_time = Detail {
            time: false,
            ..no_interval
        };
        let short = Detail {
            longest: LONGEST[1],
            ..no_time
        };
        let least = Detail {
            deviation: false,
            ..short
        };
        for detail in [all, no_interval, no_time, short] {
            let ranking = Self::of(report, shown, detail, &[]);
            if ranking.width() <= width {
                return ranking;
            }
        }
        let mut left_out = Vec::new();
        let mut ranking = Self::of(report, shown, least, &left_out);
        for label in least_important(report) {
            if ranking.width() <= width {
                break;
            }
            if ranking.columns.iter().any(|column| column.title == label) {
                left_out.push(label);
                ranking = Self::of(report, shown, least, &left_out);
            }
        }
        ranking
    }

    fn of(report: &SweepReport, shown: &[&Trial], detail: Detail, left_out: &[String]) -> Self {
        let best = report.best().map(|trial| trial.number);
        let mut columns = Vec::new();
        let mut add = |title: &str, is_number: bool, cell: &dyn Fn(&Trial) -> String| {
            columns.push(Column {
                title: title.to_owned(),
                cells: shown.iter().map(|trial| cell(trial)).collect(),
                is_number,
            });
        };
        add("trial", true, &|trial| match best {
            Some(best) if best == trial.number => format!("★ {best}"),
            _ => trial.number.to_string(),
        });
        let mut constant = Vec::new();
        let mut is_cut = false;
        for axis in &report.axes {
            let label = axis.label.as_str();
            if left_out.contains(&axis.label) {
                continue;
            }
            let cell = |trial: &Trial| match (trial.spellings.get(label), trial.values.get(label)) {
                (Some(spelling), _) => shortened::cut(spelling, detail.longest),
                (None, Some(value)) => shortened::value(value, detail.longest),
                (None, None) => "-".to_owned(),
            };
            let written = |trial: &&Trial| {
                let spelling = trial.spellings.get(label).cloned();
                (spelling, trial.values.get(label).cloned())
            };
            // Compare all trials, including those that are not shown.
            let mut values = report.trials.iter().map(|trial| written(&trial));
            let first = values.next();
            let is_constant = values.all(|value| Some(&value) == first.as_ref());
            if is_constant && report.trials.len() > 1 {
                constant.extend(
                    shown
                        .first()
                        .map(|trial| format!("{label} {}", cell(trial))),
                );
                continue;
            }
            is_cut |= shown.iter().any(|trial| cell(trial).ends_with('…'));
            let numbers = shown.iter().filter_map(|trial| trial.values.get(label));
            add(label, numbers.clone().all(|value| value.is_number()), &cell);
        }
        if report.objective.is_some() {
            add(report.metric(), true, &|trial| {
                shortened::objective(trial, detail.deviation, detail.interval)
            });
        }
        if shown.iter().any(|trial| trial.epochs.is_some()) {
            add("epochs", true, &shortened::epochs);
        }
        if detail.time {
            add("time", true, &|trial| match trial.state {
                TrialState::NotRun => String::new(),
                _ => wording::duration(trial.seconds),
            });
        }
        if shown
            .iter()
            .any(|trial| trial.state != TrialState::Finished)
        {
            add("state", false, &|trial| trial.state.to_string());
        }
        let is_repeated = shown.iter().any(|trial| trial.deviation.is_some());
        Self {
            columns,
            constant,
            left_out: left_out.to_vec(),
            is_cut,
            spread: (is_repeated && detail.deviation).then(|| {
                let [with_interval, without] = spread(shown);
                match detail.interval {
                    true => with_interval,
                    false => without,
                }
            }),
        }
    }

    /// Width of the ruled table, in columns.
    fn width(&self) -> usize {
        let columns = self.columns.iter().map(|column| {
            let cells = column.cells.iter().chain([&column.title]);
            cells.map(|cell| cell.width()).max().unwrap_or(0) + 3
        });
        columns.sum::<usize>() + 1
    }

    pub(super) fn header(&self) -> Vec<String> {
        self.columns.iter().map(|c| c.title.clone()).collect()
    }

    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let count = self.columns.first().map_or(0, |column| column.cells.len());
        let row = |at: usize| self.columns.iter().map(|c| c.cells[at].clone()).collect();
        (0..count).map(row).collect()
    }
}

/// Labels of the axes, least important first. Axes of unknown importance come first, in reverse order.
fn least_important(report: &SweepReport) -> Vec<String> {
    let share = |label: &str| {
        let known = report.importance.iter().find(|known| known.axis == label);
        known.and_then(|known| known.share).unwrap_or(0.0)
    };
    let mut labels: Vec<String> = report.axes.iter().map(|axis| axis.label.clone()).collect();
    labels.reverse();
    labels.sort_by(|a, b| share(a).total_cmp(&share(b)));
    labels
}

/// A ruled table with a summary above and notes below.
pub(super) fn terminal(report: &SweepReport, shown: &[&Trial], width: Option<usize>) -> String {
    let ranking = Ranking::fitting(report, shown, width.unwrap_or(WIDTH));
    let mut text = format!("{}\n", head(report));
    if !shown.is_empty() {
        let columns = ranking.columns.iter().enumerate();
        let numbers = columns.filter_map(|(index, column)| column.is_number.then_some(index));
        let numbers: Vec<usize> = numbers.collect();
        text += &ruled(&ranking.header(), &ranking.rows(), &numbers, width);
    }
    for line in below(report, shown, &ranking) {
        text += &format!("{line}\n");
    }
    text
}

/// A Markdown table with a summary in bold above and notes below.
pub(super) fn markdown(report: &SweepReport, shown: &[&Trial]) -> String {
    let ranking = Ranking::whole(report, shown, usize::MAX);
    let mut text = format!("**{}**\n", head(report));
    if !shown.is_empty() {
        text += "\n";
        text += &markdown::table(&ranking.header(), &ranking.rows());
    }
    for line in below(report, shown, &ranking) {
        // Without the empty line, Markdown would join successive lines.
        text += &format!("\n{}\n", markdown::escaped(line.trim_start()));
    }
    text
}

fn head(report: &SweepReport) -> String {
    let (summary, order) = (report.summary(), report.order());
    format!("{}: {summary}{order}", report.pipeline)
}

fn below(report: &SweepReport, shown: &[&Trial], ranking: &Ranking) -> Vec<String> {
    let mut lines: Vec<String> = ranking.spread.map(str::to_owned).into_iter().collect();
    if !ranking.constant.is_empty() {
        lines.push(format!(
            "the same in all trials: {}",
            ranking.constant.join(", ")
        ));
    }
    if !ranking.left_out.is_empty() {
        let labels = ranking.left_out.join(", ");
        lines.push(format!(
            "not shown: {labels}; `--format csv` has everything"
        ));
    }
    if ranking.is_cut {
        lines.push("…: shortened; `--format csv` has everything".to_owned());
    }
    let more = report.trials.len() - shown.len();
    if more > 0 {
        lines.push(format!("and {}", wording::counted(more, "more trial")));
    }
    let reasons = shown.iter().filter_map(|trial| {
        let error = trial.error.as_ref()?.lines().next()?;
        Some(format!("trial {} {}: {error}", trial.number, trial.state))
    });
    lines.extend(reasons);
    lines.extend(best_metrics(report));
    lines.extend(importance(report));
    lines.extend(report.contradiction());
    lines
}

/// `trial 12 (the best): evaluate.f1 0.912, evaluate.accuracy 0.900`
fn best_metrics(report: &SweepReport) -> Option<String> {
    let best = report.best()?.number;
    let metrics = in_words(&report.best_metrics)?;
    Some(format!("trial {best} (the best): {metrics}"))
}

/// Maximum number of metrics in a sentence.
const MOST_METRICS: usize = 6;

/// Lists metrics: `evaluate.f1 0.912, evaluate.accuracy 0.900`; `None` if there are none.
pub fn in_words(metrics: &[(String, f64)]) -> Option<String> {
    let listed = metrics.iter().take(MOST_METRICS);
    let listed: Vec<String> = listed
        .map(|(name, value)| format!("{} {}", one_line(name), wording::measured(*value)))
        .collect();
    let more = match metrics.len().saturating_sub(MOST_METRICS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!listed.is_empty()).then(|| listed.join(", ") + &more)
}

/// Lists the metric that the importance is for, a line for each axis with a share or a correlation, and the share that
/// no single axis explains.
pub(super) fn importance(report: &SweepReport) -> Vec<String> {
    let Some(of) = &report.importance_of else {
        return Vec::new();
    };
    let at = of.epochs.map_or(String::new(), |epochs| {
        format!(" after {}", wording::counted(epochs as usize, "epoch"))
    });
    let about = match of.note.as_str() {
        "" => format!(
            "shares of its variance over the declared space ({}, {})",
            of.estimator,
            wording::counted(of.trials, "trial")
        ),
        reason => format!("- ({reason})"),
    };
    let mut lines = vec![format!("importance for {}{at}: {about}", of.metric)];
    let known = report.importance.iter();
    let known: Vec<&Importance> = known
        .filter(|known| of.note.is_empty() || known.correlation.is_some())
        .collect();
    let widest = known.iter().map(|known| known.axis.width()).max();
    let rows = known
        .iter()
        .map(|known| of_axis(known, of, widest.unwrap_or(0)));
    lines.extend(rows);
    if let Some(jointly) = of.jointly.filter(|&share| share >= 0.005) {
        let percent = 100.0 * jointly;
        lines.push(format!(
            "  the other {percent:.0} % depend on several axes together"
        ));
    }
    lines
}

/// `  learning_rate  62 %, more is worse (-0.71)`.
///
/// A correlation has a direction if fewer than 5 % of as many random trials would have as large a one.
fn of_axis(known: &Importance, of: &ImportanceOf, widest: usize) -> String {
    let chance = 1.96 / (of.trials.max(2) as f64 - 1.0).sqrt();
    let space = " ".repeat(widest - known.axis.width());
    let share = known.share.map(|share| format!("{:3.0} %", 100.0 * share));
    let share = share.unwrap_or_else(|| "    -".to_owned());
    let mut line = format!("  {}{space}  {share}", known.axis);
    if let Some(correlation) = known.correlation.filter(|c| c.is_finite()) {
        // The correlation is with the metric itself, which may be minimized.
        let better = match of.direction {
            Direction::Maximize => correlation > 0.0,
            Direction::Minimize => correlation < 0.0,
        };
        let word = match better {
            _ if correlation.abs() < chance => "no clear trend",
            true => "more is better",
            false => "more is worse",
        };
        line += &format!(", {word} ({correlation:+.2})");
    }
    if !known.note.is_empty() {
        line += &format!(", {}", known.note);
    }
    line
}
