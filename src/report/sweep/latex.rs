//! Rankings as LaTeX for papers.

use engine::sweep::record::{SweepReport, Trial};

use super::shortened;
use super::text::{Ranking, importance};
use crate::report::latex::{self, Tabular, escaped, number};

/// Longest value in a table, in characters.
const LONGEST: usize = 24;

/// A `table` with the rules of booktabs and the best trial in bold. Parameters with the same value in all
/// trials are listed in the caption, and the importance of axes below the table.
pub(super) fn latex(report: &SweepReport, shown: &[&Trial]) -> String {
    let mut ranking = Ranking::whole(report, shown, LONGEST);
    // The run time is of no interest in a paper.
    ranking.columns.retain(|column| column.title != "time");
    let best = report.best().map(|trial| trial.number);
    let metric = report.metric();
    for column in &mut ranking.columns {
        for (cell, trial) in column.cells.iter_mut().zip(shown) {
            *cell = match column.title.as_str() {
                "trial" => trial.number.to_string(),
                title if title == metric => figure(trial),
                _ if cell == "-" => "--".to_owned(),
                _ => escaped(cell),
            };
            if best == Some(trial.number) {
                *cell = format!("\\textbf{{{cell}}}");
            }
        }
    }
    let header: Vec<String> = ranking
        .header()
        .iter()
        .map(|title| escaped(title))
        .collect();
    let columns = ranking.columns.iter();
    let columns = columns.map(|column| if column.is_number { 'r' } else { 'l' });
    Tabular {
        name: &report.pipeline,
        caption: Some(caption(report, shown, &ranking)),
        columns: columns.collect(),
        header: latex::line(&header),
        rows: ranking.rows(),
        notes: importance(report).iter().map(|line| note(line)).collect(),
    }
    .render()
}

/// A line of the importance without the spaces that align it.
fn note(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    escaped(&words.join(" "))
}

fn caption(report: &SweepReport, shown: &[&Trial], ranking: &Ranking) -> String {
    let which = match report.trials.len() {
        all if all == shown.len() => format!("All {all} trials"),
        all => format!("The best {} of {all} trials", shown.len()),
    };
    let mut caption = format!(
        "{which} of the sweep {}{}.",
        escaped(&report.pipeline),
        escaped(&report.order())
    );
    let seeds = shown.iter().map(|trial| trial.seeds.len()).max();
    if shown.iter().any(|trial| trial.deviation.is_some()) {
        let folds = shown.iter().filter_map(|trial| trial.folds).max();
        caption += &match (seeds.unwrap_or(0), folds) {
            (0, Some(folds)) => format!(" Mean $\\pm$ standard deviation over {folds} folds."),
            (seeds, folds) => {
                let folds = folds.map_or(String::new(), |folds| {
                    format!(" of means over {folds} folds")
                });
                format!(
                    " Mean $\\pm$ standard deviation of {seeds} seeds{folds}, with the 95\\,\\% interval over seeds."
                )
            }
        };
    }
    if !ranking.constant.is_empty() {
        caption += &format!(" In all trials: {}.", escaped(&ranking.constant.join(", ")));
    }
    caption
}

/// `0.9312 $\pm$ 0.0080 [0.9130, 0.9490]`. The digits are outside of formulas, so that they can be bold.
fn figure(trial: &Trial) -> String {
    let text = shortened::objective(trial, true, true);
    if text == "-" {
        return "--".to_owned();
    }
    number(&escaped(&text))
}
