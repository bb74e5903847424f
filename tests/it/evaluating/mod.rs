//! `evaluate`: predictions of other programs, tables for readers of medical studies, and images of another source.

mod clinical;
mod predictions;
mod transfer;

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::sandbox::{Finished, Sandbox};

/// Predictions of 24 images of two classes by two programs. The first one ranks most images rightly.
fn tables() -> [String; 2] {
    let rows: Vec<(String, &str, u32)> = (0..24)
        .map(|i| {
            let class = if i % 3 == 0 { "ill" } else { "well" };
            let view = if i % 2 == 0 { "AP" } else { "PA" };
            (format!("p{}_{view}_{i}.png", i / 4), class, i)
        })
        .collect();
    let table = |score: &dyn Fn(&str, u32) -> f64| {
        let lines = rows.iter().map(|(name, class, i)| {
            let p = score(class, *i);
            format!("{name},{class},{:.3},{p:.3}\n", 1.0 - p)
        });
        "name,label,p_well,p_ill\n".to_owned() + &lines.collect::<String>()
    };
    let spread = |i: u32| f64::from(i * 7 % 24) / 40.0;
    [
        table(&|class, i| spread(i) + if class == "ill" { 0.35 } else { 0.0 }),
        table(&|_, i| spread(i * 5)),
    ]
}

fn ran(sandbox: &Sandbox) -> Finished {
    let run = sandbox.run_json(&[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    run
}

/// Returns the message of a run that fails.
fn failed(sandbox: &Sandbox) -> String {
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_ne!(run.code, Some(0), "{run:?}");
    run.stderr
}

fn output(sandbox: &Sandbox, file: &str) -> String {
    let path = sandbox.path("artifacts/latest").join(file);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn metrics(sandbox: &Sandbox, stage: &str) -> BTreeMap<String, Value> {
    serde_json::from_str(&output(sandbox, &format!("{stage}/metrics/metrics.json"))).unwrap()
}
