//! Rankings as JSON.

use serde_json::{Value, json};

use engine::sweep::record::{SweepReport, Trial};

/// The report as one JSON object with the ranked trials in `shown`, the number of the best trial and the count
/// of all trials. The object can be read as a [`SweepReport`] again.
pub(super) fn json(report: &SweepReport, shown: &[&Trial]) -> String {
    let whole = SweepReport {
        trials: shown.iter().map(|&trial| trial.clone()).collect(),
        ..report.clone()
    };
    let mut object = json!(whole);
    if let Value::Object(fields) = &mut object {
        let best = report.best().map(|trial| trial.number);
        fields.insert("best".to_owned(), json!(best));
        fields.insert("trials_in_all".to_owned(), json!(report.trials.len()));
    }
    format!("{object:#}\n")
}
