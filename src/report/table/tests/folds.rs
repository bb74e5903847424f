//! Cells of a cross-validation.

use contract::analysis::{FoldSpread, Interval, Over, Summary};
use engine::graph::{Column, Row, Table};
use engine::run::measurements::Cell;

use super::{Format, Judgements, column, render};

/// Renders a row with the metrics of pooled predictions, and the mean over folds of a training's metric, of which one
/// fold failed.
fn cross_validated(format: Format) -> String {
    let of_folds = |stage: &str| Column {
        mean: vec!["fold".to_owned()],
        pools_folds: true,
        ..column(stage, stage, &[])
    };
    let table = Table {
        name: "cv".to_owned(),
        rows: vec![Row::default()],
        columns: vec![of_folds("evaluate"), of_folds("cnn")],
        ..Table::default()
    };
    let plain = Summary {
        n: 1,
        mean: 0.9182,
        sd: None,
        interval: None,
        positive: None,
        decision: None,
        folds: None,
    };
    let cells = |_: &Row, column: &Column| match column.metric.stage.as_str() {
        "evaluate" => Cell::Value(Summary {
            interval: Some(Interval {
                ends: [0.9026, 0.9337],
                over: Over::Groups,
            }),
            folds: Some(FoldSpread {
                count: 5,
                mean: 0.9151,
                sd: Some(0.0314),
            }),
            ..plain.clone()
        }),
        _ => Cell::Partial {
            summary: Summary {
                n: 4,
                sd: Some(0.5),
                ..plain.clone()
            },
            of: 5,
            why: "failed".to_owned(),
        },
    };
    render(&table, cells, &Judgements::default(), &[], format, None)
}

#[test]
fn the_folds_follow_the_value_of_all_predictions_in_every_format() {
    let says = |format: Format, expected: &str| {
        let text = cross_validated(format);
        assert!(text.contains(expected), "{text}");
    };
    let cell = "0.918 [0.90, 0.93] (folds 0.915 ± 0.031)";
    let mean = "0.918 ± 0.500 (4 of 5 folds)";
    let notes = "values are of the predictions of 5 folds together, each image predicted by a model trained without it; \
                 (folds …): mean ± standard deviation over folds, which are not independent\n";
    for text in [
        cell,
        mean,
        notes,
        "evaluate: 95 % intervals over groups of test images\n",
    ] {
        says(Format::Terminal, text);
        says(Format::Markdown, text);
    }
    says(Format::Terminal, "cnn: ± standard deviation over 4 folds\n");
    says(
        Format::Latex,
        "0.918 [0.90, 0.93] (folds 0.915 $\\pm$ 0.031)",
    );
    let header = "evaluate folds,evaluate fold mean,evaluate fold sd,cnn";
    says(Format::Csv, header);
    says(
        Format::Csv,
        "\n0.9182,0.9026,0.9337,groups of test images,,5,0.9151,0.0314,0.9182,",
    );
    says(Format::Json, "\"folds\": {");
    says(Format::Json, "\"over\": [\n");
}
