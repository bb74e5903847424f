use contract::Metric;
use engine::run::run_metrics::{InstanceMetrics, PortMetrics, pooled};

use super::{Before, changes, csv, summary, text};

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
            ..PortMetrics::default()
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
    let now = now.each_ref();
    let before = [before_of("r1", &before)];
    let shown = summary(&now, 0, &before, Some(100), "runner metrics");
    let expected = "\
┌─────────────┬─────────────────────────────┬────────────────────┐
│ stage       ┆ f1                          ┆ accuracy           │
╞═════════════╪═════════════════════════════╪════════════════════╡
│ evaluate[a] ┆ 0.912 [0.86, 0.96] (+0.013) ┆ 0.900 [0.85, 0.95] │
│ evaluate[b] ┆ 0.800 [0.75, 0.85]          ┆ undefined          │
└─────────────┴─────────────────────────────┴────────────────────┘
95 % intervals, as each stage reports them
positive class: SICK
(+/-): change since run r1
";
    assert_eq!(shown, expected);
    let changed = changes(&now, &before);
    assert_eq!(
        changed.as_deref(),
        Some("since run r1: evaluate[a].f1 +0.013")
    );
    let same = [Before {
        run: "r0",
        instances: now.to_vec(),
    }];
    assert_eq!(changes(&now, &same), None);
}

#[test]
fn intervals_are_kept_in_a_narrow_terminal() {
    let now = [
        instance("evaluate[a]", &[("f1", 0.912), ("auc", 0.9)]),
        instance("test", &[("error", 0.1)]),
    ];
    let shown = |width: usize| summary(&now.each_ref(), 0, &[], Some(width), "");
    let wrapped = "\
┌─────────────┬──────────────────┬──────────────────┐
│ stage       ┆ f1               ┆ auc              │
╞═════════════╪══════════════════╪══════════════════╡
│ evaluate[a] ┆ 0.912            ┆ 0.900            │
│             ┆ [0.86, 0.96]     ┆ [0.85, 0.95]     │
└─────────────┴──────────────────┴──────────────────┘
┌───────┬────────────────────┐
│ stage ┆ error              │
╞═══════╪════════════════════╡
│ test  ┆ 0.100 [0.05, 0.15] │
└───────┴────────────────────┘
95 % intervals, as each stage reports them
positive class: SICK
";
    assert_eq!(shown(53), wrapped);
    let blocks = "\
stage  evaluate[a]
f1     0.912 [0.86, 0.96]
auc    0.900 [0.85, 0.95]

stage  test
error  0.100 [0.05, 0.15]

95 % intervals, as each
  stage reports them
positive class: SICK
";
    assert_eq!(shown(27), blocks);
    let mixed = shown(52);
    assert!(
        mixed.contains("auc    0.900 [0.85, 0.95]\n\n┌───────┬"),
        "{mixed}"
    );
    assert!(mixed.contains("┘\n95 % intervals"), "{mixed}");
}

fn before_of<'a>(run: &'a str, instances: &'a [InstanceMetrics]) -> Before<'a> {
    Before {
        run,
        instances: instances.iter().collect(),
    }
}

#[test]
fn each_metric_is_compared_with_the_newest_run_that_has_it() {
    let now = [
        instance("evaluate[a]", &[("f1", 0.9)]),
        instance("evaluate[b]", &[("f1", 0.8)]),
    ];
    let newest = [instance("evaluate[b]", &[("f1", 0.7)])];
    let older = [
        instance("evaluate[a]", &[("f1", 0.5)]),
        instance("evaluate[b]", &[("f1", 0.1)]),
    ];
    let before = [before_of("r2", &newest), before_of("r1", &older)];
    assert_eq!(
        changes(&now.each_ref(), &before).as_deref(),
        Some(
            "since the last run with the metric (r2, r1): evaluate[a].f1 +0.400, evaluate[b].f1 +0.100"
        )
    );
}

