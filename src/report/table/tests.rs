use contract::analysis::{Decision, Interval, Over, Summary};
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
        reference_label: "paper".to_owned(),
        within: None,
    }
}

fn rendered(format: Format) -> String {
    render(&table(), cell, &Judgements::default(), &[], format)
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
    render(&table(), cell, &Judgements::new(judgements), &[], format)
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
        seed: None,
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
        positive: None,
        decision: None,
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
95 % intervals over test images
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

95 % intervals over test images
";
    assert_eq!(rendered(Format::Markdown), expected);
}

#[test]
fn markdown_escapes_bars() {
    let table = Table {
        name: "t".to_owned(),
        title: None,
        axes: vec!["a|b".to_owned()],
        rows: vec![row_of("a|b", "x")],
        columns: vec![column("f1", "evaluate", &[])],
    };
    let text = render(
        &table,
        |_, _| Cell::Missing("a|b".to_owned()),
        &Judgements::default(),
        &[],
        Format::Markdown,
    );
    assert_eq!(text, "| a\\|b | f1 |\n| --- | --- |\n| x | a\\|b |\n");
}

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
fn a_cell_shows_its_verdict_and_the_bounds_that_it_violates() {
    let expected = "\
Table 1
┌─────────┬──────────────────────────────────────────────────┬──────────────────────────────────┐
│ model   ┆ f1-score                                         ┆ f1-score, \"GAN\"                  │
╞═════════╪══════════════════════════════════════════════════╪══════════════════════════════════╡
│ model1  ┆ 0.9182 [0.89, 0.94] (paper 0.95) ✗ at most 0.918 ┆ 0.800 (paper 0.80)               │
│ model10 ┆ 1.000 [0.50, 1.00] (paper 0.96) ✓                ┆ 1.000 [0.50, 1.00] ✗ -0.5 to 0.5 │
│ model2  ┆ not run ?                                        ┆ failed                           │
└─────────┴──────────────────────────────────────────────────┴──────────────────────────────────┘
95 % intervals over test images
";
    assert_eq!(judged(Format::Terminal), expected);
    assert_eq!(
        judged(Format::Markdown),
        "\
**Table 1**

| model | f1-score | f1-score, \"GAN\" |
| --- | --- | --- |
| model1 | 0.9182 [0.89, 0.94] (paper 0.95) ✗ at most 0.918 | 0.800 (paper 0.80) |
| model10 | 1.000 [0.50, 1.00] (paper 0.96) ✓ | 1.000 [0.50, 1.00] ✗ -0.5 to 0.5 |
| model2 | not run ? | failed |

95 % intervals over test images
"
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

#[test]
fn latex() {
    let expected = r#"% in the preamble: \usepackage{booktabs}
\begin{table}
  \centering
  \caption{Table 1}
  \label{tab:table1}
  \begin{tabular}{llrlr}
    \toprule
     & \multicolumn{2}{c}{f1-score} & \multicolumn{2}{c}{f1-score, \char34{}GAN\char34{}} \\
    \cmidrule(lr){2-3} \cmidrule(lr){4-5}
    model & ours & paper & ours & paper \\
    \midrule
    model1 & 0.918 [0.89, 0.94] & 0.95 & 0.800 & 0.80 \\
    model10 & 1.000 [0.50, 1.00] & 0.96 & 1.000 [0.50, 1.00] &  \\
    model2 & not run &  & failed &  \\
    \bottomrule
  \end{tabular}
  \par\footnotesize 95 \% intervals over test images
\end{table}
"#;
    assert_eq!(rendered(Format::Latex), expected);
}

#[test]
fn latex_has_verdicts_next_to_our_values() {
    let text = judged(Format::Latex);
    for line in [
        r"model1 & 0.9182 [0.89, 0.94] $\times$ (at most 0.918) & 0.95 & 0.800 & 0.80 \\",
        r"model10 & 1.000 [0.50, 1.00] $\surd$ & 0.96 & 1.000 [0.50, 1.00] $\times$ ($-$0.5 to 0.5) &  \\",
        r"model2 & not run ? &  & failed &  \\",
    ] {
        assert!(text.contains(&format!("    {line}\n")), "{text}");
    }
}

#[test]
fn latex_without_reference_values_has_one_line_of_titles() {
    let plain = Table {
        name: "all_losses".to_owned(),
        title: None,
        axes: vec!["width_%".to_owned()],
        rows: vec![row_of("width_%", "4")],
        columns: vec![
            column("a & b_c", "evaluate", &[]),
            column(r"50 % {of} $#~^\<|>", "other", &[]),
        ],
    };
    let text = render(
        &plain,
        |_, _| value(-0.25, Some([-0.5, 0.0])),
        &Judgements::default(),
        &[],
        Format::Latex,
    );
    let expected = r"% in the preamble: \usepackage{booktabs}
\begin{table}
  \centering
  \label{tab:all_losses}
  \begin{tabular}{lll}
    \toprule
    width\_\% & a \& b\_c & 50 \% \{of\} \$\#\textasciitilde{}\textasciicircum{}\textbackslash{}\textless{}\textbar{}\textgreater{} \\
    \midrule
    4 & $-$0.250 [$-$0.50, 0.00] & $-$0.250 [$-$0.50, 0.00] \\
    \bottomrule
  \end{tabular}
  \par\footnotesize 95 \% intervals over test images
\end{table}
";
    assert_eq!(text, expected);
}

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
                positive: Some("PNEUMONIA".to_owned()),
                decision: Some(Decision {
                    class: "PNEUMONIA".to_owned(),
                    thresholds: [0.31, 0.6251],
                }),
            }),
            _ => Cell::Missing("not run".to_owned()),
        };
    render(&table(), cells, &Judgements::default(), &[], format)
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
                positive: None,
                decision: None,
            },
            of: 5,
            why: "failed".to_owned(),
        },
        _ => value(1e300, Some([-1e300, 2.0])),
    };
    render(&table, cells, &Judgements::default(), &[], format)
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
