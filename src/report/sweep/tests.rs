use contract::Direction;
use engine::sweep::record::{
    Axis, AxisKind, Importance, ImportanceOf, Objective, Rungs, SeedValue, Trial, TrialState,
};
use serde_json::{Map, Value, json};

use super::*;

fn trial(number: usize, values: Value, state: TrialState, objective: Option<f64>) -> Trial {
    let Value::Object(values) = values else {
        panic!("values are a map");
    };
    Trial {
        number,
        values,
        spellings: Default::default(),
        state,
        objective,
        deviation: None,
        folds: None,
        interval: None,
        seeds: Vec::new(),
        epochs: None,
        max_epochs: None,
        seconds: 12.34,
        error: None,
        curve: Vec::new(),
    }
}

fn axis(name: &str, label: &str, kind: AxisKind) -> Axis {
    Axis {
        name: name.to_owned(),
        label: label.to_owned(),
        kind,
    }
}

/// Trials in every state, with a tie and an objective that is not a number.
fn report() -> SweepReport {
    use TrialState::{Failed, Finished, NotRun, StoppedEarly};
    let values =
        |rate: f64, model: &str| json!({ "learning_rate": rate, "model": model, "zoom": 0.1 });
    let mut trials = vec![
        trial(0, values(0.001234567, "model1"), Finished, Some(0.91234)),
        trial(1, values(0.01, "model|6"), Finished, Some(0.95)),
        trial(2, values(1e-5, "model1"), StoppedEarly, Some(0.99)),
        trial(3, values(0.1, "model1"), Failed, None),
        trial(4, values(0.002, "model1"), NotRun, None),
        trial(5, values(0.003, "model1"), Finished, Some(0.95)),
        trial(
            6,
            json!({ "model": "model1", "zoom": 0.1 }),
            Finished,
            Some(f64::NAN),
        ),
    ];
    trials[1].deviation = Some(0.008);
    trials[1].interval = Some([0.93, 0.97]);
    trials[1].seeds = vec![
        SeedValue {
            seed: 42,
            value: Some(0.942),
        },
        SeedValue {
            seed: 43,
            value: Some(0.958),
        },
    ];
    trials[1].epochs = Some(18);
    trials[1].max_epochs = Some(18);
    trials[2].epochs = Some(2);
    trials[2].max_epochs = Some(18);
    trials[2].curve = vec![(1, Some(0.7)), (2, None)];
    trials[3].error = Some("loss is \"no\" number\nmore".to_owned());
    SweepReport {
        best_metrics: Vec::new(),
        pipeline: "search".to_owned(),
        method: "tpe".to_owned(),
        objective: Some(Objective {
            metric: "evaluate.f1".to_owned(),
            direction: Direction::Maximize,
            is_contradicted: false,
            of: None,
        }),
        axes: vec![
            axis("cnn.params.learning_rate", "learning_rate", AxisKind::Log),
            axis("cnn.params.model", "model", AxisKind::Choice),
            axis("zoom", "zoom", AxisKind::Numeric),
        ],
        rungs: Some(Rungs {
            metric: "validation_loss".to_owned(),
            epochs: vec![2, 6, 18],
        }),
        trials,
        importance: vec![
            Importance {
                axis: "learning_rate".to_owned(),
                share: Some(0.617),
                correlation: Some(-0.71),
                note: String::new(),
            },
            Importance {
                axis: "model".to_owned(),
                share: Some(0.3),
                correlation: None,
                note: "together with width".to_owned(),
            },
        ],
        importance_of: Some(ImportanceOf {
            estimator: "fANOVA".to_owned(),
            metric: "validation_loss".to_owned(),
            direction: Direction::Minimize,
            epochs: Some(2),
            trials: 40,
            jointly: Some(0.083),
            note: String::new(),
        }),
    }
}

fn order(report: &SweepReport) -> Vec<usize> {
    ranked(report).iter().map(|trial| trial.number).collect()
}

#[test]
fn a_direction_that_the_results_contradict_is_a_warning_at_the_end() {
    let mut report = report();
    let text = |report: &SweepReport| render(report, None, Format::Terminal, None);
    assert!(!text(&report).contains("warning"));
    if let Some(objective) = &mut report.objective {
        objective.is_contradicted = true;
    }
    let warning = "warning: lower values of `evaluate.f1` are better according to the results, but the objective's \
                   `direction` prefers the trial with the highest\n";
    assert!(text(&report).ends_with(warning), "{}", text(&report));
}

#[test]
fn the_best_trial_is_first_and_failed_trials_are_last() {
    let mut report = report();
    assert_eq!(order(&report), [1, 5, 0, 6, 2, 3, 4]);
    assert_eq!(report.best().map(|trial| trial.number), Some(1));
    report.objective = Some(Objective {
        metric: "evaluate.f1".to_owned(),
        direction: Direction::Minimize,
        is_contradicted: false,
        of: None,
    });
    assert_eq!(order(&report), [0, 1, 5, 6, 2, 3, 4]);
    report.trials.reverse();
    assert_eq!(order(&report), [0, 1, 5, 6, 2, 3, 4]);
    report
        .trials
        .retain(|trial| trial.state != TrialState::Finished);
    assert_eq!(report.best(), None);
}

