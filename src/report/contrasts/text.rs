//! Contrasts as text for the terminal and as Markdown.

use contract::Direction;
use contract::analysis::{CorrectedContrast, Over};
use engine::run::contrasts::ColumnContrasts;

use crate::report::columns::aligned;

/// Renders a block for each column, to print below a table. Each begins with an empty line.
pub fn terminal(columns: &[ColumnContrasts]) -> String {
    let block = |contrasts: &ColumnContrasts| {
        let mut text = format!("\n{}\n", heading(contrasts));
        if contrasts.found().next().is_some() {
            let rows: Vec<[String; 7]> = rows(contrasts);
            text += &if contrasts.has_mcnemar() {
                aligned(&rows, 1)
            } else {
                let fewer = rows.into_iter().map(|[a, b, c, d, e, ..]| [a, b, c, d, e]);
                aligned(&fewer.collect::<Vec<_>>(), 1)
            };
        }
        for (row, why) in other_reasons(contrasts) {
            text += &format!("{row}: {why}\n");
        }
        text
    };
    columns.iter().map(block).collect()
}

/// Like [`terminal`], as Markdown.
pub fn markdown(columns: &[ColumnContrasts]) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let block = |contrasts: &ColumnContrasts| {
        let mut text = format!("\n{}\n", heading(contrasts));
        if contrasts.found().next().is_some() {
            text.push('\n');
            let shown = if contrasts.has_mcnemar() { 7 } else { 5 };
            for (index, row) in rows(contrasts).iter().enumerate() {
                text += &line(&row[..shown]);
                if index == 0 {
                    text += &line(&vec!["---".to_owned(); shown]);
                }
            }
        }
        for (index, (row, why)) in other_reasons(contrasts).into_iter().enumerate() {
            // Without the empty line, Markdown would read this as a row of the table.
            let gap = if index == 0 { "\n" } else { "" };
            text += &format!("{gap}- {row}: {why}\n");
        }
        text
    };
    columns.iter().map(block).collect()
}

/// A heading such as `f1-score: difference from model3 (the best) on the same 400 images; paired bootstrap,
/// 10000 resamples`, and a line about the intervals and p-values.
pub(super) fn heading(contrasts: &ColumnContrasts) -> String {
    let ColumnContrasts {
        column, against, ..
    } = contrasts;
    let best = match (contrasts.is_best, contrasts.direction) {
        (true, Direction::Maximize) => " (the best)",
        (true, Direction::Minimize) => " (the best, lowest value)",
        (false, _) => "",
    };
    let mut text = format!("{column}: difference from {against}{best}");
    if let Some((_, CorrectedContrast { contrast, .. })) = contrasts.found().next() {
        let (images, seeds) = (contrast.images, contrast.seeds);
        text += &match (seeds, contrast.shares_images) {
            (1, _) => format!(" on the same {images} images"),
            (_, true) => format!(" on the same {images} images with {seeds} seeds"),
            (_, false) => {
                format!(" with {seeds} seeds, each with its own images (first: {images})")
            }
        };
        let resamples = contrasts.resamples;
        text += &format!("; paired bootstrap, {resamples} resamples\n");
        text += &scope(contrasts, contrast.over);
    } else if let Some(why) = only_reason(contrasts) {
        text += &format!(" not computed: {why}");
    }
    text
}

/// States what intervals and p-values cover, and the number of pairs that p-values are corrected for.
fn scope(contrasts: &ColumnContrasts, over: Over) -> String {
    let covered = match over {
        Over::SeedsAndImages | Over::SeedsAndGroups => format!("{over}"),
        Over::Images | Over::Groups | Over::Seeds | Over::Reported => {
            format!("{over} only, not of seeds")
        }
    };
    let all = if contrasts.is_best { "all " } else { "" };
    let pairs = match contrasts.pairs {
        1 => "1 pair of rows".to_owned(),
        pairs => format!("{all}{pairs} pairs of rows"),
    };
    format!("intervals and p cover the choice of {covered}; p (Holm) is corrected for {pairs}")
}

/// The reason why no row was compared, if it is the same for all of them.
fn only_reason(contrasts: &ColumnContrasts) -> Option<&str> {
    let mut reasons = missing(contrasts).map(|(_, why)| why);
    let first = reasons.next()?;
    let is_only =
        missing(contrasts).count() == contrasts.rows.len() && reasons.all(|why| why == first);
    is_only.then_some(first)
}

/// Rows that were not compared, with the reason. Empty if the heading already contains the reason.
pub(super) fn other_reasons(contrasts: &ColumnContrasts) -> Vec<(&str, &str)> {
    match only_reason(contrasts) {
        Some(_) => Vec::new(),
        None => missing(contrasts).collect(),
    }
}

/// The header and a line for each row that was compared.
pub(super) fn rows(contrasts: &ColumnContrasts) -> Vec<[String; 7]> {
    let head = [
        "",
        "difference",
        "95 % interval",
        "p",
        "p (Holm)",
        "McNemar's p",
        "(Holm)",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(contrasts.found().map(|(row, compared)| {
        let difference = &compared.contrast.difference;
        let [low, high] = difference.interval;
        let mcnemar = compared.contrast.mcnemar.as_ref();
        [
            row.to_owned(),
            signed(difference.value),
            format!("[{}, {}]", signed(low), signed(high)),
            p_value(difference.p),
            p_value(compared.p_holm),
            mcnemar.map_or(String::new(), |test| p_value(test.p)),
            compared.mcnemar_p_holm.map_or(String::new(), p_value),
        ]
    }));
    rows
}

fn missing(contrasts: &ColumnContrasts) -> impl Iterator<Item = (&str, &str)> {
    let rows = contrasts.rows.iter();
    rows.filter_map(|(row, found)| Some((row.as_str(), found.as_ref().err()?.as_str())))
}

/// Three decimals and a sign, or `0.000` if the difference rounds to 0.
fn signed(difference: f64) -> String {
    if difference.abs() < 0.0005 {
        "0.000".to_owned()
    } else {
        format!("{difference:+.3}")
    }
}

/// Three decimals, or `<0.001` if the value would round to 0.
fn p_value(p: f64) -> String {
    if p < 0.0005 {
        "<0.001".to_owned()
    } else {
        format!("{p:.3}")
    }
}
