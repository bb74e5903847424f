//! Metrics of a run: a summary after the run, and a list of all of them.

mod changes;
mod group;
mod list;
mod summary;
#[cfg(test)]
mod tests;

use contract::one_line;
use engine::run::run_metrics::{Measured, Pooled};
use engine::wording;

pub use self::changes::{Before, changes};
pub use self::group::{HeadlineGroup, MOST_COLUMNS, headline_groups};
pub use self::list::{csv, json, text};
pub use self::summary::{MOST_ROWS, summary};

/// The metrics to show: the first ones of all that measure something, or those of trainings if there are no others.
fn chosen<'a>(all: &'a Pooled<'a>) -> Vec<&'a Measured<'a>> {
    let headline = all.iter().filter(|one| one.headline.is_some());
    let (secondary, primary): (Vec<_>, Vec<_>) = headline.partition(|one| one.is_secondary);
    match primary.is_empty() {
        true => secondary,
        false => primary,
    }
}

/// `0.918 ± 0.012`, or `undefined`.
fn figure(measured: &Measured<'_>) -> String {
    let Some(mean) = measured.mean() else {
        return "undefined".to_owned();
    };
    // The mean of whole numbers may have decimals.
    if measured.is_count() && mean.fract() == 0.0 && measured.defined() < 2 {
        return format!("{}", mean + 0.0);
    }
    let deviation = measured.deviation();
    let deviation = deviation.map(|sd| format!(" ± {}", wording::measured(sd)));
    wording::measured(mean) + &deviation.unwrap_or_default()
}

/// `+0.013`; with an exponent if three decimals would show no change.
fn signed(difference: f64) -> String {
    let sign = if difference > 0.0 { "+" } else { "" };
    format!("{sign}{}", wording::measured(difference))
}

/// `[0.89, 0.94]`
fn interval([low, high]: [f64; 2]) -> String {
    let end = |end: f64| match end == 0.0 || (5e-3..1e6).contains(&end.abs()) {
        true => format!("{end:.2}"),
        false => wording::measured(end),
    };
    format!("[{}, {}]", end(low), end(high))
}

/// A name as text that stays on its line.
fn name(text: &str) -> String {
    one_line(text).into_owned()
}
