//! Processes that a program leaves behind.

use std::fs;
use std::process::Command;

use super::{latest, one, run};
use crate::sandbox::{Sandbox, eventually};

/// Returns whether a process is running whose arguments contain this text.
fn runs(marker: &str) -> bool {
    crate::sandbox::list("/proc".as_ref())
        .iter()
        .any(|process| {
            let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
            let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
            let status = fs::read_to_string(process.join("stat")).unwrap_or_default();
            arguments.contains(marker) && !status.contains(") Z ")
        })
}

#[test]
fn a_process_that_is_left_behind_is_ended_and_reported() {
    for (leave, marker) in [
        (
            "setsid sleep 7711 </dev/null >/dev/null 2>&1 & sleep 0.1",
            "sleep 7711",
        ),
        ("sleep 7712 &", "sleep 7712"),
        (
            "setsid sh -c 'trap \\\"\\\" TERM HUP INT; sleep 7713; true' & sleep 0.1",
            "sleep 7713",
        ),
        (
            "(setsid sh -c 'env -i setsid sleep 7714 & env -i setsid sleep 7714' &); sleep 0.2",
            "sleep 7714",
        ),
    ] {
        let sandbox = one(&format!(
            "{{ shell: true, argv: \"{leave} echo x > x\", outputs: {{ x: x }} }}"
        )
        .replace(" echo x", "\n echo x")
        .replace('\n', "\\n"));
        let run = run(&sandbox);
        assert_eq!(run.code, Some(0), "{leave}: {run:?}");
        assert!(
            run.stderr.contains("it: warning: left "),
            "{leave}: {run:?}"
        );
        assert!(
            run.stderr.contains(" running; runner ended "),
            "{leave}: {run:?}"
        );
        assert!(!runs(marker), "{leave}");
    }
}

#[test]
fn a_stopped_program_gets_no_warning_about_processes_that_it_waits_for() {
    for _ in 0..5 {
        let sandbox = one("{ shell: true, argv: \"sleep 20; true\" }");
        let run = sandbox.runner(&[
            "run",
            "pipeline.yaml",
            "--timeout",
            "100ms",
            "--retries",
            "0",
        ]);
        assert!(
            run.stderr.contains("took longer than its timeout"),
            "{run:?}"
        );
        assert!(!run.stderr.contains("left "), "{run:?}");
    }
}

#[test]
fn a_program_that_leaves_no_process_gets_no_warning() {
    let sandbox = one("{ shell: true, argv: \"sleep 0.05 & sleep 0.05 & wait; true | true\" }");
    let run = run(&sandbox);
    assert!(!run.stderr.contains("warning"), "{run:?}");
}

#[test]
fn a_process_that_is_left_behind_does_not_write_into_another_stage() {
    let daemon = "setsid sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.05; echo FROM-A > out; done' </dev/null >/dev/null 2>&1 & sleep 0.1; pwd > out";
    let sandbox = Sandbox::new(&format!(
        r#"
version: 1
name: p
stages:
  a: {{ kind: command, params: {{ shell: true, argv: "{daemon}", outputs: {{ out: out }} }} }}
  b:
    kind: command
    matrix: {{ i: [1, 2, 3, 4] }}
    inputs: {{ in: a }}
    params: {{ shell: true, argv: "pwd > out; sleep 0.15; echo ${{matrix.i}} >> out", outputs: {{ out: out }} }}
"#
    ));
    let run = run(&sandbox);
    assert_eq!(run.code, Some(0), "{run:?}");
    let mut folders = Vec::new();
    for i in 1..=4 {
        let text = latest(&sandbox, &format!("b[{i}]/out/out"));
        let (folder, rest) = text.split_once('\n').unwrap();
        assert_eq!(rest, format!("{i}\n"));
        folders.push(folder.to_owned());
    }
    folders.push(latest(&sandbox, "a/out/out").trim_end().to_owned());
    folders.sort();
    folders.dedup();
    assert_eq!(folders.len(), 5, "{folders:?}");
}