#[test]
fn other_test_images_are_named() {
    let tested = |f1: f64, images: &str| {
        let mut one = instance("evaluate", &[("f1", f1)]);
        one.ports[0].tested = Some(images.to_owned());
        one
    };
    let now = [tested(0.9, "y")];
    let [other, same] = [[tested(0.8, "x")], [tested(0.8, "y")]];
    let unknown = [instance("evaluate", &[("f1", 0.8)])];
    for (before, expected) in [
        (
            &other,
            "since run r, with other test images: evaluate.f1 +0.100",
        ),
        (&same, "since run r: evaluate.f1 +0.100"),
        (&unknown, "since run r: evaluate.f1 +0.100"),
    ] {
        let before = [before_of("r", before)];
        let found = changes(&now.each_ref(), &before);
        assert_eq!(found.as_deref(), Some(expected));
    }
}

#[test]
fn trainings_are_shown_only_if_nothing_else_was_measured() {
    let only = [instance("cnn[a]", &[("loss", 0.3)])];
    assert!(summary(&only.each_ref(), 0, &[], Some(100), "").contains("cnn[a]"));
    assert_eq!(summary(&[], 0, &[], Some(100), ""), "");
}

#[test]
fn a_large_summary_is_cut_and_says_so() {
    let many: Vec<InstanceMetrics> = (0..60)
        .map(|index| instance(&format!("it[{index}]"), &[("n", f64::from(index))]))
        .collect();
    let many: Vec<&InstanceMetrics> = many.iter().collect();
    let shown = summary(&many, 900, &[], Some(100), "runner metrics p.yaml");
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
    let before = [Before {
        run: "r\n1",
        instances: hostile.to_vec(),
    }];
    let shown = summary(&hostile, 0, &before, Some(1000), "");
    assert!(
        !shown.contains('\u{1b}') && shown.contains("1.000e300"),
        "{shown}"
    );
    // Header, row and three lines of the frame, and two notes.
    assert_eq!(shown.lines().count(), 7, "{shown}");
    let all = pooled(&hostile);
    let all: Vec<_> = all.iter().collect();
    assert_eq!(text(&all, None).lines().count(), 3);
    let table = csv(&all);
    assert!(table.contains(",'=1+1,1e300,"), "{table}");
    assert!(!table.contains("\n=") && !table.contains(",="), "{table}");
}

#[test]
fn counts_have_no_decimals_and_zero_has_no_sign() {
    let counts = [instance(
        "it",
        &[("epochs", 15.0), ("zero", -0.0), ("share", 0.25)],
    )];
    let counts = counts.each_ref();
    let all = pooled(&counts);
    let all: Vec<_> = all.iter().collect();
    let shown = text(&all, None);
    let value = |name: &str| {
        let line = shown.lines().find(|line| line.contains(name)).unwrap();
        line.split_whitespace().nth(2).unwrap().to_owned()
    };
    assert_eq!(value("epochs"), "15", "{shown}");
    assert_eq!(value("zero"), "0", "{shown}");
    assert_eq!(value("share"), "0.250", "{shown}");
    assert_eq!(engine::wording::measured(-0.0), "0.000");
}

#[test]
fn the_summary_says_why_a_value_has_no_interval() {
    let mut perfect = instance("evaluate[a]", &[("f1", 1.0), ("accuracy", 1.0)]);
    for (name, metric) in &mut perfect.ports[0].metrics {
        metric.resamples_agree = true;
        metric.interval = (name == "accuracy").then_some([0.9, 1.0]);
    }
    let now = [&perfect];
    let text = summary(&now, 0, &[], None, "runner metrics p.yaml");
    let expected = "\nno interval of evaluate[a].f1, because all resamples agree\n";
    assert!(text.contains(expected), "{text}");
    let plain = instance("evaluate[a]", &[("f1", 0.9)]);
    let text = summary(&[&plain], 0, &[], None, "runner metrics p.yaml");
    assert!(!text.contains("no interval"), "{text}");
}
