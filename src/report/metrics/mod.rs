//! Metrics of a run: a summary after the run, and a list of all of them.

mod list;
mod summary;
#[cfg(test)]
mod tests;

use contract::one_line;
use engine::run::run_metrics::Measured;
use engine::wording;

pub use self::list::{csv, json, text};
pub use self::summary::{Change, MOST_ROWS, changes, changes_in_words, summary};

/// `0.918 ± 0.012`, or `undefined`.
fn figure(measured: &Measured<'_>) -> String {
    let Some(mean) = measured.mean() else {
        return "undefined".to_owned();
    };
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
