//! A table with reference values, and its text in every format.

mod data;
mod folds;
mod latex;
mod several;
mod text;

use contract::analysis::{Interval, Over, Summary};
use engine::graph::{Bounds, Column, InstanceName, MetricRef, PortMetric, Row, Table};
use engine::run::measurements::Cell;

use super::{Format, render};
use crate::report::expectations::{Judgement, Judgements, Subject};

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
        mean: Vec::new(),
        pools_folds: false,
        reference_label: "paper".to_owned(),
        within: None,
    }
}

fn rendered(format: Format) -> String {
    render(&table(), cell, &Judgements::default(), &[], format, None)
}

/// Renders the table with expectations in both columns; in each column, one cell has two.
fn judged(format: Format) -> String {
    let judgement = |stage: &str, row: &str, bounds: Bounds| {
        let subject = Subject {
            instance: InstanceName {
                stage: stage.to_owned(),
                axes: vec![("model".to_owned(), row.to_owned())],
                copy: Vec::new(),
            },
            metric: PortMetric {
                port: None,
                name: "f1".to_owned(),
            },
        };
        let shown = table();
        let column = shown.columns.iter().find(|c| c.metric.stage == stage);
        let measured = match cell(&row_of("model", row), column.unwrap()) {
            Cell::Value(summary) => Ok(summary.mean),
            Cell::Partial { why, .. } | Cell::Missing(why) => Err(why),
        };
        Judgement::of(subject, bounds, measured)
    };
    let near = Bounds::Near {
        value: 0.95,
        within: 0.05,
    };
    // The value is 0.9182, which must not be shown as 0.918.
    let most = Bounds::AtMost { at_most: 0.918 };
    let least = Bounds::AtLeast { at_least: 0.9183 };
    let range = Bounds::Between {
        at_least: -0.5,
        at_most: 0.5,
    };
    let judgements = vec![
        judgement("evaluate", "model1", near),
        judgement("evaluate", "model1", most),
        judgement("evaluate", "model2", near),
        judgement("evaluate", "model10", near),
        judgement("evaluate-synthetic", "model10", range),
        judgement("evaluate-synthetic", "model10", least),
    ];
    render(
        &table(),
        cell,
        &Judgements::new(judgements),
        &[],
        format,
        None,
    )
}

fn table() -> Table {
    Table {
        name: "table1".to_owned(),
        title: Some("Table 1".to_owned()),
        axes: vec!["model".to_owned()],
        // Not in numerical order: rows keep the order of the axis.
        rows: ["model1", "model10", "model2"]
            .map(|value| row_of("model", value))
            .to_vec(),
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
    }
}

fn row_of(axis: &str, value: &str) -> Row {
    Row {
        values: vec![value.to_owned()],
        axes: vec![(axis.to_owned(), value.to_owned())],
        ..Row::default()
    }
}

fn value(mean: f64, interval: Option<[f64; 2]>) -> Cell {
    Cell::Value(Summary {
        n: 1,
        mean,
        sd: None,
        interval: interval.map(|ends| Interval {
            ends,
            over: Over::Images,
        }),
        resamples_agree: false,
        positive: None,
        decision: None,
        folds: None,
    })
}

fn cell(row: &Row, column: &Column) -> Cell {
    match (row.label().as_str(), column.metric.stage.as_str()) {
        ("model1", "evaluate") => value(0.9182, Some([0.8949, 0.9375])),
        ("model1", _) => value(0.8, None),
        ("model2", "evaluate") => Cell::Missing("not run".to_owned()),
        ("model2", _) => Cell::Missing("failed".to_owned()),
        _ => value(1.0, Some([0.5, 1.0])),
    }
}
