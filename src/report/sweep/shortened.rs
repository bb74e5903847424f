//! Formats values and figures in few characters, for display.

use engine::sweep::record::Trial;

pub(super) use pages::shortened::{cut, value};

/// `0.9312`, `0.9312 ± 0.0080`, and with its interval `0.9312 ± 0.0080 [0.9130, 0.9490]`.
pub(super) fn objective(trial: &Trial, deviation: bool, interval: bool) -> String {
    let Some(mean) = trial.objective.filter(|mean| mean.is_finite()) else {
        return "-".to_owned();
    };
    let mut text = figure(mean, mean);
    if let Some(spread) = trial.deviation.filter(|_| deviation) {
        text += &format!(" ± {}", figure(spread, mean));
    }
    if let Some([low, high]) = trial.interval.filter(|_| interval) {
        text += &format!(" [{}, {}]", figure(low, mean), figure(high, mean));
    }
    text
}

/// Formats a number with the decimals that suit the magnitude of `like`.
pub(super) fn figure(number: f64, like: f64) -> String {
    match like.abs() {
        size if size != 0.0 && !(1e-3..1e6).contains(&size) => format!("{number:.2e}"),
        size if size < 10.0 => format!("{number:.4}"),
        size if size < 1000.0 => format!("{number:.2}"),
        _ => format!("{number:.1}"),
    }
}

/// `6/20`, `20`; empty if nothing was trained.
pub(super) fn epochs(trial: &Trial) -> String {
    match (trial.epochs, trial.max_epochs) {
        (Some(epochs), Some(most)) if epochs != most => format!("{epochs}/{most}"),
        (Some(epochs), _) => epochs.to_string(),
        (None, _) => String::new(),
    }
}
