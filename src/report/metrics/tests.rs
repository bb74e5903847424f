use contract::Metric;
use engine::run::run_metrics::{InstanceMetrics, PortMetrics, pooled};

use super::{changes, changes_in_words, csv, summary, text};

fn instance(name: &str, metrics: &[(&str, f64)]) -> InstanceMetrics {
    let stage = name.split('[').next().unwrap();
    let metric = |value: f64| Metric {
        interval: Some([value - 0.05, value + 0.05]),
        of: Some("SICK".to_owned()),
        ..Metric::new(value, None)
    };
    InstanceMetrics {
        name: name.to_owned(),
        in_copy: name.to_owned(),
        stage: stage.to_owned(),
        ports: vec![PortMetrics {
            port: "metrics".to_owned(),
            headline: metrics.iter().map(|(name, _)| (*name).to_owned()).collect(),
            is_secondary: stage == "cnn",
            metrics: metrics
                .iter()
                .map(|&(name, value)| (name.to_owned(), metric(value)))
                .collect(),
        }],
        ..InstanceMetrics::default()
    }
}

#[test]
fn the_summary_has_a_row_for_every_instance_and_shows_what_changed() {
    let now = [
        instance("cnn[a]", &[("loss", 0.3)]),
        instance("evaluate[a]", &[("f1", 0.912), ("accuracy", 0.9)]),
        instance("evaluate[b]", &[("f1", 0.8), ("accuracy", f64::NAN)]),
    ];
    let before = [
        instance("evaluate[a]", &[("f1", 0.899), ("accuracy", 0.9)]),
        instance("evaluate[c]", &[("f1", 0.5)]),
    ];
    let (now, before) = (now.each_ref(), before.each_ref());
    let shown = summary(&now, 0, Some(("r1", &before)), 100, "runner metrics");
    let expected = "\
┌─────────────┬─────────────────────────────┬────────────────────┐
│ stage       ┆ f1                          ┆ accuracy           │
╞═════════════╪═════════════════════════════╪════════════════════╡
│ evaluate[a] ┆ 0.912 [0.86, 0.96] (+0.013) ┆ 0.900 [0.85, 0.95] │
│ evaluate[b] ┆ 0.800 [0.75, 0.85]          ┆ undefined          │
└─────────────┴─────────────────────────────┴────────────────────┘
positive class: SICK
(+/-): change since run r1
";
    assert_eq!(shown, expected);
    let narrow = summary(&now, 0, None, 60, "runner metrics");
    assert!(
        narrow.contains("│ evaluate[a] ┆ 0.912 ┆ 0.900     │"),
        "{narrow}"
    );

    let changed = changes(&now, &before);
    assert_eq!(changes_in_words(&changed), "evaluate[a].f1 +0.013");
    assert_eq!(changes(&now, &now), []);
}

#[test]
fn trainings_are_shown_only_if_nothing_else_was_measured() {
    let only = [instance("cnn[a]", &[("loss", 0.3)])];
    assert!(summary(&only.each_ref(), 0, None, 100, "").contains("cnn[a]"));
    assert_eq!(summary(&[], 0, None, 100, ""), "");
}

#[test]
fn a_large_summary_is_cut_and_says_so() {
    let many: Vec<InstanceMetrics> = (0..60)
        .map(|index| instance(&format!("it[{index}]"), &[("n", f64::from(index))]))
        .collect();
    let many: Vec<&InstanceMetrics> = many.iter().collect();
    let shown = summary(&many, 900, None, 100, "runner metrics p.yaml");
    assert!(
        shown.ends_with("… 940 more instances: `runner metrics p.yaml`\n"),
        "{shown}"
    );
    assert!(!shown.contains("it[20]"), "{shown}");
}

#[test]
fn hostile_names_have_no_effect() {
    let hostile = instance("it[=cmd()\n\u{1b}[2J]", &[("=1+1", 1e300), ("a\nb", 2.0)]);
    let hostile = [&hostile];
    let shown = summary(&hostile, 0, Some(("r\n1", &hostile)), 1000, "");
    assert!(
        !shown.contains('\u{1b}') && shown.contains("1.000e300"),
        "{shown}"
    );
    // Header, row and three lines of the frame, and the note about the class.
    assert_eq!(shown.lines().count(), 6, "{shown}");
    let all = pooled(&hostile);
    let all: Vec<_> = all.iter().collect();
    assert_eq!(text(&all).lines().count(), 3);
    let table = csv(&all);
    assert!(table.contains(",'=1+1,1e300,"), "{table}");
    assert!(!table.contains("\n=") && !table.contains(",="), "{table}");
}
