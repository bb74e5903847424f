//! Following and cancelling a run from another process.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr};

use rustix::process::Signal;

use super::{run_id, start_waiting, waiting_sandbox};
use crate::sandbox::{Sandbox, finish, signal};

#[test]
fn attached_terminals_follow_a_run_to_its_end() {
    let sandbox = waiting_sandbox();
    let nothing = sandbox.runner(&["attach"]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    let runner = start_waiting(&sandbox, &[]);
    let idle = sandbox.runner(&["attach", "--pipeline", "other"]);
    assert!(
        idle.stderr
            .contains("no run of pipeline `other` is in progress"),
        "{idle:?}"
    );

    // Ctrl-C ends only the attached process.
    let mut detached = sandbox.start(&["attach"]);
    let mut lines = BufReader::new(detached.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("slow: starts")));
    signal(detached.id(), Signal::INT).unwrap();
    assert!(lines.any(|line| line.unwrap().starts_with("detached; the run goes on")));
    assert_eq!(finish(detached).code, Some(130));

    let attached = [&["attach"][..], &["attach", "latest"]];
    let attached = attached.map(|args| Attached::start(&sandbox, args));
    fs::write(sandbox.path("go"), "").unwrap();
    let ran = finish(runner);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for attached in attached {
        let (code, printed) = attached.end();
        assert_eq!(code, Some(0), "{printed}");
        assert_eq!(names(&printed), names(&ran.stderr));
    }
    // A run that has ended is shown as it was.
    let again = sandbox.runner(&["attach", "latest"]);
    assert_eq!(
        (again.code, names(&again.stderr)),
        (Some(0), names(&ran.stderr))
    );
}

/// The first two words of each line, without lines about the whole run.
fn names(printed: &str) -> Vec<String> {
    let lines = printed.lines().filter(|line| !line.contains(" running; "));
    let words = lines.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>());
    words.map(|words| words.join(" ")).collect()
}

/// A process that follows a run.
struct Attached {
    child: Child,
    stderr: BufReader<ChildStderr>,
    printed: String,
}

impl Attached {
    /// Starts the process, and waits until it has shown that `slow` runs. Before that, the run may end unnoticed.
    fn start(sandbox: &Sandbox, args: &[&str]) -> Self {
        let mut child = sandbox.start(args);
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut printed = String::new();
        while !printed.contains("slow: starts") {
            let read = stderr.read_line(&mut printed).unwrap();
            assert!(read > 0, "{printed}");
        }
        Self {
            child,
            stderr,
            printed,
        }
    }

    /// Waits for its end. Returns its exit code and everything that it has printed.
    fn end(mut self) -> (Option<i32>, String) {
        self.stderr.read_to_string(&mut self.printed).unwrap();
        (finish(self.child).code, self.printed)
    }
}

#[test]
fn an_attached_terminal_notices_a_kill_and_removed_events() {
    for is_killed in [true, false] {
        let sandbox = waiting_sandbox();
        let mut runner = start_waiting(&sandbox, &[]);
        let mut attached = sandbox.start(&["attach"]);
        let mut lines = BufReader::new(attached.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().starts_with("slow: starts")));
        let expected = if is_killed {
            runner.kill().unwrap();
            "was killed; run its pipeline again"
        } else {
            let run = sandbox.path("artifacts/v1/runs").join(run_id(&sandbox));
            fs::remove_file(run.join("events.jsonl")).unwrap();
            "can no longer be followed"
        };
        assert!(lines.any(|line| line.unwrap().contains(expected)));
        assert_eq!(finish(attached).code, Some(1));
        fs::write(sandbox.path("go"), "").unwrap();
        runner.wait().unwrap();
        let shown = sandbox.runner(&["runs", "show"]).stdout;
        assert_eq!(shown.contains(", killed\n"), is_killed, "{shown}");
    }
}

#[test]
fn a_run_is_cancelled_by_its_id_and_by_nothing_else() {
    let sandbox = waiting_sandbox();
    let runner = start_waiting(&sandbox, &[]);
    let id = run_id(&sandbox);
    let attached = sandbox.start(&["attach", &id]);
    let cancelled = sandbox.runner(&["runs", "cancel", &id]);
    assert_eq!(cancelled.code, Some(0), "{cancelled:?}");
    let ran = finish(runner);
    assert_eq!(ran.code, Some(143), "{ran:?}");
    assert!(
        ran.stderr
            .contains("slow: starts over, because it has no checkpoint"),
        "{ran:?}"
    );
    // Nothing that follows from the stop is said before it.
    let (before, after) = ran.stderr.split_once("stopping: ").expect(&ran.stderr);
    assert!(!before.contains("cancelled"), "{ran:?}");
    assert!(after.contains("2 cancelled"), "{ran:?}");
    assert_eq!(finish(attached).code, Some(143));
    let again = sandbox.runner(&["runs", "cancel", &id]);
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(
        again
            .stderr
            .contains("is not in progress: its state is `cancelled`"),
        "{again:?}"
    );
}

#[test]
fn without_a_terminal_a_line_tells_how_far_the_run_is_even_if_nothing_happens() {
    let sandbox = waiting_sandbox();
    let mut runner = start_waiting(&sandbox, &[]);
    let mut lines = BufReader::new(runner.stderr.take().unwrap()).lines();
    let line = "1 of 3 stages, 1 running; time left unknown: 2 stages have never finished here";
    assert!(lines.any(|found| found.unwrap() == line));
    fs::write(sandbox.path("go"), "").unwrap();
    assert!(lines.any(|found| found.unwrap().starts_with("3 stages: 3 ran; ")));
    assert_eq!(finish(runner).code, Some(0));
}
