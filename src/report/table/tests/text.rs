//! Tables for the terminal and as Markdown.

use contract::analysis::{Over, Summary};
use engine::graph::{Column, Row, Table};
use engine::run::measurements::Cell;

use super::{Format, Judgements, column, judged, render, rendered, row_of, value};

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
        None,
    );
    assert_eq!(text, "| a\\|b | f1 |\n| --- | --- |\n| x | a\\|b |\n");
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
fn a_title_that_does_not_name_the_class_of_its_metric_has_a_note() {
    let note = |title: &str| {
        let mut recall = column(title, "evaluate", &[]);
        recall.metric.metric = "recall[BACTERIA]".to_owned();
        let table = Table {
            columns: vec![recall, column("F1", "evaluate", &[])],
            rows: vec![Row::default()],
            ..Table::default()
        };
        let cells = |_: &Row, _: &Column| value(0.5, None);
        render(
            &table,
            cells,
            &Judgements::default(),
            &[],
            Format::Terminal,
            None,
        )
    };
    let text = note("Recall");
    assert!(text.ends_with("\nRecall: class: BACTERIA\n"), "{text}");
    assert!(!note("Recall of BACTERIA").contains("class:"));
}

#[test]
fn rows_with_other_intervals_are_named() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let table = Table {
        name: "t".to_owned(),
        axes: vec!["model".to_owned()],
        rows: names.map(|name| row_of("model", name)).to_vec(),
        columns: vec![column("f1", "evaluate", &[])],
        ..Table::default()
    };
    let notes = |change: &dyn Fn(&str, &mut Summary)| {
        let cells = |row: &Row, _: &Column| {
            let Cell::Value(mut summary) = value(0.9, Some([0.8, 1.0])) else {
                panic!("a value is a value");
            };
            change(&row.label(), &mut summary);
            Cell::Value(summary)
        };
        let none = Judgements::default();
        let text = render(&table, cells, &none, &[], Format::Markdown, None);
        text.lines().last().unwrap_or_default().to_owned()
    };
    let grouped = |row: &str, summary: &mut Summary| {
        if row == "b" {
            summary.interval.as_mut().unwrap().over = Over::Groups;
        }
    };
    assert_eq!(
        notes(&grouped),
        "95 % intervals over test images (a, c, d and 2 others) or over groups of test images (b)"
    );
    let agreeing = |row: &str, summary: &mut Summary| {
        summary.resamples_agree = ["a", "b", "c"].contains(&row);
        if row != "c" && summary.resamples_agree {
            summary.interval = None;
        }
    };
    assert_eq!(
        notes(&agreeing),
        "95 % intervals over test images; Wilson's interval of c, because all resamples agree; no interval of a and b, \
         because all resamples agree"
    );
    let all = |_: &str, summary: &mut Summary| {
        (summary.interval, summary.resamples_agree) = (None, true);
    };
    assert_eq!(notes(&all), "no interval, because all resamples agree");
}
