use contract::Direction;
use contract::analysis::{Contrast, Difference, Over};
use engine::run::contrasts::ColumnContrasts;
use serde_json::{Value, json};
use stages::evaluate::corrected;
use stages::metrics::mcnemar_of_counts;

use super::{fields, header, latex, markdown, object, terminal};

fn contrast(value: f64, interval: [f64; 2], p: f64, mcnemar: Option<(u64, u64)>) -> Contrast {
    Contrast {
        images: 400,
        seeds: 1,
        shares_images: true,
        over: Over::Images,
        difference: Difference { value, interval, p },
        mcnemar: mcnemar.map(|(only_a, only_b)| mcnemar_of_counts(only_a, only_b)),
        delong: None,
    }
}

fn contrasts(rows: Vec<(&str, Result<Contrast, String>)>) -> ColumnContrasts {
    let rows = rows.into_iter().map(|(row, found)| (row.to_owned(), found));
    let (rows, pairs) = corrected(rows.collect(), &[]);
    ColumnContrasts {
        column: "right".to_owned(),
        metric: "evaluate.accuracy".to_owned(),
        direction: Direction::Maximize,
        against: "model3".to_owned(),
        is_best: true,
        pools_folds: false,
        resamples: 1000,
        pairs,
        rows,
    }
}

fn unlike() -> Result<Contrast, String> {
    Err("the test images differ".to_owned())
}

fn accuracy() -> ColumnContrasts {
    contrasts(vec![
        (
            "model1",
            Ok(contrast(-0.03, [-0.05625, -0.005], 0.0125, Some((4, 20)))),
        ),
        ("a|b", unlike()),
        (
            "model2",
            Ok(contrast(-0.0002, [-0.01, 0.01], 0.0004, Some((5, 5)))),
        ),
    ])
}

fn f1() -> ColumnContrasts {
    ColumnContrasts {
        is_best: false,
        pools_folds: false,
        column: "f1".to_owned(),
        metric: "evaluate.f1".to_owned(),
        ..contrasts(vec![("model1", Ok(contrast(0.25, [0.0, 0.5], 0.5, None)))])
    }
}

#[test]
fn below_a_table() {
    let expected = "
right: difference from model3 (the best) on the same 400 images; paired bootstrap, 1000 resamples
intervals and p cover the choice of test images only, not of seeds; p (Holm) is corrected for all 2 pairs of rows
        difference     95 % interval       p  p (Holm)  McNemar's p  (Holm)
model1      -0.030  [-0.056, -0.005]   0.013     0.013        0.002   0.003
model2       0.000  [-0.010, +0.010]  <0.001     0.001        1.000   1.000
a|b: the test images differ

f1: difference from model3 on the same 400 images; paired bootstrap, 1000 resamples
intervals and p cover the choice of test images only, not of seeds; p (Holm) is corrected for 1 pair of rows
        difference    95 % interval      p  p (Holm)
model1      +0.250  [0.000, +0.500]  0.500     0.500
";
    assert_eq!(terminal(&[accuracy(), f1()], None), expected);
}

#[test]
fn as_markdown() {
    let expected = "
right: difference from model3 (the best) on the same 400 images; paired bootstrap, 1000 resamples
intervals and p cover the choice of test images only, not of seeds; p (Holm) is corrected for all 2 pairs of rows

|  | difference | 95 % interval | p | p (Holm) | McNemar's p | (Holm) |
| --- | --- | --- | --- | --- | --- | --- |
| model1 | -0.030 | [-0.056, -0.005] | 0.013 | 0.013 | 0.002 | 0.003 |
| model2 | 0.000 | [-0.010, +0.010] | \\<0.001 | 0.001 | 1.000 | 1.000 |

- a\\|b: the test images differ
";
    assert_eq!(markdown(&[accuracy()]), expected);
}

