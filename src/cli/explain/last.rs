//! Renders why a stage ran when it was last executed.

use engine::explain::{LastExecution, PastCause};
use engine::plan::Change;
use serde_json::{Value, json};

use crate::cli::record_text::when;

/// `ran last in run 20261123-081500-0042 (2026-11-23 08:15:00Z, succeeded), because`, and the causes.
pub(super) fn text(last: &LastExecution) -> String {
    let LastExecution {
        run,
        started,
        status,
        reason,
        is_first,
        causes,
    } = last;
    let mut text = format!(
        "\n  ran last in run {run} ({}, {status}), because",
        when(started)
    );
    if causes.is_empty() {
        let reason = reason.as_deref().unwrap_or("(the reason was not recorded)");
        text += &format!("\n    {reason}");
        // A stage that waits for others does not know by itself whether it ran before.
        if *is_first && reason.starts_with("after ") {
            text += " (first run)";
        }
    }
    for cause in causes {
        text += &format!("\n    {}", cause_text(cause));
        if cause.way.len() > 1 {
            text += &format!("\n      {}", cause.way.join(" → "));
        }
    }
    text
}

fn cause_text(PastCause { way, change }: &PastCause) -> String {
    let stage = way.first().map_or("", String::as_str);
    match change {
        Change::Param(_) => format!("{stage}.{change}"),
        _ => format!("{stage}: {change}"),
    }
}

pub(super) fn object(last: Option<&LastExecution>) -> Value {
    let Some(last) = last else {
        return Value::Null;
    };
    let causes = last.causes.iter().map(|cause| {
        json!({
            "stage": cause.way.first(),
            "cause": cause.change.to_string(),
            "way": cause.way,
        })
    });
    json!({
        "run": last.run,
        "started": last.started,
        "outcome": last.status,
        "reason": last.reason,
        "causes": causes.collect::<Vec<Value>>(),
    })
}
