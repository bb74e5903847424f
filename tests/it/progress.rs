//! What a run shows while it goes on, to its own terminal and to other processes, and how it is stopped and followed.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Child;

use rustix::process::Signal;
use serde_json::Value;

use crate::sandbox::{Finished, Sandbox, eventually, finish, list, signal};

/// A program that runs until the file `go` exists, and a stage after it.
fn waiting(sandbox: &Sandbox) -> String {
    let go = sandbox.path("go");
    format!(
        r#"
version: 1
name: waiting
stages:
  quick: {{ kind: command, params: {{ argv: [sh, -c, "echo x > o"], outputs: {{ o: o }} }} }}
  slow:
    kind: command
    inputs: {{ q: quick.o }}
    params: {{ argv: [sh, -c, 'while [ ! -e "$1" ]; do sleep 0.05; done; echo x > o', sh, "{}"], outputs: {{ o: o }} }}
  last: {{ kind: command, inputs: {{ s: slow.o }}, params: {{ argv: [sh, -c, "echo x > o"], outputs: {{ o: o }} }} }}
"#,
        go.to_str().unwrap()
    )
}

fn waiting_sandbox() -> Sandbox {
    let sandbox = Sandbox::new("");
    fs::write(sandbox.path("pipeline.yaml"), waiting(&sandbox)).unwrap();
    sandbox
}

/// Starts a run and waits until the stage `slow` runs.
fn start_waiting(sandbox: &Sandbox, args: &[&str]) -> Child {
    let runner = sandbox.start(&[&["run", "pipeline.yaml"], args].concat());
    eventually("running", || {
        events(sandbox)
            .contains(r#""event":"stage-started","stage":"slow""#)
            .then_some(())
    });
    runner
}

/// Returns the events of the newest run.
fn events(sandbox: &Sandbox) -> String {
    let mut runs = list(&sandbox.path("artifacts/v1/runs"));
    runs.sort();
    let newest = runs.last().map(|run| run.join("events.jsonl"));
    newest
        .and_then(|file| fs::read_to_string(file).ok())
        .unwrap_or_default()
}

fn run_id(sandbox: &Sandbox) -> String {
    let run = sandbox.last_run();
    run["run"].as_str().unwrap().to_owned()
}

/// A stage used to start before its producer was reported as done, whenever the record of the producer was still being
/// flushed.
#[test]
fn a_producer_is_done_before_its_consumer_starts() {
    let mut text = "version: 1\nname: chains\nstages:\n".to_owned();
    // Each stage writes something else, so that none of them is cached.
    let sh = |name: &str| {
        format!(
            "kind: command, params: {{ argv: [sh, -c, \"echo {name} > o\"], outputs: {{ o: o }} }}"
        )
    };
    for chain in ["a", "b"] {
        text += &format!("  {chain}0: {{ {} }}\n", sh(&format!("{chain}0")));
        for index in 1..20 {
            let before = index - 1;
            let own = sh(&format!("{chain}{index}"));
            text += &format!("  {chain}{index}: {{ inputs: {{ i: {chain}{before}.o }}, {own} }}\n");
        }
    }
    let sandbox = Sandbox::new(&text);
    let run = sandbox.runner(&["run", "pipeline.yaml", "-j", "2"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let mut done = HashSet::new();
    let mut starts = 0;
    for line in run.stderr.lines() {
        let Some((stage, what)) = line.split_once(": ") else {
            continue;
        };
        if what.starts_with("done") {
            done.insert(stage);
        } else if let Some(producer) = what.strip_prefix("starts (after ") {
            starts += 1;
            let producer = producer.trim_end_matches(')');
            assert!(done.contains(producer), "{line}: {}", run.stderr);
        }
    }
    assert_eq!((done.len(), starts), (40, 38));
    // Other observers see the same order.
    let mut ended = HashSet::new();
    for line in events(&sandbox).lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        match event["event"].as_str().unwrap() {
            "stage-ended" => {
                let name = event["stage"]["name"].as_str().unwrap();
                ended.insert(name.to_owned());
            }
            "stage-started" => {
                if let Some(producer) = event["reason"].as_str().unwrap().strip_prefix("after ") {
                    assert!(ended.contains(producer), "{line}");
                }
            }
            _ => {}
        }
    }
}

const TRAINING: &str = r#"
version: 1
name: training
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 600, test_images: 20 } }, image_size: 16, validation: 0.2 }
  cnn:
    kind: train-cnn
    inputs: { train: xrays.train, validation: xrays.validation }
    params:
      model: [{ conv: { filters: 16 } }, { max_pool: 2 }, flatten, { dense: { units: 1 } }]
      epochs: 5000