/// A stage may use a server that it started in another session, while other stages end.
#[test]
fn a_process_of_a_program_that_still_runs_is_left_alone() {
    let sandbox = Sandbox::new(
        r#"
version: 1
name: p
stages:
  long:
    kind: command
    params:
      shell: true
      argv: "(setsid sh -c 'touch up; until test -e ask; do sleep 0.02; done; echo served > answer; rm ask up' &); until test -e up; do sleep 0.02; done; touch $MARK; until test -e $MARK.ended; do sleep 0.02; done; sleep 0.1; touch ask; until test -e answer; do sleep 0.02; done; while test -e up; do sleep 0.02; done"
      env: [MARK]
      outputs: { answer: answer }
    timeout: 60s
  short:
    kind: command
    params:
      shell: true
      argv: "until test -e $MARK; do sleep 0.02; done; setsid sleep 7721 & sleep 0.1"
      env: [MARK]
  next:
    kind: command
    inputs: { after: short2 }
    params: { shell: true, argv: "touch $MARK.ended", env: [MARK] }
  short2: { kind: command, params: { shell: true, argv: "until test -e $MARK; do sleep 0.02; done; sleep 0.3; echo x > x", env: [MARK], outputs: { x: x } } }
"#,
    );
    let mut command = sandbox.command(&["run", "pipeline.yaml", "-j3"]);
    let run = command.env("MARK", sandbox.path("mark")).output().unwrap();
    let stderr = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(0), "{stderr}");
    assert_eq!(latest(&sandbox, "long/answer/answer"), "served\n");
    assert!(
        stderr.contains("short: warning: left 1 process (sleep) running; runner ended it"),
        "{stderr}"
    );
    assert!(!stderr.contains("long: warning"), "{stderr}");
}

#[test]
fn processes_that_a_shell_started_before_it_became_runner_are_left_alone() {
    let sandbox = one("{ shell: true, argv: \"setsid sleep 7731 & sleep 0.1\" }");
    let shell = Command::new("/bin/sh")
        .args([
            "-c",
            "sleep 7732 >/dev/null 2>&1 & echo $! > pid; exec \"$0\" run pipeline.yaml",
        ])
        .arg(env!("CARGO_BIN_EXE_runner"))
        .current_dir(sandbox.path("."))
        .output()
        .unwrap();
    assert!(shell.status.success(), "{shell:?}");
    assert!(!runs("sleep 7731") && runs("sleep 7732"));
    let pid = fs::read_to_string(sandbox.path("pid")).unwrap();
    crate::sandbox::signal(pid.trim().parse().unwrap(), rustix::process::Signal::KILL).unwrap();
    eventually("ended", || (!runs("sleep 7732")).then_some(()));
}

/// A process that still has an output open when its stage ends cannot change the stored copy.
#[test]
fn an_output_that_is_still_open_is_stored_unchanged() {
    let sandbox = Sandbox::new(
        r#"
version: 1
name: p
stages:
  a:
    kind: command
    params:
      shell: true
      argv: "exec 3> out; echo hello >&3; (setsid sh -c 'while echo more >&3; do :; done' >/dev/null 2>&1 &); sleep 0.1"
      outputs: { out: out }
  b: { kind: command, inputs: { in: a }, params: { argv: [cp, in/out, copy], outputs: { copy: copy } } }
"#,
    );
    let run = run(&sandbox);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(
        latest(&sandbox, "a/out/out"),
        latest(&sandbox, "b/copy/copy")
    );
    assert_eq!(sandbox.runner(&["cache", "verify"]).code, Some(0));
}

/// A zombie still counts against the limit on processes, so the runner must reap it.
#[test]
fn orphaned_processes_are_reaped_while_their_program_runs() {
    let sandbox = one("{ shell: true, outputs: { dead: dead }, argv: \"\
         for i in $(seq 50); do (setsid true &); done; sleep 0.5; \
         for i in $(seq 100); do \
         cat /proc/[0-9]*/stat 2>/dev/null | grep -c .Z.$PPID. > dead || exit 0; sleep 0.1; \
         done; false\" }");
    let run = run(&sandbox);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(latest(&sandbox, "it/dead/dead").trim(), "0");
}
