//! Cells with the mean of several values.

use contract::analysis::{Decision, Interval, Over, Summary};
use engine::graph::{Column, Row, Table};
use engine::run::measurements::Cell;

use super::{Format, Judgements, column, render, table, value};

/// Renders a mean over five seeds.
fn repeated(format: Format) -> String {
    let cells =
        |row: &Row, column: &Column| match (row.label().as_str(), column.metric.stage.as_str()) {
            ("model1", "evaluate") => Cell::Value(Summary {
                n: 5,
                mean: 0.9182,
                sd: Some(0.0125),
                interval: Some(Interval {
                    ends: [0.9026, 0.9337],
                    over: Over::SeedsAndImages,
                }),
                resamples_agree: false,
                positive: Some("PNEUMONIA".to_owned()),
                decision: Some(Decision {
                    class: "PNEUMONIA".to_owned(),
                    thresholds: [0.31, 0.6251],
                }),
                folds: None,
            }),
            _ => Cell::Missing("not run".to_owned()),
        };
    render(&table(), cells, &Judgements::default(), &[], format, None)
}

#[test]
fn several_seeds_show_their_mean_and_deviation_in_every_format() {
    let says = |format: Format, expected: &str| {
        let text = repeated(format);
        assert!(text.contains(expected), "{text}");
    };
    says(Format::Terminal, "0.918 ± 0.013 [0.90, 0.93] (paper 0.95)");
    says(
        Format::Markdown,
        "| 0.918 ± 0.013 [0.90, 0.93] (paper 0.95) |",
    );
    says(Format::Latex, "0.918 $\\pm$ 0.013 [0.90, 0.93]");
    let note = "± standard deviation over 5 seeds; 95 % intervals over seeds and test images; positive class: PNEUMONIA, \
                from a probability of 0.31 to 0.625, chosen by each training\n";
    says(Format::Terminal, note);
    says(Format::Markdown, note);
    says(
        Format::Latex,
        "\\par\\footnotesize $\\pm$ standard deviation over 5 seeds; 95 \\% intervals over seeds and test images; \
         positive class: PNEUMONIA, from",
    );
    says(Format::Csv, "f1-score seeds,f1-score sd,f1-score rule");
    says(
        Format::Csv,
        "model1,0.9182,0.9026,0.9337,seeds and test images,0.95,5,0.0125,\"positive class: PNEUMONIA, from a probability of 0.31",
    );
    says(Format::Json, "\"interval_over\": \"seeds-and-images\"");
    says(Format::Json, "\"class\": \"PNEUMONIA\"");
    says(Format::Json, "\"count\": 5");
    says(Format::Json, "\"sd\": 0.0125");
}

/// Renders a table with a single row: a mean over folds of which one failed, and a huge value.
fn single_row(format: Format) -> String {
    let mut folds = column("F1", "evaluate", &[]);
    folds.mean = vec!["fold".to_owned()];
    let table = Table {
        name: "cv".to_owned(),
        rows: vec![Row::default()],
        columns: vec![folds, column("=cmd()", "other", &[("", 0.9)])],
        ..Table::default()
    };
    let cells = |_: &Row, column: &Column| match column.metric.stage.as_str() {
        "evaluate" => Cell::Partial {
            summary: Summary {
                n: 4,
                mean: 0.91,
                sd: Some(0.02),
                interval: None,
                resamples_agree: false,
                positive: None,
                decision: None,
                folds: None,
            },
            of: 5,
            why: "failed".to_owned(),
        },
        _ => value(1e300, Some([-1e300, 2.0])),
    };
    render(&table, cells, &Judgements::default(), &[], format, None)
}

#[test]
fn a_single_row_has_no_column_for_its_name() {
    let expected = "\
┌────────────────────────────────────────┬──────────────────────────────────────────┐
│ F1                                     ┆ =cmd()                                   │
╞════════════════════════════════════════╪══════════════════════════════════════════╡
│ 0.910 ± 0.020 (4 of 5 values of fold)  ┆ 1.000e300 [-1.000e300, 2.00] (paper 0.90) │
└────────────────────────────────────────┴──────────────────────────────────────────┘
";
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = words(&single_row(Format::Terminal));
    for line in expected.lines().filter(|line| line.starts_with('│')) {
        assert!(text.contains(&words(line)), "{text}");
    }
    assert!(
        text.contains("F1: ± standard deviation over 4 values of fold"),
        "{text}"
    );
    assert_eq!(
        single_row(Format::Csv),
        "F1,F1 low,F1 high,F1 interval over,F1 paper,F1 values of fold,F1 sd,'=cmd(),'=cmd() low,'=cmd() high,\
         '=cmd() interval over,'=cmd() paper\n0.91,,,,,4,0.02,1e300,-1e300,2,test images,0.9\n"
    );
    let latex = single_row(Format::Latex);
    assert!(latex.contains("\\begin{tabular}{llr}\n"), "{latex}");
    assert!(
        latex.contains("0.910 $\\pm$ 0.020 (4 of 5 values of fold) & 1.000e300"),
        "{latex}"
    );
    assert!(latex.contains("\\cmidrule(lr){2-3}"), "{latex}");
    let object: serde_json::Value = serde_json::from_str(&single_row(Format::Json)).unwrap();
    assert_eq!(
        object["rows"][0]["cells"][0]["mean"],
        serde_json::json!({ "count": 4, "sd": 0.02, "over": ["fold"] })
    );
    assert_eq!(
        object["rows"][0]["cells"][0]["partial"],
        serde_json::json!({ "count": 4, "of": 5, "missing": "failed" })
    );
}
