//! Bars on a terminal.

use std::fs;

use rustix::process::Signal;

use super::waiting_sandbox;
use crate::pty::Terminal;
use crate::sandbox::{finish, signal};

const OVERALL: &str = "1 of 3 stages, 1 running";

#[test]
fn bars_show_what_runs_and_are_removed_at_the_end() {
    let sandbox = waiting_sandbox();
    let run = sandbox.command(&["run", "pipeline.yaml"]);
    let (runner, terminal) = Terminal::start(run, 100);
    let left = format!("{OVERALL}; time left unknown: 2 stages have never finished here (");
    // The bar is above the line about the run, and below the lines that stay.
    terminal.wait_for("bars", |lines| {
        let row = |start: &str| lines.iter().position(|line| line.starts_with(start));
        let rows = [row("quick: done, "), row("slow   "), row(&left)];
        let bar = rows[1].map(|row| &lines[row]);
        let is_bar = bar.is_some_and(|bar| bar.ends_with("after quick"));
        is_bar && rows[0].is_some() && rows.is_sorted()
    });

    fs::write(sandbox.path("go"), "").unwrap();
    assert_eq!(finish(runner).code, Some(0));
    let (_, lines) = terminal.end();
    for gone in ["slow   ", "1 of 3 stages", "2 of 3 stages"] {
        assert!(
            !lines.iter().any(|line| line.contains(gone)),
            "`{gone}` stays: {lines:#?}"
        );
    }
    let stays = [
        "quick: done, ",
        "slow: done, ",
        "last: done, ",
        "3 stages: 3 ran; ",
    ];
    for start in stays {
        assert!(
            lines.iter().any(|line| line.starts_with(start)),
            "`{start}` is missing: {lines:#?}"
        );
    }
}

#[test]
fn bars_fit_a_terminal_that_becomes_narrow() {
    let sandbox = waiting_sandbox();
    let run = sandbox.command(&["run", "pipeline.yaml"]);
    let (runner, terminal) = Terminal::start(run, 100);
    let starts = |lines: &[String], start| lines.iter().any(|line| line.starts_with(start));
    terminal.wait_for("bars", |lines| starts(lines, OVERALL));
    let width = 60;
    terminal.resize(width);
    // The line about the run is drawn again every second. Neither it nor the bar above wraps to the next line.
    terminal.wait_for("narrow", |lines| {
        let lines: Vec<&String> = lines.iter().filter(|line| !line.is_empty()).collect();
        let [.., bar, overall] = lines[..] else {
            return false;
        };
        let fits = |line: &str| line.chars().count() <= width.into();
        bar.starts_with("slow   ") && overall.starts_with(OVERALL) && fits(bar) && fits(overall)
    });
    fs::write(sandbox.path("go"), "").unwrap();
    assert_eq!(finish(runner).code, Some(0));
    terminal.end();
}

#[test]
fn a_stop_is_announced_before_what_it_stops() {
    let sandbox = waiting_sandbox();
    let run = sandbox.command(&["run", "pipeline.yaml"]);
    let (runner, terminal) = Terminal::start(run, 200);
    terminal.wait_for("bars", |lines| {
        lines.iter().any(|line| line.starts_with(OVERALL))
    });
    signal(runner.id(), Signal::INT).unwrap();
    assert_eq!(finish(runner).code, Some(130));
    let (_, lines) = terminal.end();
    let row = |start: &str| lines.iter().position(|line| line.starts_with(start));
    let rows = [
        row("stopping: "),
        row("3 stages: 1 ran, 2 cancelled; "),
        row("slow: starts over, because it has no checkpoint"),
        row("stopped: 1 of 3 stages done; "),
    ];
    assert!(rows.is_sorted() && rows[0].is_some(), "{lines:#?}");
    if let Some(cancelled) = row("slow: cancelled") {
        assert!(rows[0] < Some(cancelled), "{lines:#?}");
    }
}
