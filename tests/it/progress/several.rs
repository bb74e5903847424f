//! Several runs of a pipeline at once.

use std::fs;
use std::io::{BufRead, BufReader};

use super::{events, run_id, start_waiting, waiting};
use crate::sandbox::{Sandbox, eventually, finish};

/// A pipeline whose runs wait for the file `go`. Runs with different values of `which` share only the stage `quick`.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new("");
    let pipeline = waiting(&sandbox)
        .replace("stages:", "vars: { which: a }\nstages:")
        .replace("done; echo x > o'", "done; echo ${which} > o'");
    fs::write(sandbox.path("pipeline.yaml"), pipeline).unwrap();
    sandbox
}

#[test]
fn each_of_several_runs_is_shown_followed_and_cancelled_by_itself() {
    let sandbox = sandbox();
    let first = start_waiting(&sandbox, &[]);
    let first_id = run_id(&sandbox);
    let second = start_waiting(&sandbox, &["-S", "which=b"]);
    let second_id = run_id(&sandbox);
    assert_ne!(first_id, second_id);
    // Ids sort by the order in which runs began, even within a second.
    assert!(first_id < second_id, "{first_id} {second_id}");

    let status = sandbox.runner(&["status", "pipeline.yaml"]).stdout;
    let rows = [&second_id, &first_id].map(|id| {
        let line = format!("\nrun {id} has been running since ");
        status.find(&line).expect(&status)
    });
    assert!(rows.is_sorted(), "the newest run is the first: {status}");
    for (name, id) in [("latest", &second_id), ("latest~1", &first_id)] {
        let shown = sandbox.runner(&["runs", "show", name, "--json"]).json();
        assert_eq!(shown["run"], id.as_str(), "{shown}");
        assert_eq!(shown["progress"]["running"][0]["name"], "slow", "{shown}");
    }

    let mut attached = sandbox.start(&["attach"]);
    let mut lines = BufReader::new(attached.stderr.take().unwrap()).lines();
    let following = format!("following the newest run, {second_id}; also running: {first_id}");
    assert_eq!(lines.next().unwrap().unwrap(), following);

    let cancelled = sandbox.runner(&["runs", "cancel", &first_id]);
    assert_eq!(cancelled.code, Some(0), "{cancelled:?}");
    assert_eq!(finish(first).code, Some(143));
    let shown = sandbox.runner(&["runs", "show", "--json"]).json();
    assert_eq!(shown["state"], "running", "{shown}");
    fs::write(sandbox.path("go"), "").unwrap();
    assert_eq!(finish(second).code, Some(0));
    assert!(lines.any(|line| line.unwrap().starts_with("3 stages: 2 ran, 1 cached; ")));
    assert_eq!(finish(attached).code, Some(0));
}

#[test]
fn a_run_that_waits_for_another_run_says_so() {
    let sandbox = sandbox();
    let first = start_waiting(&sandbox, &[]);
    let first_id = run_id(&sandbox);
    let second = sandbox.start(&["run", "pipeline.yaml"]);
    eventually("waiting", || {
        events(&sandbox).contains("stage-waits").then_some(())
    });
    let shown = sandbox.runner(&["runs", "show"]).stdout;
    let expected = [
        format!("\nprogress  1 of 3 stages, 1 waits for run {first_id}; "),
        format!("waits for run {first_id}, which makes the same result\n"),
    ];
    for expected in expected {
        assert!(shown.contains(&expected), "{expected}: {shown}");
    }
    let row = shown.lines().find(|line| line.starts_with("slow "));
    assert!(row.expect(&shown).contains("  waiting  "), "{shown}");
    let object = sandbox.runner(&["runs", "show", "--json"]).json();
    let waiting = &object["progress"]["waiting"][0];
    assert_eq!(waiting["name"], "slow", "{object}");
    assert_eq!(waiting["runs"][0], first_id.as_str(), "{object}");

    fs::write(sandbox.path("go"), "").unwrap();
    assert_eq!(finish(first).code, Some(0));
    let second = finish(second);
    assert_eq!(second.code, Some(0), "{second:?}");
    let line = format!("slow: waits for run {first_id}, which makes the same result\n");
    assert!(second.stderr.contains(&line), "{second:?}");
    assert!(!second.stderr.contains("warning"), "{second:?}");
}
