//! Cells of a cross-validation.

use contract::analysis::{FoldSpread, Interval, Over, Summary};
use engine::graph::{Column, Row, Table};
use engine::run::measurements::Cell;

use super::{Format, Judgements, column, render, row_of};

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
        resamples_agree: false,
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
                range: [0.8713, 0.9502],
                compares_within: false,
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

/// A table of AUC and ECE, pooled over five folds.
#[test]
fn notes_say_what_is_compared_and_which_values_the_folds_exclude() {
    let of_folds = |metric: &str| Column {
        mean: vec!["fold".to_owned()],
        pools_folds: true,
        ..column(metric, metric, &[])
    };
    let table = Table {
        name: "cv".to_owned(),
        axes: vec!["model".to_owned()],
        rows: vec![row_of("model", "a"), row_of("model", "b")],
        columns: vec![of_folds("auc"), of_folds("ece")],
        ..Table::default()
    };
    let cell = |mean: f64, range: [f64; 2], compares_within: bool| {
        Cell::Value(Summary {
            n: 1,
            mean,
            sd: None,
            interval: None,
            resamples_agree: false,
            positive: None,
            decision: None,
            folds: Some(FoldSpread {
                count: 5,
                mean: (range[0] + range[1]) / 2.0,
                sd: None,
                range,
                compares_within,
            }),
        })
    };
    let cells = |row: &Row, column: &Column| match (row.label().as_str(), column.title.as_str()) {
        (_, "auc") => cell(0.94, [0.91, 0.96], true),
        ("a", _) => cell(0.031, [0.0521, 0.0734], false),
        _ => cell(0.0499, [0.05, 0.07], false),
    };
    let none = Judgements::default();
    let text = render(&table, cells, &none, &[], Format::Terminal, None);
    let within =
        "\nauc: only images of the same fold are compared, because each fold has its own model\n";
    let outside = "\nwarning: ece of a is 0.031, but 0.052 to 0.073 in single folds: single folds have few images, and \
                   errors of different models may cancel out or add up\n";
    assert!(text.contains(within) && text.contains(outside), "{text}");
    let json = render(&table, cells, &none, &[], Format::Json, None);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let folds = &json["rows"][0]["cells"][0]["folds"];
    assert_eq!(
        (&folds["compares_within"], &folds["range"]),
        (&true.into(), &serde_json::json!([0.91, 0.96]))
    );
}
