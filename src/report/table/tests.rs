use super::{Cell, Format, render};
use crate::graph::{Column, MetricRef, Table};

fn column(title: &str, stage: &str, reference: &[(&str, f64)]) -> Column {
    Column {
        title: title.to_owned(),
        metric: MetricRef {
            stage: stage.to_owned(),
            metric: "f1".to_owned(),
        },
        reference: reference
            .iter()
            .map(|&(row, value)| (row.to_owned(), value))
            .collect(),
        reference_label: "paper".to_owned(),
    }
}

fn rendered(format: Format) -> String {
    let table = Table {
        name: "table1".to_owned(),
        title: Some("Table 1".to_owned()),
        rows: "model".to_owned(),
        // Not in the alphabet's order: the axis' own counts.
        row_values: ["model1", "model10", "model2"].map(str::to_owned).to_vec(),
        columns: vec![
            column(
                "f1-score",
                "evaluate",
                &[("model1", 0.95), ("model10", 0.96)],
            ),
            column(
                "f1-score, \"GAN\"",
                "evaluate-synthetic",
                &[("model1", 0.8)],
            ),
        ],
    };
    let cells = |row: &str, column: &Column| match (row, column.metric.stage.as_str()) {
        ("model1", "evaluate") => Cell::Value {
            value: 0.9182,
            interval: Some([0.8949, 0.9375]),
        },
        ("model1", _) => Cell::Value {
            value: 0.8,
            interval: None,
        },
        ("model2", "evaluate") => Cell::Missing("not run".to_owned()),
        ("model2", _) => Cell::Missing("failed".to_owned()),
        _ => Cell::Value {
            value: 1.0,
            interval: Some([0.5, 1.0]),
        },
    };
    render(&table, cells, &[], format)
}

#[test]
fn terminal() {
    let expected = "\
Table 1
┌─────────┬─────────────────────────────────┬────────────────────┐
│ model   ┆ f1-score                        ┆ f1-score, \"GAN\"    │
╞═════════╪═════════════════════════════════╪════════════════════╡
│ model1  ┆ 0.918 [0.89, 0.94] (paper 0.95) ┆ 0.800 (paper 0.80) │
│ model10 ┆ 1.000 [0.50, 1.00] (paper 0.96) ┆ 1.000 [0.50, 1.00] │
│ model2  ┆ not run                         ┆ failed             │
└─────────┴─────────────────────────────────┴────────────────────┘
";
    assert_eq!(rendered(Format::Terminal), expected);
}

#[test]
fn markdown() {
    let expected = "\
**Table 1**

| model | f1-score | f1-score, \"GAN\" |
| --- | --- | --- |
| model1 | 0.918 [0.89, 0.94] (paper 0.95) | 0.800 (paper 0.80) |
| model10 | 1.000 [0.50, 1.00] (paper 0.96) | 1.000 [0.50, 1.00] |
| model2 | not run | failed |
";
    assert_eq!(rendered(Format::Markdown), expected);
}

#[test]
fn markdown_escapes_bars() {
    let table = Table {
        name: "t".to_owned(),
        title: None,
        rows: "a|b".to_owned(),
        row_values: vec!["x".to_owned()],
        columns: vec![column("f1", "evaluate", &[])],
    };
    let text = render(
        &table,
        |_, _| Cell::Missing("a|b".to_owned()),
        &[],
        Format::Markdown,
    );
    assert_eq!(text, "| a\\|b | f1 |\n| --- | --- |\n| x | a\\|b |\n");
}

#[test]
fn csv() {
    let expected = "\
model,f1-score,f1-score low,f1-score high,f1-score paper,\
\"f1-score, \"\"GAN\"\"\",\"f1-score, \"\"GAN\"\" low\",\"f1-score, \"\"GAN\"\" high\",\"f1-score, \"\"GAN\"\" paper\"
model1,0.9182,0.8949,0.9375,0.95,0.8,,,0.8
model10,1,0.5,1,0.96,1,0.5,1,
model2,,,,,,,,
";
    assert_eq!(rendered(Format::Csv), expected);
}

#[test]
fn json() {
    let value: serde_json::Value = serde_json::from_str(&rendered(Format::Json)).unwrap();
    let expected = serde_json::json!({
        "name": "table1",
        "title": "Table 1",
        "axis": "model",
        "rows": [
            { "row": "model1", "cells": [
                {
                    "title": "f1-score", "metric": "evaluate.f1", "value": 0.9182,
                    "interval": [0.8949, 0.9375], "reference": { "label": "paper", "value": 0.95 },
                },
                {
                    "title": "f1-score, \"GAN\"", "metric": "evaluate-synthetic.f1", "value": 0.8,
                    "reference": { "label": "paper", "value": 0.8 },
                },
            ] },
            { "row": "model10", "cells": [
                {
                    "title": "f1-score", "metric": "evaluate.f1", "value": 1.0,
                    "interval": [0.5, 1.0], "reference": { "label": "paper", "value": 0.96 },
                },
                {
                    "title": "f1-score, \"GAN\"", "metric": "evaluate-synthetic.f1", "value": 1.0,
                    "interval": [0.5, 1.0],
                },
            ] },
            { "row": "model2", "cells": [
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
