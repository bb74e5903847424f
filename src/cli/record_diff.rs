//! Renders the differences between two records as text and as JSON.

use engine::explain::Found;
use engine::wording;
use serde_json::{Value, json};
use store::keys::Key;
use store::{ActionRecord, Store};

pub(super) fn text(store: &Store, a: &ActionRecord, b: &ActionRecord, found: &[Found]) -> String {
    let head = |record: &ActionRecord| {
        format!(
            "{}  {}, {}, {}",
            record.action_key.short(),
            record.fingerprint.kind,
            day_and_time(&record.finished),
            wording::duration(record.seconds)
        )
    };
    let mut text = format!("{}\n{}", head(a), head(b));
    if found.is_empty() {
        text.push_str("\nno difference in their fingerprints");
    }
    for found in found {
        let change = &found.change;
        text.push_str(&format!("\n  {change}"));
        if found.path.len() > 1 {
            let way: Vec<String> = found
                .path
                .iter()
                .rev()
                .map(|key| label(store, key))
                .collect();
            text.push_str(&format!("\n    in {}", way.join(" → ")));
        }
    }
    for (port, same) in ports(a, b) {
        let content = if same { "same" } else { "different" };
        text.push_str(&format!("\noutput `{port}`: {content}"));
    }
    text
}

pub(super) fn object(store: &Store, a: &ActionRecord, b: &ActionRecord, found: &[Found]) -> Value {
    let side = |record: &ActionRecord| {
        json!({
            "key": record.action_key,
            "kind": record.fingerprint.kind,
            "finished": record.finished,
            "seconds": record.seconds,
        })
    };
    let changes = found.iter().map(|found| {
        let way: Vec<String> = found.path.iter().map(|key| label(store, key)).collect();
        json!({ "change": found.change.to_string(), "way": way, "key": found.path.last() })
    });
    let outputs = ports(a, b).map(|(port, same)| json!({ "port": port, "same": same }));
    json!({
        "a": side(a),
        "b": side(b),
        "changes": changes.collect::<Vec<_>>(),
        "outputs": outputs.collect::<Vec<_>>(),
    })
}

/// The output ports that both records have, and whether their contents are the same.
fn ports<'a>(a: &'a ActionRecord, b: &'a ActionRecord) -> impl Iterator<Item = (&'a String, bool)> {
    let outputs = a.outputs.iter();
    outputs.filter_map(|(port, tree)| Some((port, b.outputs.get(port)? == tree)))
}

/// `2026-11-24 09:13:58 UTC`, for a time in RFC 3339.
pub(super) fn day_and_time(time: &str) -> String {
    match time.get(..19) {
        Some(start) if time.ends_with('Z') => format!("{} UTC", start.replace('T', " ")),
        _ => time.to_owned(),
    }
}

/// `train-cnn 1f0c9a2b77d0`.
fn label(store: &Store, key: &Key) -> String {
    let kind = store.recall(key).map(|record| record.fingerprint.kind);
    let kind = kind.unwrap_or_else(|| "(no record)".to_owned());
    format!("{kind} {}", key.short())
}