#[test]
fn terminal() {
    let mut report = report();
    report.trials.remove(6);
    let expected = "\
search: 6 trials by tpe: 3 finished, 1 stopped early, 1 failed, 1 not run, highest evaluate.f1 first
┌───────┬───────────────┬─────────┬──────────────────────────────────┬────────┬────────┬───────────────┐
│ trial ┆ learning_rate ┆ model   ┆                      evaluate.f1 ┆ epochs ┆   time ┆ state         │
╞═══════╪═══════════════╪═════════╪══════════════════════════════════╪════════╪════════╪═══════════════╡
│   ★ 1 ┆          0.01 ┆ model|6 ┆ 0.9500 ± 0.0080 [0.9300, 0.9700] ┆     18 ┆ 12.3 s ┆ finished      │
│     5 ┆         0.003 ┆ model1  ┆                           0.9500 ┆        ┆ 12.3 s ┆ finished      │
│     0 ┆       0.00123 ┆ model1  ┆                           0.9123 ┆        ┆ 12.3 s ┆ finished      │
│     2 ┆          1e-5 ┆ model1  ┆                           0.9900 ┆   2/18 ┆ 12.3 s ┆ stopped early │
│     3 ┆           0.1 ┆ model1  ┆                                - ┆        ┆ 12.3 s ┆ failed        │
│     4 ┆         0.002 ┆ model1  ┆                                - ┆        ┆        ┆ not run       │
└───────┴───────────────┴─────────┴──────────────────────────────────┴────────┴────────┴───────────────┘
± standard deviation, and 95 % intervals over seeds
the same in all trials: zoom 0.1
trial 3 failed: loss is \"no\" number
importance for validation_loss after 2 epochs: shares of its variance over the declared space (fANOVA, 40 trials)
  learning_rate   62 %, more is better (-0.71)
  model           30 %, together with width
  the other 8 % depend on several axes together
";
    assert_eq!(render(&report, None, Format::Terminal, Some(120)), expected);
    let some = render(&report, Some(2), Format::Terminal, Some(120));
    assert!(some.contains("and 4 more trials\n"), "{some}");
    assert!(
        !some.contains("state"),
        "all trials shown have finished: {some}"
    );
}

#[test]
fn missing_importance_is_a_dash_with_its_reason() {
    let mut report = report();
    let of = report.importance_of.as_mut().unwrap();
    (of.epochs, of.jointly, of.note) = (None, None, "needs more trials".to_owned());
    for known in &mut report.importance {
        known.share = None;
    }
    let expected = "
importance for validation_loss: - (needs more trials)
  learning_rate      -, more is better (-0.71)
";
    let text = render(&report, None, Format::Terminal, Some(120));
    assert!(text.ends_with(expected), "{text}");
    report.importance[0].correlation = None;
    let text = render(&report, None, Format::Terminal, Some(120));
    assert!(text.ends_with(": - (needs more trials)\n"), "{text}");
    let json: Value =
        serde_json::from_str(&render(&report, None, Format::Json, Some(120))).unwrap();
    assert_eq!(json["importance"][0]["share"], Value::Null);
    assert_eq!(json["importance_of"]["note"], "needs more trials");
}

#[test]
fn an_axis_that_varies_only_among_hidden_trials_is_not_called_constant() {
    let mut report = report();
    for trial in &mut report.trials {
        let model = if trial.number == 4 {
            "model2"
        } else {
            "model1"
        };
        trial.values.insert("model".to_owned(), json!(model));
    }
    let text = render(&report, Some(2), Format::Terminal, Some(120));
    assert!(
        text.contains("the same in all trials: zoom 0.1\n"),
        "{text}"
    );
}

#[test]
fn a_ranking_is_never_wider_than_the_terminal() {
    use unicode_width::UnicodeWidthStr;
    let mut report = report();
    for number in 0..9 {
        let label = format!("parameter_{number}");
        report.axes.push(axis(&label, &label, AxisKind::Numeric));
        for trial in &mut report.trials {
            let value = 0.123456 * (trial.number + number) as f64;
            trial.values.insert(label.clone(), json!(value));
        }
    }
    report.importance[1].share = Some(0.9);
    for width in [60, 80, 100, 140, 400] {
        let text = render(&report, None, Format::Terminal, Some(width));
        let lines = text.lines().filter(|line| line.starts_with(['│', '┌']));
        let widest = lines.map(|line| line.width()).max().unwrap();
        assert!(widest <= width, "{width}:\n{text}");
        // The important column is kept at every width.
        assert!(text.contains("┆ model "), "{width}:\n{text}");
        assert_eq!(
            text.contains("not shown: "),
            width < 200,
            "{width}:\n{text}"
        );
    }
}

