//! Formats numbers, times and states for display.

use contract::{Measurement, Progress};

use crate::event::{BestTrial, StageReport, TrialResult};
use crate::scheduler::{Counts, Outcome};

/// `0.4 s`, `12.3 s`, `4 min 05 s`, `1 h 02 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match whole {
        // 59.96 would round to `60.0 s`.
        0..60 if seconds < 59.95 => format!("{seconds:.1} s"),
        0..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// An estimated time within a sentence: `about 42 min`, `under 1 s`.
pub fn about_in_words(seconds: f64) -> String {
    let time = about(seconds);
    let word = if time.starts_with("under") {
        ""
    } else {
        "about "
    };
    format!("{word}{time}")
}

/// An estimated time: `under 1 s`, `42 s`, `42 min`, `3 h 20 min`, `4 days`.
pub fn about(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    let minutes = (seconds / 60.0).round().max(0.0) as u64;
    match minutes {
        _ if seconds < 0.95 => "under 1 s".to_owned(),
        _ if whole < 90 => format!("{whole} s"),
        0..90 => format!("{minutes} min"),
        90..2880 => format!("{} h {:02} min", minutes / 60, minutes % 60),
        _ => format!("{} days", (minutes + 720) / 1440),
    }
}

/// A number in a few digits: `412`, `0.3120`, `1.2e-5`.
pub fn figure(value: f64) -> String {
    let magnitude = value.abs();
    match magnitude {
        _ if value == 0.0 => "0".to_owned(),
        _ if magnitude < 1e-3 => format!("{value:.1e}"),
        _ if magnitude < 10.0 => format!("{value:.4}"),
        _ if magnitude < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A measured value with three decimals: `0.918`. Values of a million and more, and values that would be shown as zero
/// although they are not, have an exponent: `1.000e300`.
pub fn measured(value: f64) -> String {
    let magnitude = value.abs();
    match value == 0.0 || (5e-4..1e6).contains(&magnitude) || !value.is_finite() {
        // The sum turns -0 into 0.
        true => format!("{:.3}", value + 0.0),
        false => format!("{value:.3e}"),
    }
}

/// The shortest text that reads as the same number: `0.05`, `1e300`.
pub fn exact(value: f64) -> String {
    let magnitude = value.abs();
    match value == 0.0 || (1e-6..1e16).contains(&magnitude) || !value.is_finite() {
        true => value.to_string(),
        false => format!("{value:e}"),
    }
}

/// `epoch 3/6, loss 0.3120, 412 images/s`.
pub fn progress(progress: &Progress) -> String {
    let mut text = format!(
        "{} {}/{}",
        progress.unit,
        // The epoch that is under way, not the last one finished.
        progress.done.ceil(),
        progress.total
    );
    for (name, value) in &progress.figures {
        text.push_str(", ");
        // Rates read better with the unit after the number.
        if name.ends_with("/s") {
            text.push_str(&format!("{} {name}", figure(*value)));
        } else {
            text.push_str(&format!("{name} {}", figure(*value)));
        }
    }
    text
}

/// `after epoch 3: validation_loss 0.3120, validation_accuracy 0.9125`. `unit` is that of the progress.
pub fn measurement(unit: &str, measurement: &Measurement) -> String {
    let figures = measurement.figures.iter();
    let figures: Vec<String> = figures
        .map(|(name, value)| format!("{name} {}", figure(*value)))
        .collect();
    format!("after {unit} {}: {}", measurement.done, figures.join(", "))
}

/// Estimates the seconds left. `elapsed` seconds ago, progress was at `start` (in the units of `progress`), and
/// the rate since then is assumed to continue. `None` if nothing was done since.
pub fn seconds_left(progress: &Progress, start: f64, elapsed: f64) -> Option<f64> {
    let done = progress.done - start;
    let left = elapsed * (progress.total - progress.done) / done;
    (done > 0.0 && left.is_finite() && left >= 0.0).then_some(left)
}

/// `12,345,678`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `3 stages`, `1 stage`.
pub fn stages(count: usize) -> String {
    counted(count, "stage")
}

/// The runs that something waits for: `run A`, `run A or B`; `another run` if they are not known.
pub fn runs(ids: &[impl AsRef<str>]) -> String {
    let ids: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
    match ids.is_empty() {
        true => "another run".to_owned(),
        false => format!("run {}", ids.join(" or ")),
    }
}

/// `3 files`, `1 file`, for words with a regular plural.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `40 stages: 3 ran, 37 cached; 12.3 s`.
pub fn summary(counts: &Counts, seconds: f64) -> String {
    format!(
        "{}: {}; {}",
        stages(counts.total()),
        self::counts(counts),
        duration(seconds)
    )
}

/// `3 ran, 37 cached`; `none` if all counts are 0.
pub fn counts(counts: &Counts) -> String {
    let parts = [
        (counts.succeeded, "ran"),
        (counts.cached, "cached"),
        (counts.failed, "failed"),
        (counts.skipped, "skipped"),
        (counts.cancelled, "cancelled"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|&&(count, _)| count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if parts.is_empty() {
        return "none".to_owned();
    }
    parts.join(", ")
}

/// The text for the end of a stage: `12.3 s, 210 MiB`, its error, or its outcome if it did not run.
pub fn ending(stage: &StageReport) -> String {
    match (stage.outcome, &stage.error) {
        (Outcome::Failed, Some(error)) => error.clone(),
        (Outcome::Succeeded | Outcome::Failed, _) => {
            let mut text = duration(stage.seconds.unwrap_or_default());
            if let Some(mib) = stage.peak_memory_mib {
                text.push_str(&format!(", {mib:.0} MiB"));
            }
            text
        }
        (outcome, _) => stage.left.clone().unwrap_or_else(|| outcome.to_string()),
    }
}

/// The result of a trial: `done, 0.9312`, `failed: cnn: …`.
pub fn trial_result(result: &TrialResult) -> String {
    match result {
        TrialResult::Finished {
            objective: Some(value),
        } => format!("done, {}", figure(*value)),
        TrialResult::Finished { objective: None } => "done".to_owned(),
        TrialResult::Reached { epochs, value } => {
            format!("{value:.4} after {}", counted(*epochs as usize, "epoch"))
        }
        TrialResult::Failed { error } => format!("failed: {error}"),
    }
}

/// The best trial so far: `best is 7 (zoom=0.1): 0.9312`.
pub fn best(best: &BestTrial) -> String {
    let BestTrial { trial, values, .. } = best;
    let objective = best.objective.map(|value| format!(": {}", figure(value)));
    format!(
        "best is {trial} ({values}){}",
        objective.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use contract::{Measurement, Progress};

    use super::{Counts, about, duration, measurement, progress, seconds_left, summary};

    #[test]
    fn durations_read_well_at_every_scale() {
        assert_eq!(duration(0.04), "0.0 s");
        assert_eq!(duration(12.34), "12.3 s");
        assert_eq!(duration(59.97), "1 min 00 s");
        assert_eq!(duration(245.2), "4 min 05 s");
        assert_eq!(duration(3720.0), "1 h 02 min");
    }

    #[test]
    fn estimates_are_rounded() {
        let texts = [0.2, 4.6, 89.0, 95.0, 2520.0, 12_000.0, 400_000.0].map(about);
        let expected = [
            "under 1 s",
            "5 s",
            "89 s",
            "2 min",
            "42 min",
            "3 h 20 min",
            "5 days",
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_summary_names_only_what_happened() {
        let counts = Counts {
            cached: 37,
            succeeded: 3,
            ..Counts::default()
        };
        assert_eq!(
            summary(&counts, 12.3),
            "40 stages: 3 ran, 37 cached; 12.3 s"
        );
        let counts = Counts {
            failed: 1,
            ..Counts::default()
        };
        assert_eq!(summary(&counts, 1.0), "1 stage: 1 failed; 1.0 s");
    }

    #[test]
    fn progress_shows_its_unit_and_figures_and_the_time_left_follows_from_the_rate() {
        let half = Progress {
            unit: "epoch".to_owned(),
            done: 3.5,
            total: 7.0,
            figures: vec![("loss".to_owned(), 0.312), ("images/s".to_owned(), 412.3)],
            measurement: None,
        };
        assert_eq!(progress(&half), "epoch 4/7, loss 0.3120, 412 images/s");
        assert_eq!(seconds_left(&half, 0.0, 10.0), Some(10.0));
        // Resumed after the third of seven units: half a unit took ten seconds.
        assert_eq!(seconds_left(&half, 3.0, 10.0), Some(70.0));
        assert_eq!(
            seconds_left(&Progress { done: 0.0, ..half }, 0.0, 10.0),
            None
        );
    }
    #[test]
    fn a_measurement_says_after_which_unit_it_was_made() {
        let measured = Measurement {
            done: 3.0,
            figures: vec![
                ("validation_loss".to_owned(), 0.312),
                ("validation_accuracy".to_owned(), 0.9),
            ],
        };
        assert_eq!(
            measurement("epoch", &measured),
            "after epoch 3: validation_loss 0.3120, validation_accuracy 0.9000"
        );
    }
}
