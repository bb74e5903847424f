//! Reports about a sweep: its trials, ranked, as tables and figures.
//!
//! A [`SweepReport`] holds everything that is shown; the caller fills it in. [`render`] ranks the trials
//! and writes them, and [`figures`] draws them. This module reads no store and knows nothing of runs.

mod delimited;
pub mod figures;
mod json;
mod latex;
mod shortened;
#[cfg(test)]
mod tests;
mod text;

pub use self::text::in_words;
use engine::sweep::ranked;
use engine::sweep::record::SweepReport;

use crate::report::format::Format;

/// Renders the trials of a sweep, best first, at most `limit` of them. `width` is that of the terminal, in columns;
/// `None` if there is none. Parameters that do not fit are named below the table. The text ends with a line feed.
pub fn render(
    report: &SweepReport,
    limit: Option<usize>,
    format: Format,
    width: Option<usize>,
) -> String {
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
