//! Reports of runs that succeeded, failed, go on, are sweeps, or consist of programs only.

use std::fs;

use rustix::process::Signal;

use super::document::{by_id, text};
use super::{models, report};
use crate::sandbox::{Sandbox, eventually, finish, signal};
use crate::sweeping::GRID;

#[test]
fn a_run_with_models_shows_results_images_and_lineage() {
    let sandbox = Sandbox::new(&models());
    let run = sandbox.run_json(&[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let report = report(&sandbox, &["pipeline.yaml"]);
    let expected = [
        "summary",
        "results",
        "evaluations",
        "data",
        "stages",
        "details",
        "reproduce",
    ];
    assert_eq!(report.contents(), expected);
    let summary = report.section("summary");
    for part in [
        "Cache hits 0 of",
        "Seed",
        "Machine",
        "runner 0.1.0",
        "Warnings",
    ] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
    let reproduce = report.section("reproduce");
    assert!(
        reproduce.contains("runner run pipeline.yaml"),
        "{reproduce}"
    );

    // A cell leads to the figures of its evaluation, and from there to its parameters.
    let document = report.document();
    let table = by_id(&document, "results").unwrap();
    let links = table
        .descendants()
        .filter_map(|node| node.attribute("href"));
    let links: Vec<&str> = links.collect();
    let evaluations = links.iter().filter(|link| link.ends_with("-evaluation"));
    assert_eq!(evaluations.clone().count(), 2, "{links:?}");
    for link in evaluations {
        let evaluation = by_id(&document, &link[1..]).unwrap();
        let parts = text(evaluation);
        for part in ["Confusion matrix", "By class", "ROC curve", "loss by epoch"] {
            assert!(parts.contains(part), "{part}: {parts}");
        }
        let svg = evaluation
            .descendants()
            .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "svg")));
        assert!(svg.count() >= 3);
        // The table of classes has many columns, so it is not beside another one.
        let has_class = |node: &roxmltree::Node<'_, '_>, class: &str| {
            let classes = node.attribute("class").unwrap_or_default();
            classes.split(' ').any(|one| one == class)
        };
        let mut nodes = evaluation.descendants();
        let classes = nodes.find(|node| has_class(node, "classes")).unwrap();
        assert!(!classes.ancestors().any(|node| has_class(&node, "columns")));
        let stage = link.strip_suffix("-evaluation").unwrap();
        let lineage = text(by_id(&document, &stage[1..]).unwrap());
        assert!(
            lineage.contains("Made from images: xrays.test"),
            "{lineage}"
        );
    }
    let data = report.section("data");
    for part in ["NORMAL", "PNEUMONIA", "Leakage check", "Samples of train"] {
        assert!(data.contains(part), "{part}: {data}");
    }
}

