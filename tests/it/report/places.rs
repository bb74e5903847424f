//! Place of a report, the run it is about, and runs that cannot be reported.

use std::fs;

use rustix::process::Signal;

use super::document::Report;
use super::{models, report};
use crate::sandbox::{Sandbox, eventually, finish, signal};

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
    let summary = is_about(&["--run", &second], &second);
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
fn too_many_images_for_one_file_need_a_folder() {
    let sandbox = Sandbox::new(&models());
    run(&sandbox, &[]);
    let limited = |output: &str| {
        let args = [
            "report",
            "pipeline.yaml",
            "--image-limit",
            "1kB",
            "-o",
            output,
        ];
        sandbox.runner(&args)
    };
    for (output, folder) in [("x.html", "x/"), ("-", "report/")] {
        let done = limited(output);
        assert_eq!(done.code, Some(2), "{done:?}");
        let expected =
            format!("one file may contain 1.0 kB; write a folder instead: `-o {folder}`");
        assert!(done.stderr.contains(&expected), "{done:?}");
        assert_eq!(done.stdout, "");
        assert!(!sandbox.path("x.html").exists());
    }
    let done = limited("x/");
    assert_eq!(done.code, Some(0), "{done:?}");
    let report = Report::read(&sandbox.path("x/index.html"));
    assert!(report.text.contains("src=\"images/"));
    let images = fs::read_dir(sandbox.path("x/images")).unwrap();
    let bytes: u64 = images
        .map(|image| image.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes > 1000);
    let enough = sandbox.runner(&[
        "report",
        "pipeline.yaml",
        "--image-limit",
        "5MB",
        "-o",
        "x.html",
    ]);
    assert_eq!(enough.code, Some(0), "{enough:?}");
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
    fails(&["missing.yaml"], 2, "missing.yaml");
    fails(
        &["pipeline.yaml", "--run", "nothing"],
        2,
        "there is no run `nothing`",
    );
    fails(
        &["pipeline.yaml", "-o", "no/where.html"],
        2,
        "`no/where.html` cannot be written, because there is no folder `no`",
    );
}

#[test]
fn without_arguments_the_latest_run_is_reported() {
    let sandbox = Sandbox::new(ECHO);
    run(&sandbox, &[]);
    let second = run(&sandbox, &["-S", "word=two"]);
    let summary = report(&sandbox, &[]).section("summary");
    assert!(summary.contains(&second), "{summary}");
}

#[test]
fn only_reports_are_replaced() {
    let sandbox = Sandbox::new(ECHO);
    run(&sandbox, &[]);
    let page = "<!DOCTYPE html>\n<html><body>mine</body></html>\n";
    fs::create_dir(sandbox.path("site")).unwrap();
    fs::write(sandbox.path("mine.html"), page).unwrap();
    fs::write(sandbox.path("site/index.html"), page).unwrap();
    std::os::unix::fs::symlink("pipeline.yaml", sandbox.path("link")).unwrap();
    for (output, kept) in [
        ("pipeline.yaml", "pipeline.yaml"),
        ("link", "pipeline.yaml"),
        ("mine.html", "mine.html"),
        ("site", "site/index.html"),
        ("site/", "site/index.html"),
    ] {
        let before = fs::read(sandbox.path(kept)).unwrap();
        let done = sandbox.runner(&["report", "pipeline.yaml", "-o", output]);
        assert_eq!(done.code, Some(2), "{output}: {done:?}");
        let expected = format!("{kept}` exists and is not a report, so it is kept");
        assert!(done.stderr.contains(&expected), "{done:?}");
        assert_eq!(fs::read(sandbox.path(kept)).unwrap(), before);
    }
    // A report and an empty file are replaced.
    fs::write(sandbox.path("report.html"), "").unwrap();
    report(&sandbox, &[]);
    report(&sandbox, &[]);
}

#[test]
fn a_report_can_be_written_to_standard_output() {
    let sandbox = Sandbox::new(ECHO);
    run(&sandbox, &[]);
    let done = sandbox.runner(&["report", "-o", "-"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    report(&sandbox, &[]);
    let written = fs::read_to_string(sandbox.path("report.html")).unwrap();
    assert_eq!(done.stdout, written);
    assert!(!sandbox.path("-").exists());
}

/// Starts a run whose stage waits for a file, cancels it, and returns its id.
fn cancelled(sandbox: &Sandbox, args: &[&str]) -> String {
    let started = sandbox.start(&[&["run", "pipeline.yaml", "--json"], args].concat());
    eventually("a running stage", || {
        let shown = sandbox.runner(&["runs", "show", "latest", "--json"]);
        let is_running = shown.code == Some(0) && {
            let shown = shown.json();
            let mut stages = shown["stages"].as_array().unwrap().iter();
            stages.any(|stage| stage["name"] == "wait" && stage["state"] == "running")
        };
        is_running.then_some(())
    });
    signal(started.id(), Signal::INT).unwrap();
    let done = finish(started);
    assert_eq!(done.code, Some(130), "{done:?}");
    done.json()["run"].as_str().unwrap().to_owned()
}

#[test]
fn results_that_another_run_made_are_marked_and_a_succeeded_run_is_preferred() {
    let pipeline = r#"
version: 1
name: waiting
stages:
  wait:
    kind: command
    params:
      argv: "until [ -e GO ]; do sleep 0.05; done; echo '{\"lines\": 3}' > metrics.json"
      shell: sh
      metrics: metrics.json
tables:
  t: { columns: [{ title: lines, metric: wait.lines }] }
"#;
    let sandbox = Sandbox::new("");
    let go = sandbox.path("go");
    let pipeline = pipeline.replace("GO", &go.display().to_string());
    fs::write(sandbox.path("pipeline.yaml"), pipeline).unwrap();
    let first = cancelled(&sandbox, &[]);
    fs::write(&go, "").unwrap();
    let second = run(&sandbox, &[]);
    let note = "made by another run";

    let page = report(&sandbox, &["--run", &first]);
    let summary = page.section("summary");
    assert!(
        summary.contains("This run did not make all results on this page"),
        "{summary}"
    );
    let results = page.section("results");
    assert!(results.contains(&format!("3.000 {note}")), "{results}");
    assert!(page.section("details").contains(note));
    assert!(!report(&sandbox, &["--run", &second]).text.contains(note));

    // The newest run with these settings was cancelled.
    fs::remove_file(&go).unwrap();
    let third = cancelled(&sandbox, &["--force", "wait"]);
    let done = sandbox.runner(&["report", "pipeline.yaml"]);
    assert!(done.stderr.contains(&format!("run {second}")), "{done:?}");
    let why = format!("note: the newest run, `{third}`, has not succeeded (cancelled)");
    assert!(done.stderr.contains(&why), "{done:?}");
}
