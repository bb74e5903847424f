//! The order in which events are reported.

use std::collections::HashSet;

use serde_json::Value;

use super::events;
use crate::sandbox::Sandbox;

/// A stage used to start before its producer was reported as done, whenever the record of the producer was still being
/// flushed.
#[test]
fn a_producer_is_done_before_its_consumer_starts() {
    let mut text = "version: 1\nname: chains\nstages:\n".to_owned();
    // Each stage writes something else, so that none of them is cached.
    let sh = |name: &str| {
        format!(
            "kind: command, params: {{ argv: [sh, -c, \"echo {name} > o\"], outputs: {{ o: o }} }}"
        )
    };
    for chain in ["a", "b"] {
        text += &format!("  {chain}0: {{ {} }}\n", sh(&format!("{chain}0")));
        for index in 1..20 {
            let before = index - 1;
            let own = sh(&format!("{chain}{index}"));
            text += &format!("  {chain}{index}: {{ inputs: {{ i: {chain}{before}.o }}, {own} }}\n");
        }
    }
    let sandbox = Sandbox::new(&text);
    let run = sandbox.runner(&["run", "pipeline.yaml", "-j", "2"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let mut done = HashSet::new();
    let mut starts = 0;
    for line in run.stderr.lines() {
        let Some((stage, what)) = line.split_once(": ") else {
            continue;
        };
        if what.starts_with("done") {
            done.insert(stage);
        } else if let Some(producer) = what.strip_prefix("starts (after ") {
            starts += 1;
            let producer = producer.trim_end_matches(')');
            assert!(done.contains(producer), "{line}: {}", run.stderr);
        }
    }
    assert_eq!((done.len(), starts), (40, 38));
    // Other observers see the same order.
    let mut ended = HashSet::new();
    for line in events(&sandbox).lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        match event["event"].as_str().unwrap() {
            "stage-ended" => {
                let name = event["stage"]["name"].as_str().unwrap();
                ended.insert(name.to_owned());
            }
            "stage-started" => {
                if let Some(producer) = event["reason"].as_str().unwrap().strip_prefix("after ") {
                    assert!(ended.contains(producer), "{line}");
                }
            }
            _ => {}
        }
    }
}
