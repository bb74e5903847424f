//! Tests how programs end, and how that is reported.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::{failure, latest, one, run};
use crate::guarantees::finish_in_time;
use crate::sandbox::{Sandbox, eventually, finish, first_worker, list, signal};

#[test]
fn the_output_of_a_failed_program_is_quoted_and_its_log_is_kept() {
    let sandbox = one("{ shell: true, argv: \"seq 100; echo last >&2; exit 3\" }");
    let run = run(&sandbox);
    assert_eq!(run.code, Some(100), "{run:?}");
    assert!(
        run.stderr
            .contains("it: failed: the program ended with exit code 3:\n  | 87\n"),
        "{run:?}"
    );
    assert!(
        run.stderr
            .contains("\n  | 100\n  | last\n  full log: artifacts/v1/runs/"),
        "{run:?}"
    );
    let runs = list(&sandbox.path("artifacts/v1/runs"));
    let log = fs::read_to_string(runs[0].join("it.log")).unwrap();
    assert!(
        log.starts_with("1\n2\n") && log.ends_with("100\nlast\n"),
        "{log}"
    );
}

#[test]
fn a_shell_stops_at_a_failure_and_an_unrunnable_script_is_explained() {
    assert_eq!(
        failure("{ shell: true, argv: \"false; echo > o\", outputs: { o: o } }"),
        "it: failed: the program ended with exit code 1, without any output"
    );
    let sandbox = one("{ argv: [./it.sh], code: [it.sh] }");
    fs::write(sandbox.path("it.sh"), "#!/no/such/interpreter\n").unwrap();
    let run = run(&sandbox);
    assert!(
        run.stderr.contains(
            "it: failed: `./it.sh` cannot be run: the interpreter in its first line does not exist"
        ),
        "{run:?}"
    );
}

#[test]
fn a_program_that_failed_is_retried() {
    let sandbox = one(
        "{ shell: true, argv: \"test -e $MARK || { touch $MARK; exit 1; }\", env: [MARK] }\n    retries: { times: 1, backoff: 10ms }",
    );
    let mark = sandbox.path("mark");
    let mut command = sandbox.command(&["run", "pipeline.yaml", "--json"]);
    let run = command.env("MARK", &mark).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    assert!(mark.exists());
}

#[test]
fn a_program_that_takes_too_long_is_killed_with_its_children() {
    let sandbox = one("{ shell: true, argv: \"sleep 1000 & sleep 1000\" }\n    timeout: 300ms");
    let run = run(&sandbox);
    assert_eq!(run.code, Some(100), "{run:?}");
    assert!(
        run.stderr
            .contains("it: failed: took longer than its timeout, 0.3 s"),
        "{run:?}"
    );
}

/// The program ends at once and leaves an output of 8 TiB, which would take hours to read.
#[test]
fn timeouts_and_signals_stop_the_collection_of_outputs() {
    let huge = "{ shell: sh, argv: \"truncate -s 8T o\", outputs: { o: o } }";
    let sandbox = one(&format!("{huge}\n    timeout: 1s"));
    let late = finish_in_time(sandbox.start(&["run", "pipeline.yaml"])).unwrap();
    assert_eq!(late.code, Some(100), "{late:?}");
    let why = "it: failed: took longer than its timeout, 1.0 s, which includes reading its inputs and outputs";
    assert!(late.stderr.contains(why), "{late:?}");

    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let sandbox = one(huge);
        let runner = sandbox.start(&["run", "pipeline.yaml"]);
        let is_made = |folder: &Path| {
            folder
                .join("o")
                .metadata()
                .is_ok_and(|o| o.len() == 8 << 40)
        };
        eventually("made", || {
            let sessions = list(&sandbox.path("artifacts/v1/tmp"));
            let folders = sessions.iter().flat_map(|session| list(session));
            folders
                .into_iter()
                .any(|folder| is_made(&folder))
                .then_some(())
        });
        // Gives the program time to end.
        std::thread::sleep(Duration::from_millis(300));
        crate::sandbox::signal(runner.id(), signal).unwrap();
        let stopped = finish_in_time(runner).unwrap();
        assert_eq!(stopped.code, Some(code), "{stopped:?}");
        assert_eq!(sandbox.last_run()["state"], "cancelled");
    }
}

#[test]
fn a_program_ends_when_its_runner_is_killed() {
    let sandbox =
        one("{ shell: true, argv: \"echo $$ > $MARK; sleep 1000 & sleep 1000\", env: [MARK] }");
    let mark = sandbox.path("mark");
    let mut command = sandbox.command(&["run", "pipeline.yaml"]);
    let runner = command.env("MARK", &mark).spawn().unwrap();
    let group = eventually("started", || {
        let text = fs::read_to_string(&mark).ok()?;
        text.trim().parse::<i32>().ok()
    });
    first_worker(&runner);
    signal(runner.id(), Signal::KILL).unwrap();
    finish(runner);
    is_gone(group);
}

/// The program itself kills the runner, as early as possible.
#[test]
fn a_program_ends_however_early_its_runner_is_killed() {
    let once = || {
        let sandbox = one(
            "{ shell: true, argv: \"sleep 1000 & echo $$ > $MARK; kill -9 $PPID; sleep 1000\", env: [MARK] }",
        );
        let mark = sandbox.path("mark");
        let mut command = sandbox.command(&["run", "pipeline.yaml"]);
        let killed = command.env("MARK", &mark).status().unwrap();
        assert_eq!(killed.code(), None);
        let group = fs::read_to_string(&mark).unwrap();
        is_gone(group.trim().parse().unwrap());
    };
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(once);
        }
    });
}

#[test]
fn processes_in_the_background_end_with_their_program() {
    let sandbox =
        one("{ shell: true, argv: \"sleep 1000 & echo $$ > pid.txt\", outputs: { pid: pid.txt } }");
    let run = run(&sandbox);
    assert_eq!(run.code, Some(0), "{run:?}");
    let group: i32 = latest(&sandbox, "it/pid/pid.txt").trim().parse().unwrap();
    is_gone(group);
}

#[test]
fn a_killed_warden_costs_one_attempt() {
    let sandbox = Sandbox::new(
        r#"
version: 1
name: p
stages:
  a:
    kind: command
    params:
      shell: true
      argv: "for p in $(cat /proc/$PPID/task/*/children); do if grep -qa war[d]en /proc/$p/cmdline; then kill -9 $p; echo $p > o; fi; done"
      outputs: { o: o }
  b: { kind: command, inputs: { in: a }, retries: { times: 1, backoff: 10ms }, params: { argv: [touch, b], outputs: { b: b } } }
"#,
    );
    let run = run(&sandbox);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("b: warning: failed: "), "{run:?}");
}

#[test]
fn stopping_a_run_stops_its_programs() {
    let sandbox = one("{ argv: [sleep, \"1000\"] }");
    let runner = sandbox.start(&["run", "pipeline.yaml"]);
    first_worker(&runner);
    std::thread::sleep(Duration::from_millis(100));
    signal(runner.id(), Signal::INT).unwrap();
    let run = finish(runner);
    assert_eq!(run.code, Some(130), "{run:?}");
}

/// Waits until a process group has no processes left.
fn is_gone(group: i32) {
    let group = rustix::process::Pid::from_raw(group).unwrap();
    eventually("gone", || {
        rustix::process::test_kill_process_group(group)
            .is_err()
            .then_some(())
    });
}