#[test]
fn misclassified_images_come_with_the_most_confident_first() {
    let sandbox = Sandbox::new(&models());
    // Too few epochs to learn anything.
    let run = sandbox.run_json(&["-S", "epochs=1"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let report = report(&sandbox, &["pipeline.yaml", "-S", "epochs=1"]);
    let document = report.document();
    let list = document
        .descendants()
        .find(|node| node.attribute("class") == Some("mistakes"));
    let items: Vec<_> = list
        .expect("some images are misclassified")
        .children()
        .filter(roxmltree::Node::is_element)
        .collect();
    let probability = |item: &roxmltree::Node<'_, '_>| -> f64 {
        let text = text(*item);
        let (_, rest) = text.split_once('(').unwrap();
        rest.split(')').next().unwrap().parse().unwrap()
    };
    let probabilities: Vec<f64> = items.iter().map(probability).collect();
    assert!(
        probabilities.is_sorted_by(|a, b| a >= b),
        "{probabilities:?}"
    );
    for item in items {
        let image = item
            .descendants()
            .find(|node| node.has_tag_name(("http://www.w3.org/1999/xhtml", "img")));
        let image = image.expect("every mistake has its image");
        let (name, class) = image
            .attribute("alt")
            .unwrap()
            .split_once(", an image of class ")
            .unwrap();
        let shown = text(item);
        let shown = shown.strip_suffix(" heat map").unwrap_or(&shown);
        assert!(shown.starts_with(class) && shown.ends_with(name), "{shown}");
    }
}

/// Programs only: one makes metrics, one fails, one waits for it.
const PROGRAMS: &str = r#"
version: 1
name: programs
vars: { broken: "false", go: / }
stages:
  count:
    kind: command
    params:
      argv: "echo '{\"lines\": {\"value\": 3, \"direction\": \"maximize\"}}' > metrics.json"
      shell: sh
      metrics: metrics.json
  check:
    kind: command
    inputs: { counted: count }
    params:
      argv: "until [ -e ${go} ]; do sleep 0.05; done; echo line 1; if ${broken}; then echo it is broken >&2; exit 3; fi; echo > made"
      shell: sh
      outputs: { made: made }
  last:
    kind: command
    inputs: { made: check }
    params: { argv: [cp, made/made, copy], outputs: { copy: copy } }
expect:
  count.lines: { at_least: 2 }
"#;

#[test]
fn a_pipeline_of_programs_has_metrics_and_expectations_but_no_empty_sections() {
    let sandbox = Sandbox::new(PROGRAMS);
    let run = sandbox.run_json(&[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let report = report(&sandbox, &["pipeline.yaml"]);
    let expected = ["summary", "results", "stages", "details", "reproduce"];
    assert_eq!(report.contents(), expected);
    let results = report.section("results");
    assert!(results.contains("count lines 3"), "{results}");
    assert!(results.contains("✓ pass"), "{results}");
}

#[test]
fn a_failed_run_shows_why_and_what_did_not_run() {
    let sandbox = Sandbox::new(PROGRAMS);
    let run = sandbox.run_json(&["-S", "broken='true'"]);
    assert_eq!(run.code, Some(100), "{run:?}");
    let report = report(&sandbox, &["pipeline.yaml", "-S", "broken='true'"]);
    let summary = report.section("summary");
    for part in ["check failed", "line 1 it is broken"] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
    let stages = report.section("stages");
    assert!(
        stages.contains("last command – skipped check: failed"),
        "{stages}"
    );
    // The graph of what never ran is known from the plan.
    let document = report.document();
    let last = text(by_id(&document, "stage-last").unwrap());
    assert!(last.contains("Made from made: check.made"), "{last}");
}

#[test]
fn stages_without_results_have_details_without_the_pipeline_file() {
    let sandbox = Sandbox::new(PROGRAMS);
    let run = sandbox.run_json(&["-S", "broken='true'"]);
    assert_eq!(run.code, Some(100), "{run:?}");
    fs::remove_file(sandbox.path("pipeline.yaml")).unwrap();
    let report = report(&sandbox, &["--run", "latest"]);
    let document = report.document();
    let details = |id: &str| text(by_id(&document, id).unwrap());
    let failed = details("stage-check");
    for part in [
        "exit code 3",
        "Why it ran: its inputs were made in this run – count : first run.",
        "Made from counted: count.metrics",
        "argv [/bin/sh, -ec, until [ -e / ]; do sleep 0.05; done; echo line 1; if true;",
        "program /bin/sh:",
    ] {
        assert!(failed.contains(part), "{part}: {failed}");
    }
    let log = report.section("details");
    assert!(
        log.contains("End of its output line 1 it is broken"),
        "{log}"
    );
    let skipped = details("stage-last");
    for part in [
        "Why it did not run: its inputs are missing – check : failed.",
        "argv [cp, made/made, copy]",
    ] {
        assert!(skipped.contains(part), "{part}: {skipped}");
    }
}

#[test]
fn cancelled_stages_have_details() {
    let sandbox = Sandbox::new(PROGRAMS);
    let set = format!("go='{}'", sandbox.path("go").display());
    let running = sandbox.start(&["run", "pipeline.yaml", "-S", &set]);
    until_check_runs(&sandbox);
    signal(running.id(), Signal::INT).unwrap();
    let done = finish(running);
    assert_eq!(done.code, Some(130), "{done:?}");
    let report = report(&sandbox, &["--run", "latest"]);
    let document = report.document();
    for (id, parts) in [
        (
            "stage-check",
            [
                "Why it ran: its inputs were made",
                "argv [/bin/sh, -ec, until [",
            ],
        ),
        (
            "stage-last",
            ["Why it did not run: the run was cancelled.", "argv [cp,"],
        ),
    ] {
        let details = text(by_id(&document, id).unwrap());
        for part in parts {
            assert!(details.contains(part), "{part}: {details}");
        }
    }
}

#[test]
fn a_stage_that_ran_again_names_the_change() {
    let sandbox = Sandbox::new(PROGRAMS);
    for set in ["go='/'", "go='/tmp'"] {
        let run = sandbox.run_json(&["-S", set]);
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    let report = report(&sandbox, &["--run", "latest"]);
    let document = report.document();
    let details = |id: &str| text(by_id(&document, id).unwrap());
    let count = details("stage-count");
    let cached = "Why it did not run: nothing changed that can change its result.";
    assert!(count.contains(cached), "{count}");
    let check = details("stage-check");
    assert!(
        check.contains("Why it ran: params.argv[2] until [ -e / ]"),
        "{check}"
    );
    // The program made the same file again, so the stage after it is cached as well.
    assert!(details("stage-last").contains(cached));
    let stages = report.section("stages");
    assert!(stages.contains("params.argv[2] until"), "{stages}");
}

/// Waits until the stage `check` of the newest run is running.
fn until_check_runs(sandbox: &Sandbox) {
    eventually("a running stage", || {
        let shown = sandbox.runner(&["runs", "show", "latest", "--json"]);
        (shown.code == Some(0) && shown.stdout.contains("\"running\"") && {
            let stages = shown.json()["stages"].clone();
            let mut stages = stages.as_array().unwrap().iter();
            stages.any(|stage| stage["name"] == "check" && stage["state"] == "running")
        })
        .then_some(())
    });
}

#[test]
fn a_run_that_goes_on_is_reported_as_it_is() {
    let sandbox = Sandbox::new(PROGRAMS);
    let go = sandbox.path("go");
    let set = format!("go='{}'", go.display());
    let running = sandbox.start(&["run", "pipeline.yaml", "-S", &set]);
    until_check_runs(&sandbox);
    let report = report(&sandbox, &["--run", "latest"]);
    let summary = report.section("summary");
    assert!(summary.contains("1 of 3 stages done"), "{summary}");
    let stages = report.section("stages");
    assert!(stages.contains("check command ▶ running"), "{stages}");
    assert!(stages.contains("last command – not started"), "{stages}");
    fs::write(go, "").unwrap();
    let done = finish(running);
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[test]
fn a_sweep_has_its_trials_figures_and_importance() {
    let sandbox = Sandbox::new(GRID);
    let run = sandbox.run_json(&["-S", "sweep.axes.batch=[8]"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let report = report(&sandbox, &["pipeline.yaml", "-S", "sweep.axes.batch=[8]"]);
    let sweep = report.section("sweep");
    for part in [
        "12 trials by grid: 12 finished",
        "Objective: evaluate.roc_auc",
        "Importance of the axes",
    ] {
        assert!(sweep.contains(part), "{part}: {sweep}");
    }
    let document = report.document();
    let trials = by_id(&document, "trials").unwrap();
    let rows = trials
        .descendants()
        .filter_map(|node| node.attribute("data-trial"));
    let mut rows: Vec<&str> = rows.collect();
    let figure = by_id(&document, "parallel-coordinates").unwrap();
    let lines = figure
        .descendants()
        .filter(|node| node.attribute("data-values").is_some());
    let mut lines: Vec<&str> = lines
        .filter_map(|line| line.attribute("data-trial"))
        .collect();
    rows.sort_unstable();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!((rows.len(), &rows), (12, &lines));
}

#[test]
fn the_summary_lists_the_seed_zero() {
    let pipeline = models().replace("seed: 7\n", "seeds: 2\n");
    let sandbox = Sandbox::new(&pipeline);
    let run = sandbox.run_json(&[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let summary = report(&sandbox, &["--run", "latest"]).section("summary");
    assert!(summary.contains("Seeds 0, 1 "), "{summary}");
}
