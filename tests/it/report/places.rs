//! Where a report is written to, which run it is about, and what cannot be reported.

use std::fs;

use super::document::Report;
use super::{models, report};
use crate::sandbox::Sandbox;

const ECHO: &str = r#"
version: 1
name: echo
vars: { word: one }
stages:
  say:
    kind: command
    params: { argv: [sh, -c, "echo ${word} > made"], outputs: { made: made } }
"#;

fn run(sandbox: &Sandbox, args: &[&str]) -> String {
    let run = sandbox.run_json(args);
    assert_eq!(run.code, Some(0), "{run:?}");
    run.json()["run"].as_str().unwrap().to_owned()
}

#[test]
fn the_newest_run_with_the_given_settings_is_reported() {
    let sandbox = Sandbox::new(ECHO);
    let first = run(&sandbox, &[]);
    let second = run(&sandbox, &["-S", "word=two"]);
    let is_about = |args: &[&str], run: &str| {
        let summary = report(&sandbox, args).section("summary");
        assert!(summary.contains(run), "{args:?}: {summary}");
        summary
    };
    is_about(&["pipeline.yaml"], &first);
    is_about(&["pipeline.yaml", "-S", "word=two"], &second);
    is_about(&["pipeline.yaml", "--run", "latest~1"], &first);
    let summary = is_about(&["--run", &second[..second.len() - 1]], &second);
    assert!(!summary.contains("would be different"), "{summary}");
    // No run has these settings.
    let summary = is_about(&["pipeline.yaml", "-S", "word=three"], &second);
    assert!(
        summary.contains("1 of 1 stage would be different now"),
        "{summary}"
    );
}

#[test]
fn a_run_can_be_reported_without_its_pipeline_file() {
    let sandbox = Sandbox::new(ECHO);
    run(&sandbox, &[]);
    fs::remove_file(sandbox.path("pipeline.yaml")).unwrap();
    let summary = report(&sandbox, &["--run", "latest"]).section("summary");
    let expected = "Tables and expectations are left out, because the pipeline file pipeline.yaml is not there.";
    assert!(summary.contains(expected), "{summary}");
}

#[test]
fn a_folder_gets_the_pictures_as_files() {
    let sandbox = Sandbox::new(&models());
    run(&sandbox, &[]);
    let done = sandbox.runner(&["report", "pipeline.yaml", "-o", "page/"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let report = Report::read(&sandbox.path("page/index.html"));
    assert!(!report.text.contains("data:image"));
    let document = report.document();
    let sources = document
        .descendants()
        .filter_map(|node| node.attribute("src"));
    let mut count = 0;
    for source in sources {
        let png = fs::read(sandbox.path("page").join(source)).unwrap();
        assert!(png.starts_with(b"\x89PNG"), "{source}");
        count += 1;
    }
    assert!(count > 0);
    // The same run gives the same report.
    let before = report.text;
    sandbox.runner(&["report", "pipeline.yaml", "-o", "page"]);
    assert_eq!(Report::read(&sandbox.path("page/index.html")).text, before);
}

#[test]
fn what_cannot_be_reported_is_a_clear_error() {
    let sandbox = Sandbox::new(ECHO);
    let fails = |args: &[&str], code: i32, message: &str| {
        let done = sandbox.runner(&[&["report"], args].concat());
        assert_eq!(done.code, Some(code), "{done:?}");
        assert!(done.stderr.contains(message), "{done:?}");
        assert!(!sandbox.path("report.html").exists());
    };
    fails(&["pipeline.yaml"], 2, "there is no store in `artifacts`");
    let validate = sandbox.runner(&["status", "pipeline.yaml"]);
    assert_eq!(validate.code, Some(0), "{validate:?}");
    let none = "there is no run of pipeline `echo` in this store yet; `runner run pipeline.yaml` makes one";
    fails(&["pipeline.yaml"], 2, none);
    run(&sandbox, &[]);
    fails(&[], 2, "required");
    fails(&["missing.yaml"], 2, "missing.yaml");
    fails(
        &["pipeline.yaml", "--run", "nothing"],
        2,
        "there is no run `nothing`",
    );
    fails(
        &["pipeline.yaml", "-o", "no/where.html"],
        1,
        "no/where.html",
    );
}