#[test]
fn markdown() {
    let text = render(&report(), Some(2), Format::Markdown, Some(100));
    let expected = "\
**search: 7 trials by tpe: 4 finished, 1 stopped early, 1 failed, 1 not run, highest evaluate.f1 first**

| trial | learning_rate | model | evaluate.f1 | epochs | time |
| --- | --- | --- | --- | --- | --- |
| ★ 1 | 0.01 | model\\|6 | 0.9500 ± 0.0080 [0.9300, 0.9700] | 18 | 12.3 s |
| 5 | 0.003 | model1 | 0.9500 |  | 12.3 s |

± standard deviation, and 95 % intervals over seeds

the same in all trials: zoom 0.1
";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn csv_has_everything_in_full() {
    let text = render(&report(), None, Format::Csv, Some(100));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "rank,trial,state,cnn.params.learning_rate,cnn.params.model,zoom,evaluate.f1,\
         evaluate.f1 sd,evaluate.f1 low,evaluate.f1 high,evaluate.f1 seed 42,evaluate.f1 seed 43,\
         epochs,max epochs,seconds,error"
    );
    assert_eq!(
        lines[1],
        "1,1,finished,0.01,model|6,0.1,0.95,0.008,0.93,0.97,0.942,0.958,18,18,12.34,"
    );
    assert_eq!(
        lines[3],
        "3,0,finished,0.001234567,model1,0.1,0.91234,,,,,,,,12.34,"
    );
    // The error has two lines, which are one field.
    assert_eq!(
        lines[6],
        "6,3,failed,0.1,model1,0.1,,,,,,,,,12.34,\"loss is \"\"no\"\" number"
    );
    assert_eq!(lines[4], "4,6,finished,,model1,0.1,,,,,,,,,12.34,");
}

#[test]
fn json_is_the_report_ranked() {
    let report = report();
    let text = render(&report, Some(3), Format::Json, Some(100));
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&value["best"], &value["trials_in_all"]),
        (&json!(1), &json!(7))
    );
    let read: SweepReport = serde_json::from_str(&text).unwrap();
    let mut expected = report.clone();
    expected.trials = [1, 5, 0]
        .map(|number| report.trials[number].clone())
        .to_vec();
    assert_eq!(read, expected);
}

#[test]
fn latex_uses_the_rules_of_booktabs() {
    let text = render(&report(), Some(2), Format::Latex, Some(100));
    let expected = "\
% in the preamble: \\usepackage{booktabs}
\\begin{table}
  \\centering
  \\caption{The best 2 of 7 trials of the sweep search, highest evaluate.f1 first. Mean $\\pm$ standard \
deviation of 2 seeds, with the 95\\,\\% interval over seeds. In all trials: zoom 0.1.}
  \\label{tab:search}
  \\begin{tabular}{rrlrr}
    \\toprule
    trial & learning\\_rate & model & evaluate.f1 & epochs \\\\
    \\midrule
    \\textbf{1} & \\textbf{0.01} & \\textbf{model\\textbar{}6} & \\textbf{0.9500 $\\pm$ 0.0080 \
[0.9300, 0.9700]} & \\textbf{18} \\\\
    5 & 0.003 & model1 & 0.9500 &  \\\\
    \\bottomrule
  \\end{tabular}
  \\par\\footnotesize importance for validation\\_loss after 2 epochs: shares of its variance over the declared space \
(fANOVA, 40 trials)
  \\par\\footnotesize learning\\_rate 62 \\%, more is better (-0.71)
  \\par\\footnotesize model 30 \\%, together with width
  \\par\\footnotesize the other 8 \\% depend on several axes together
\\end{table}
";
    assert_eq!(text, expected);
}

#[test]
fn a_sweep_without_trials_renders_in_every_format() {
    let report = SweepReport {
        trials: Vec::new(),
        ..report()
    };
    for format in [
        Format::Terminal,
        Format::Markdown,
        Format::Csv,
        Format::Json,
        Format::Latex,
    ] {
        let text = render(&report, None, format, Some(100));
        assert!(
            text.ends_with('\n') && text.lines().count() >= 1,
            "{format:?}: {text}"
        );
    }
}

#[test]
fn figures_show_the_trials_with_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut report = report();
    figures::parallel_coordinates(&report, stages::analysis::RESULTS, &path("a.png")).unwrap();
    assert!(figures::learning_curves(&report, stages::analysis::RESULTS, &path("b.png")).unwrap());
    // Values of finished trials change the figure; values of failed ones do not.
    report.trials[3].values = Map::new();
    figures::parallel_coordinates(&report, stages::analysis::RESULTS, &path("c.png")).unwrap();
    let bytes = |name: &str| std::fs::read(path(name)).unwrap();
    assert_eq!(bytes("a.png"), bytes("c.png"));
    report.trials[0].values["model"] = json!({ "layers": 3 });
    figures::parallel_coordinates(&report, stages::analysis::RESULTS, &path("c.png")).unwrap();
    assert_ne!(bytes("a.png"), bytes("c.png"));
    report.trials.truncate(2);
    assert!(!figures::learning_curves(&report, stages::analysis::RESULTS, &path("d.png")).unwrap());
    assert!(!path("d.png").exists());
}