"#;

#[test]
fn a_stopped_run_says_how_far_it_got_and_status_knows_its_checkpoint() {
    let sandbox = Sandbox::new(TRAINING);
    let runner = sandbox.start(&["run", "pipeline.yaml"]);
    eventually("checkpoint", || {
        let events = events(&sandbox);
        let progress = r#""event":"stage-progress","stage":"cnn""#;
        let has_rate = events.matches(progress).count() >= 3;
        (has_rate && events.contains("stage-checkpoint")).then_some(())
    });
    // Another process sees how far it is.
    let shown = sandbox.runner(&["runs", "show", "--json"]).json();
    let stage = &shown["progress"]["running"][0];
    assert_eq!(stage["name"], "cnn", "{shown}");
    assert_eq!(stage["progress"]["total"], 5000.0, "{shown}");
    assert!(stage["progress"]["figures"]["loss"].is_f64(), "{shown}");
    assert!(shown["progress"]["seconds_left"].is_f64(), "{shown}");
    let page = sandbox.runner(&["runs", "show", "latest"]).stdout;
    assert!(
        page.contains("\nprogress  1 of 2 stages, 1 running; about "),
        "{page}"
    );
    assert!(page.contains("\ncnn: epoch "), "{page}");
    let status = sandbox.runner(&["status", "pipeline.yaml"]).stdout;
    assert!(status.contains(" has been running since "), "{status}");

    signal(runner.id(), Signal::INT).unwrap();
    let stopped = finish(runner);
    assert_eq!(stopped.code, Some(130), "{stopped:?}");
    let stderr = &stopped.stderr;
    assert!(
        stderr.contains("after 10 s are killed; interrupt again to kill"),
        "{stderr}"
    );
    let line = stderr
        .lines()
        .find(|line| line.starts_with("cnn: epoch "))
        .expect(stderr);
    assert!(line.contains("/5000; resumes after "), "{line}");
    assert!(
        stderr.contains("stopped: 1 of 2 stages done; the same command continues from here"),
        "{stderr}"
    );

    for command in ["status", "plan"] {
        let text = sandbox.runner(&[command, "pipeline.yaml"]).stdout;
        assert!(
            text.contains("will run: first run; resumes after "),
            "{text}"
        );
        assert!(text.contains("of 5000"), "{text}");
        assert!(!text.contains("has been running"), "{text}");
        let object = sandbox.runner(&[command, "pipeline.yaml", "--json"]).json();
        assert_eq!(
            object["stages"][1]["resumes_after"]["epochs"], 5000,
            "{object}"
        );
        assert_eq!(object["running"], Value::Array(Vec::new()), "{object}");
    }
    // Nobody knows how long the rest takes, and the plan says so.
    let plan = sandbox.runner(&["plan", "pipeline.yaml"]).stdout;
    assert!(
        plan.contains("time unknown: 1 of 1 stage has never finished here"),
        "{plan}"
    );
}

#[test]
fn status_names_the_last_failure_and_its_log() {
    let sandbox = Sandbox::new(
        "version: 1\nname: t\nstages:\n  a: { kind: command, matrix: { v: [1, 2] }, params: { argv: [sh, -c, \"echo why >&2; exit ${matrix.v}\"] } }\n",
    );
    assert_eq!(
        sandbox.runner(&["run", "pipeline.yaml", "-j", "1"]).code,
        Some(100)
    );
    let run = run_id(&sandbox);
    let status = sandbox.runner(&["status", "pipeline.yaml"]).stdout;
    let expected = format!("a[1]: failed in run {run}: ");
    let line = status
        .lines()
        .find(|line| line.starts_with(&expected))
        .expect(&status);
    let logs = format!("`runner runs logs {run} 'a[1]'` prints its output");
    assert!(line.ends_with(&logs), "{line}");
    assert!(!status.contains("a[2]: failed"), "{status}");
    let object = sandbox
        .runner(&["status", "pipeline.yaml", "--json"])
        .json();
    assert_eq!(object["stages"][0]["last_failure"]["run"], run.as_str());
    assert_eq!(object["stages"][1]["last_failure"], Value::Null);
}

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

    let attached = [&["attach"][..], &["attach", "latest"]].map(|args| sandbox.start(args));
    fs::write(sandbox.path("go"), "").unwrap();
    let ran = finish(runner);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let names = |finished: &Finished| -> Vec<String> {
        let lines = finished
            .stderr
            .lines()
            .filter(|line| !line.contains(" running; "));
        let word = |line: &str| {
            line.split_whitespace()
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
        };
        lines.map(word).collect()
    };
    for attached in attached.map(finish) {
        assert_eq!(attached.code, Some(0), "{attached:?}");
        assert_eq!(names(&attached), names(&ran));
    }
    // A run that has ended is shown as it was.
    let again = sandbox.runner(&["attach", "latest"]);
    assert_eq!((again.code, names(&again)), (Some(0), names(&ran)));
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

