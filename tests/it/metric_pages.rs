//! The pages about metrics list the declared ones: docs/metrics.md and `runner kinds`.

use std::fs;

use contract::{Direction, MetricInfo};
use serde_json::Value;

use crate::sandbox::Sandbox;

/// Returns the row of docs/metrics.md for a metric.
fn row(info: &MetricInfo) -> String {
    let better = match info.direction {
        Some(Direction::Maximize) => "higher",
        Some(Direction::Minimize) => "lower",
        None => "neutral",
    };
    let [least, most] = info.range;
    let range = match (least.is_finite(), most.is_finite()) {
        (_, true) => format!("{least} to {most}"),
        (true, false) => format!("at least {least}"),
        (false, false) => "any number".to_owned(),
    };
    let name = match info.per_class {
        true => format!("`{0}`, `{0}[CLASS]`", info.name),
        false => format!("`{}`", info.name),
    };
    format!("| {name} | {} | {better} | {range} |", info.doc)
}

#[test]
fn the_page_of_metrics_lists_all_declared_ones() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
    let rows: Vec<&str> = page
        .lines()
        // Tables of metrics have four columns, and others fewer.
        .filter(|line| line.starts_with("| `") && line.matches(" | ").count() == 3)
        .collect();
    let outputs = stages::kinds().iter().flat_map(|kind| kind.outputs);
    let mut declared: Vec<String> = Vec::new();
    for info in outputs.flat_map(|output| output.metrics) {
        let row = row(info);
        if !declared.contains(&row) {
            declared.push(row);
        }
    }
    let missing: Vec<&String> = declared
        .iter()
        .filter(|row| !rows.contains(&row.as_str()))
        .collect();
    let stale: Vec<&&str> = rows
        .iter()
        .filter(|row| !declared.iter().any(|one| one == *row))
        .collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "missing: {missing:#?}, stale: {stale:#?}"
    );
}

#[test]
fn the_page_of_a_kind_lists_its_metrics() {
    let sandbox = Sandbox::new("");
    let page = sandbox.runner(&["kinds", "evaluate"]).stdout;
    assert!(page.contains("- accuracy: share of images that are classified correctly; higher is"));
    let json = sandbox.runner(&["kinds", "train-cnn", "--json"]).json();
    let metrics = json["outputs"][1]["metrics"].as_array().unwrap();
    let epochs = metrics
        .iter()
        .find(|metric| metric["name"] == "epochs")
        .unwrap();
    assert_eq!(
        (&epochs["direction"], &epochs["unit"]),
        (&Value::Null, &"epochs".into())
    );
    assert_eq!(epochs["range"], serde_json::json!([1.0, null]));
}
