//! `--notify`.

use std::fs;

use rustix::process::Signal;

use super::{start_waiting, waiting_sandbox};
use crate::sandbox::{Sandbox, finish, signal};

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

    // What it prints is shown, but not with `--quiet`.
    let spoke = run(&["echo sent; printf '\\033[2J!' >&2"]);
    assert!(spoke.stderr.contains("\nsent\n"), "{spoke:?}");
    assert!(!spoke.stderr.contains('\u{1b}'), "{spoke:?}");
    assert_eq!(run(&["echo sent", "--quiet"]).stderr, "");

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