/// A pipeline of one program that succeeds or fails.
fn one(program: &str) -> Sandbox {
    Sandbox::new(&format!(
        "version: 1\nname: one\nstages:\n  a: {{ kind: command, params: {{ argv: [sh, -c, \"{program}\"] }} }}\n"
    ))
}

/// Writes what a notification is told to the file `told`.
const TELL: &str = r#"echo "$RUNNER_PIPELINE $RUNNER_STATE $RUNNER_RAN $RUNNER_CACHED $RUNNER_FAILED $RUNNER_RUN" >> told; cd "$RUNNER_FOLDER""#;

#[test]
fn a_command_is_told_of_the_end_of_a_run() {
    let told = |sandbox: &Sandbox| fs::read_to_string(sandbox.path("told")).unwrap_or_default();
    let sandbox = one("true");
    let run =
        |args: &[&str]| sandbox.runner(&[&["run", "pipeline.yaml", "--notify"], args].concat());
    assert_eq!(run(&[TELL, "-n"]).code, Some(0));
    assert_eq!(told(&sandbox), "");
    let first = run(&[TELL]);
    assert!(!first.stderr.contains("warning"), "{first:?}");
    assert_eq!(run(&[TELL]).code, Some(0));
    let said = told(&sandbox);
    let said: Vec<(&str, &str)> = said
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap())
        .collect();
    let texts: Vec<&str> = said.iter().map(|(text, _)| *text).collect();
    assert_eq!(texts, ["one succeeded 1 0 0", "one succeeded 0 1 0"]);
    for (_, run) in said {
        assert!(sandbox.path("artifacts/v1/runs").join(run).is_dir());
    }

    // Its failure changes nothing, and its output does not mix with results.
    let failed = run(&["echo out; printf '\\033[2Jwhy' >&2; exit 3", "--json"]);
    assert_eq!(failed.code, Some(0), "{failed:?}");
    failed.json();
    let warning = "warning: the command of `--notify` failed (exit status: 3): out";
    assert!(failed.stderr.contains(warning), "{failed:?}");
    assert!(!failed.stderr.contains('\u{1b}'), "{failed:?}");
    assert_eq!(run(&[" "]).code, Some(2));

    let failing = one("exit 1");
    let run = failing.runner(&["run", "pipeline.yaml", "--notify", TELL]);
    assert_eq!(run.code, Some(100), "{run:?}");
    assert!(told(&failing).starts_with("one failed 0 0 1 "), "{run:?}");

    let sandbox = waiting_sandbox();
    let runner = start_waiting(&sandbox, &["--notify", TELL]);
    signal(runner.id(), Signal::TERM).unwrap();
    assert_eq!(finish(runner).code, Some(143));
    assert!(told(&sandbox).starts_with("waiting cancelled 1 0 0 "));
}

#[test]
fn only_the_user_can_set_a_command_for_all_runs() {
    let sandbox = one("true");
    fs::create_dir_all(sandbox.path(".config/runner")).unwrap();
    let setting = "notify = \"touch told\"\n";
    fs::write(sandbox.path(".runner.toml"), setting).unwrap();
    let refused = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("a project cannot set `notify`"),
        "{refused:?}"
    );
    let trusted = sandbox.runner(&["config", "trust"]);
    assert_eq!(trusted.code, Some(2), "{trusted:?}");
    fs::remove_file(sandbox.path(".runner.toml")).unwrap();
    fs::write(sandbox.path(".config/runner/config.toml"), setting).unwrap();
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(sandbox.path("told").exists());
}
