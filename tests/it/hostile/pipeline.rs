//! The pipeline around a hostile stage.

use std::path::Path;

use serde_json::json;

/// Returns the pipeline, which is the same for all programs except for the hostile stage's `argv` and
/// `timeout`. `neighbour` reads the same input while the program runs, `later` reads it afterwards, and
/// `consumer` reads the program's outputs.
pub(super) fn text(hostile: &Path, argv: &[&str], timeout: Option<&str>) -> String {
    let digest = |inputs: serde_json::Value| {
        let roles: Vec<&String> = inputs.as_object().unwrap().keys().collect();
        let mut argv = vec![json!(hostile), json!("digest"), json!("digest")];
        argv.extend(roles.iter().map(|role| json!(role)));
        json!({
            "kind": "command",
            "inputs": inputs,
            "params": { "argv": argv, "outputs": { "digest": "digest" } },
        })
    };
    let mut words = vec![json!(hostile)];
    words.extend(argv.iter().map(|word| json!(word)));
    let mut program = json!({
        "kind": "command",
        "inputs": { "in": "producer.data" },
        "params": {
            "argv": words,
            "outputs": { "result": "result", "made": "made", "nested": "below/nested" },
            "metrics": "metrics.json",
            // If `below` were not ignored, a link in its place would be an undeclared file, and the runner
            // would not look for outputs behind it.
            "ignore": ["ignored", "below"],
        },
    });
    if let Some(timeout) = timeout {
        program["timeout"] = json!(timeout);
    }
    let pipeline = json!({
        "version": 1,
        "name": "p",
        "seed": 3,
        "stages": {
            "producer": {
                "kind": "command",
                "params": { "argv": [hostile, "produce"], "outputs": { "data": "data" } },
            },
            "hostile": program,
            "neighbour": digest(json!({ "in": "producer.data" })),
            "later": digest(json!({ "in": "producer.data", "seen": "neighbour.digest" })),
            "consumer": digest(json!({
                "result": "hostile.result",
                "made": "hostile.made",
                "nested": "hostile.nested",
            })),
        },
    });
    // JSON is valid YAML.
    serde_json::to_string_pretty(&pipeline).unwrap()
}
