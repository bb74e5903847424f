//! Warnings about results that cannot be meaningful.

mod before_the_run;
mod of_results;

use serde_json::Value;

/// Returns the messages of warnings in JSON output.
fn messages(warnings: &Value) -> Vec<String> {
    let warnings = warnings.as_array().unwrap().iter();
    let message = |warning: &Value| match warning {
        Value::String(message) => message.clone(),
        diagnostic => diagnostic["message"].as_str().unwrap().to_owned(),
    };
    warnings.map(message).collect()
}
