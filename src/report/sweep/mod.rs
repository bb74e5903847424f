//! What became of a sweep: its trials, ranked, as tables and figures.
//!
//! A [`SweepReport`] holds all that is told; whoever ran the sweep fills it in. [`render`] ranks the
//! trials and writes them, [`figures`] draws them. Nothing here reads a store or knows a run.

mod delimited;
pub mod figures;
mod json;
mod latex;
mod shortened;
#[cfg(test)]
mod tests;
mod text;

use engine::sweep::ranked;
use engine::sweep::record::SweepReport;

use crate::report::table::Format;

/// Writes the trials of a sweep, best first, the first `limit` of them. `width` is how many columns a
/// terminal has; parameters that do not fit are told below the table. The text ends with a line feed.
pub fn render(report: &SweepReport, limit: Option<usize>, format: Format, width: usize) -> String {
    let trials = ranked(report);
    let shown = &trials[..trials.len().min(limit.unwrap_or(usize::MAX))];
    match format {
        Format::Terminal => text::terminal(report, shown, width),
        Format::Markdown => text::markdown(report, shown),
        Format::Csv => delimited::csv(report, shown),
        Format::Json => json::json(report, shown),
        Format::Latex => latex::latex(report, shown),
    }
}
