//! Tables as CSV and JSON.

use super::{Format, judged, rendered};

#[test]
fn csv() {
    let expected = "\
model,f1-score,f1-score low,f1-score high,f1-score interval over,f1-score paper,\
\"f1-score, \"\"GAN\"\"\",\"f1-score, \"\"GAN\"\" low\",\"f1-score, \"\"GAN\"\" high\",\"f1-score, \"\"GAN\"\" interval over\",\"f1-score, \"\"GAN\"\" paper\"
model1,0.9182,0.8949,0.9375,test images,0.95,0.8,,,,0.8
model10,1,0.5,1,test images,0.96,1,0.5,1,test images,
model2,,,,,,,,,,
";
    assert_eq!(rendered(Format::Csv), expected);
}

#[test]
fn json() {
    let value: serde_json::Value = serde_json::from_str(&rendered(Format::Json)).unwrap();
    let expected = serde_json::json!({
        "name": "table1",
        "title": "Table 1",
        "axes": ["model"],
        "rows": [
            { "row": "model1", "values": { "model": "model1" }, "cells": [
                {
                    "title": "f1-score", "metric": "evaluate.f1", "value": 0.9182,
                    "interval": [0.8949, 0.9375], "interval_over": "images", "reference": { "label": "paper", "value": 0.95 },
                },
                {
                    "title": "f1-score, \"GAN\"", "metric": "evaluate-synthetic.f1", "value": 0.8,
                    "reference": { "label": "paper", "value": 0.8 },
                },
            ] },
            { "row": "model10", "values": { "model": "model10" }, "cells": [
                {
                    "title": "f1-score", "metric": "evaluate.f1", "value": 1.0,
                    "interval": [0.5, 1.0], "interval_over": "images", "reference": { "label": "paper", "value": 0.96 },
                },
                {
                    "title": "f1-score, \"GAN\"", "metric": "evaluate-synthetic.f1", "value": 1.0,
                    "interval": [0.5, 1.0], "interval_over": "images",
                },
            ] },
            { "row": "model2", "values": { "model": "model2" }, "cells": [
                { "title": "f1-score", "metric": "evaluate.f1", "missing": "not run" },
                { "title": "f1-score, \"GAN\"", "metric": "evaluate-synthetic.f1", "missing": "failed" },
            ] },
        ],
    });
    assert_eq!(value, expected);
    assert!(
        rendered(Format::Json).starts_with("{\n  \"name\": \"table1\",\n  \"title\": \"Table 1\"")
    );
}

#[test]
fn csv_and_json_have_verdicts_and_bounds() {
    let expected = "\
model,f1-score,f1-score low,f1-score high,f1-score interval over,f1-score paper,f1-score verdict,f1-score expected,\
\"f1-score, \"\"GAN\"\"\",\"f1-score, \"\"GAN\"\" low\",\"f1-score, \"\"GAN\"\" high\",\"f1-score, \"\"GAN\"\" interval over\",\"f1-score, \"\"GAN\"\" paper\",\
\"f1-score, \"\"GAN\"\" verdict\",\"f1-score, \"\"GAN\"\" expected\"
model1,0.9182,0.8949,0.9375,test images,0.95,fail,0.95 ± 0.05; at most 0.918,0.8,,,,0.8,,
model10,1,0.5,1,test images,0.96,pass,0.95 ± 0.05,1,0.5,1,test images,,fail,'-0.5 to 0.5; at least 0.9183
model2,,,,,,not known,0.95 ± 0.05,,,,,,,
";
    assert_eq!(judged(Format::Csv), expected);
    let value: serde_json::Value = serde_json::from_str(&judged(Format::Json)).unwrap();
    let cell = |row: usize| &value["rows"][row]["cells"][0]["expectations"];
    let near = serde_json::json!({ "value": 0.95, "within": 0.05 });
    assert_eq!(
        *cell(0),
        serde_json::json!([
            { "expected": near, "verdict": "pass" },
            { "expected": { "at_most": 0.918 }, "verdict": "fail" },
        ])
    );
    assert_eq!(
        *cell(2),
        serde_json::json!([{ "expected": near, "verdict": "not-known" }])
    );
    assert!(value["rows"][0]["cells"][1].get("expectations").is_none());
}
