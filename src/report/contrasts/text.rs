//! Contrasts as text for the terminal, as Markdown and as LaTeX.

use contract::analysis::{CorrectedContrast, Over};
use contract::{Direction, one_line};
use engine::run::contrasts::ColumnContrasts;

use crate::report::columns::{fitted, sentence};
use crate::report::latex::{self, Tabular};
use crate::report::markdown as md;

/// Renders a block for each column, to print below a table on a terminal of `width` columns. Each begins with an empty
/// line.
pub fn terminal(columns: &[ColumnContrasts], width: Option<usize>) -> String {
    let block = |contrasts: &ColumnContrasts| {
        let line = |line: &String| sentence(line, width);
        let heading: String = heading(contrasts).iter().map(line).collect();
        let mut text = format!("\n{heading}");
        if let Some((header, rows)) = rows(contrasts).split_first() {
            let numbers: Vec<usize> = (1..header.len()).collect();
            text += &fitted(header, rows, &numbers, width);
        }
        for reason in other_reasons(contrasts) {
            text += &sentence(&reason, width);
        }
        text
    };
    columns.iter().map(block).collect()
}

/// Like [`terminal`], as Markdown.
pub fn markdown(columns: &[ColumnContrasts]) -> String {
    let block = |contrasts: &ColumnContrasts| {
        let heading = heading(contrasts).join("\n");
        let lines: Vec<String> = heading.lines().map(md::escaped).collect();
        let mut text = format!("\n{}\n", lines.join("\n"));
        if let Some((header, rows)) = rows(contrasts).split_first() {
            text += &format!("\n{}", md::table(header, rows));
        }
        for (index, reason) in other_reasons(contrasts).iter().enumerate() {
            // Without the empty line, Markdown would read this as a row of the table.
            let gap = if index == 0 { "\n" } else { "" };
            text += &format!("{gap}- {}\n", md::escaped(reason));
        }
        text
    };
    columns.iter().map(block).collect()
}

/// Renders a LaTeX table for each column. Its label is that of the table `name` and the position of the column:
/// `tab:NAME-difference-1`.
pub fn latex(columns: &[ColumnContrasts], name: &str) -> String {
    let escaped =
        |row: &[String]| -> Vec<String> { row.iter().map(|cell| latex::escaped(cell)).collect() };
    let number = |row: &[String]| -> Vec<String> {
        let cells = escaped(row).into_iter().enumerate();
        cells
            .map(|(place, cell)| match place {
                0 => cell,
                _ => latex::number(&cell),
            })
            .collect()
    };
    let table = |(place, contrasts): (usize, &ColumnContrasts)| {
        let mut heading = escaped(&heading(contrasts)).into_iter();
        let caption = heading.next();
        let rows = rows(contrasts);
        let (header, rows) = rows.split_first()?;
        let tabular = Tabular {
            name: &format!("{name}-difference-{}", place + 1),
            caption,
            columns: format!("l{}", "r".repeat(header.len() - 1)),
            header: latex::line(&escaped(header)),
            rows: rows.iter().map(|row| number(row)).collect(),
            notes: heading.chain(escaped(&other_reasons(contrasts))).collect(),
        };
        Some(format!("\n{}", tabular.render()))
    };
    columns.iter().enumerate().filter_map(table).collect()
}

/// A heading such as `f1-score: difference from model3 (the best) on the same 400 images; paired bootstrap,
/// 10000 resamples`, and a line about the intervals and p-values.
pub(super) fn heading(contrasts: &ColumnContrasts) -> Vec<String> {
    let best = match (contrasts.is_best, contrasts.direction) {
        (true, Direction::Maximize) => " (the best)",
        (true, Direction::Minimize) => " (the best, lowest value)",
        (false, _) => "",
    };
    let [column, against] = [&contrasts.column, &contrasts.against].map(|name| one_line(name));
    let start = format!("{column}: difference from {against}{best}");
    let Some((_, CorrectedContrast { contrast, .. })) = contrasts.found().next() else {
        let why = only_reason(contrasts);
        return vec![why.map_or(start.clone(), |why| {
            format!("{start} not computed: {}", one_line(why))
        })];
    };
    let (images, seeds) = (contrast.images, contrast.seeds);
    let tested = match (seeds, contrast.shares_images) {
        (1, _) if contrasts.pools_folds => {
            format!("on the same {images} images of all folds")
        }
        (1, _) => format!("on the same {images} images"),
        (_, true) => format!("on the same {images} images with {seeds} seeds"),
        (_, false) => format!("with {seeds} seeds, each with its own images (first: {images})"),
    };
    let resamples = contrasts.resamples;
    vec![
        format!("{start} {tested}; paired bootstrap, {resamples} resamples"),
        scope(contrasts, contrast.over),
    ]
}

/// States what intervals and p-values cover, and the number of pairs that p-values are corrected for.
fn scope(contrasts: &ColumnContrasts, over: Over) -> String {
    let folds = match contrasts.pools_folds {
        true => " or folds",
        false => "",
    };
    let covered = match over {
        Over::SeedsAndImages | Over::SeedsAndGroups => format!("{over}"),
        Over::Images | Over::Groups | Over::Seeds | Over::Reported => {
            format!("{over} only, not of seeds{folds}")
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

/// `model2: the test images differ` for each row that was not compared. Empty if the heading contains the reason.
pub(super) fn other_reasons(contrasts: &ColumnContrasts) -> Vec<String> {
    let reason = |(row, why): (&str, &str)| format!("{}: {}", one_line(row), one_line(why));
    match only_reason(contrasts) {
        Some(_) => Vec::new(),
        None => missing(contrasts).map(reason).collect(),
    }
}

/// The header and a line for each row that was compared; empty if none was.
pub(super) fn rows(contrasts: &ColumnContrasts) -> Vec<Vec<String>> {
    if contrasts.found().next().is_none() {
        return Vec::new();
    }
    let head = [
        "",
        "difference",
        "95 % interval",
        "p",
        "p (Holm)",
        "McNemar's p",
        "(Holm)",
        "DeLong's p",
        "(Holm)",
    ];
    let row = |(row, compared): (&str, &CorrectedContrast)| {
        let difference = &compared.contrast.difference;
        let [low, high] = difference.interval;
        let mcnemar = compared.contrast.mcnemar.as_ref();
        let delong = compared.contrast.delong.as_ref();
        [
            one_line(row).into_owned(),
            signed(difference.value),
            format!("[{}, {}]", signed(low), signed(high)),
            p_value(difference.p),
            p_value(compared.p_holm),
            mcnemar.map_or(String::new(), |test| p_value(test.p)),
            compared.mcnemar_p_holm.map_or(String::new(), p_value),
            delong.map_or(String::new(), |test| p_value(test.p)),
            compared.delong_p_holm.map_or(String::new(), p_value),
        ]
    };
    let is_shown = |column: usize| match column {
        5 | 6 => contrasts.has_mcnemar(),
        7 | 8 => contrasts.has_delong(),
        _ => true,
    };
    let all = std::iter::once(head.map(str::to_owned)).chain(contrasts.found().map(row));
    all.map(|row| {
        let cells = row.into_iter().enumerate();
        let shown = cells.filter(|(column, _)| is_shown(*column));
        shown.map(|(_, cell)| cell).collect()
    })
    .collect()
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
