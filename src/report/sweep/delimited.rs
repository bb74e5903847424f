//! Rankings as CSV.

use engine::sweep::record::{SweepReport, Trial};
use serde_json::Value;

use crate::report::csv;

/// Comma-separated values: a line per trial, with its parameters under their full names, then objective,
/// epochs, seconds and error. Missing values are empty; lists and maps are JSON.
pub(super) fn csv(report: &SweepReport, shown: &[&Trial]) -> String {
    let mut header = vec!["rank".to_owned(), "trial".to_owned(), "state".to_owned()];
    header.extend(report.axes.iter().map(|axis| axis.name.clone()));
    let metric = report.metric();
    header.extend([metric.to_owned(), format!("{metric} sd")]);
    header.extend(["low", "high"].map(|end| format!("{metric} {end}")));
    let mut seeds: Vec<u64> = shown
        .iter()
        .flat_map(|trial| trial.seeds.iter().map(|seed| seed.seed))
        .collect();
    seeds.sort_unstable();
    seeds.dedup();
    header.extend(seeds.iter().map(|seed| format!("{metric} seed {seed}")));
    header.extend(["epochs", "max epochs", "seconds", "error"].map(str::to_owned));

    let mut text = csv::line(&header);
    for (index, trial) in shown.iter().enumerate() {
        let mut fields = vec![
            (index + 1).to_string(),
            trial.number.to_string(),
            trial.state.to_string(),
        ];
        let value = |label: &str| match (trial.spellings.get(label), trial.values.get(label)) {
            (Some(spelling), _) | (None, Some(Value::String(spelling))) => spelling.clone(),
            (None, None) => String::new(),
            (None, Some(other)) => other.to_string(),
        };
        fields.extend(report.axes.iter().map(|axis| value(&axis.label)));
        let number = |number: Option<f64>| {
            let finite = number.filter(|number| number.is_finite());
            finite.map_or(String::new(), |number| number.to_string())
        };
        let [low, high] = trial.interval.map_or([None; 2], |ends| ends.map(Some));
        fields.extend([trial.objective, trial.deviation, low, high].map(number));
        fields.extend(seeds.iter().map(|seed| {
            let of_seed = trial.seeds.iter().find(|known| known.seed == *seed);
            number(of_seed.and_then(|known| known.value))
        }));
        let count = |count: Option<u64>| count.map_or(String::new(), |count| count.to_string());
        fields.extend([trial.epochs, trial.max_epochs].map(count));
        fields.push(trial.seconds.to_string());
        fields.push(trial.error.clone().unwrap_or_default());
        text += &csv::line(&fields);
    }
    text
}