#[test]
fn as_latex() {
    let text = latex(&[accuracy(), f1()], "t");
    for expected in [
        "\n% in the preamble: \\usepackage{booktabs}\n\\begin{table}\n",
        "  \\caption{right: difference from model3 (the best) on the same 400 images; paired",
        "  \\label{tab:t-difference-1}\n  \\begin{tabular}{lrrrrrr}\n",
        "    model1 & $-$0.030 & [$-$0.056, $-$0.005] & 0.013 & 0.013 & 0.002 & 0.003 \\\\\n",
        "  \\par\\footnotesize a\\textbar{}b: the test images differ\n",
        "  \\label{tab:t-difference-2}\n  \\begin{tabular}{lrrrr}\n",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let none = contrasts(vec![("model1", unlike())]);
    assert_eq!(latex(&[none], "t"), "");
}

#[test]
fn names_neither_add_lines_nor_become_markup() {
    let mut named = f1();
    named.column = "a\nerror: forged <b>".to_owned();
    named.against = "x\u{1b}[2J|".to_owned();
    let text = terminal(&[named.clone()], Some(29));
    // The heading is broken into lines of at most 29 columns.
    let joined = text.replace("\n  ", " ");
    assert!(
        joined.starts_with("\na\\nerror: forged <b>: difference from x\\u001b[2J|"),
        "{text}"
    );
    let mut heading = text.lines().take_while(|line| *line != "difference");
    assert!(heading.all(|line| line.len() <= 29), "{text}");
    assert!(text.contains("\ndifference\n  +0.250\n"), "{text}");
    let text = markdown(&[named]);
    assert!(
        text.contains("forged \\<b\\>: difference from x\\\\u001b[2J\\| on"),
        "{text}"
    );
}

#[test]
fn the_heading_names_seeds_and_a_lowest_value() {
    let mut brier = f1();
    brier.direction = Direction::Minimize;
    brier.is_best = true;
    let found = brier.rows[0].1.as_mut().unwrap();
    found.contrast.seeds = 5;
    found.contrast.over = Over::SeedsAndImages;
    let text = terminal(&[brier], None);
    let heading = "\nf1: difference from model3 (the best, lowest value) on the same 400 images \
                   with 5 seeds; paired bootstrap, 1000 resamples\n\
                   intervals and p cover the choice of seeds and test images; p (Holm) is corrected for 1 \
                   pair of rows\n";
    assert!(text.starts_with(heading), "{text}");
}

#[test]
fn a_reason_that_all_rows_share_is_printed_once() {
    let none = contrasts(vec![("model1", unlike()), ("model2", unlike())]);
    let text = terminal(&[none], None);
    assert_eq!(
        text,
        "\nright: difference from model3 (the best) not computed: the test images differ\n"
    );
}

#[test]
fn as_csv_fields() {
    let both = [accuracy(), f1()];
    let names = header(&both);
    assert_eq!(names.len(), 11 + 9);
    for row in ["model1", "a|b", "model3"] {
        assert_eq!(fields(&both, row).len(), names.len(), "{row}");
    }
    let of = |row: &str, name: &str| {
        let place = names.iter().position(|found| found == name).unwrap();
        fields(&both, row)[place].clone()
    };
    assert_eq!(of("model1", "right against"), "model3");
    assert_eq!(of("model1", "right difference low"), "-0.05625");
    let p = mcnemar_of_counts(4, 20).p;
    assert_eq!(of("model1", "right mcnemar p"), p.to_string());
    assert_eq!(of("model1", "right images"), "400");
    assert_eq!(of("model1", "right pairs"), "2");
    assert_eq!(of("model1", "right over"), "test images");
    assert_eq!(of("model2", "right p holm"), "0.0008");
    assert_eq!(of("model2", "f1 difference"), "");
    assert!(fields(&both, "model3").iter().all(String::is_empty));
    assert!(header(&[]).is_empty() && fields(&[], "model1").is_empty());
}

#[test]
fn as_json() {
    let found = object(&accuracy());
    assert_eq!(found["against"], "model3");
    assert_eq!(found["best"], true);
    assert_eq!(found["pairs"], 2);
    let row = |index: usize| -> &Value { &found["rows"][index] };
    let p = mcnemar_of_counts(4, 20).p;
    assert_eq!(
        *row(0),
        json!({
            "row": "model1", "images": 400, "seeds": 1, "over": "images",
            "difference": -0.03, "interval": [-0.05625, -0.005], "p": 0.0125, "p_holm": 0.0125,
            "mcnemar": { "only_a": 4, "only_b": 20, "by": "binomial", "p": p, "p_holm": 2.0 * p },
        })
    );
    assert_eq!(
        *row(1),
        json!({ "row": "a|b", "missing": "the test images differ" })
    );
    assert_eq!(object(&f1())["rows"][0].get("mcnemar"), None);
}
