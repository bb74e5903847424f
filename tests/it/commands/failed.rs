//! Outputs and logs of failed stages, and metrics that are not numbers.

use std::fs;

use super::{failure, latest, one, outcome, run};
use crate::sandbox::{Sandbox, list};

#[test]
fn a_failure_inside_a_pipe_is_a_failure_unless_the_shell_is_sh() {
    let pipe = "argv: 'cat no-such-file | cat > o', outputs: { o: o }";
    let failed = failure(&format!("{{ shell: true, {pipe} }}"));
    assert!(
        failed.contains("exit code 1") && failed.contains("no-such-file"),
        "{failed}"
    );
    assert_eq!(
        outcome(&one(&format!("{{ shell: sh, {pipe} }}")), &[]),
        "succeeded"
    );
}

#[test]
fn without_bash_a_shell_is_an_error_with_a_hint() {
    let sandbox = one("{ shell: true, argv: 'true' }");
    let mut command = sandbox.command(&["run", "pipeline.yaml"]);
    let output = command.env("PATH", sandbox.path("")).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        words.contains("there is no program `bash`") && words.contains("shell: sh"),
        "{words}"
    );
}

#[test]
fn declared_outputs_of_a_failed_stage_are_kept_but_are_not_results() {
    let sandbox =
        one("{ shell: true, argv: 'echo detail > map.log; exit 3', outputs: { log: map.log } }");
    let failed = run(&sandbox);
    assert_eq!(failed.code, Some(100), "{failed:?}");
    assert!(failed.stderr.contains("its output is kept: "), "{failed:?}");
    let logs = sandbox.runner(&["runs", "logs", "latest"]);
    assert!(logs.stdout.contains("detail"), "{logs:?}");
    assert!(list(&sandbox.path("artifacts/latest/p")).is_empty());
    assert_eq!(run(&sandbox).code, Some(100));
}

#[test]
fn a_metric_that_is_nan_is_undefined_and_the_stage_succeeds() {
    let sandbox = Sandbox::new(
        r#"
version: 1
name: p
stages:
  it:
    kind: command
    matrix: { i: [1] }
    params:
      shell: true
      argv: "echo weights > model; echo '{\"loss\": NaN, \"best\": -Infinity, \"f1\": 0.5}' > m.json"
      outputs: { model: model }
      metrics: m.json
tables:
  t: { rows: i, columns: [{ metric: it.loss }, { metric: it.f1 }] }
"#,
    );
    let run = run(&sandbox);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.stderr.contains(
            "metrics that are NaN, infinite or null are recorded as undefined: `best`, `loss`"
        ),
        "{run:?}"
    );
    assert_eq!(latest(&sandbox, "it[1]/model/model"), "weights\n");
    assert!(
        run.stdout.contains("undefined") && run.stdout.contains("0.5"),
        "{run:?}"
    );
    let kept = latest(&sandbox, "it[1]/metrics/metrics.json");
    assert!(kept.contains("null"), "{kept}");
}

#[test]
fn metrics_that_are_not_a_file_or_too_large_fail_the_stage() {
    assert_eq!(
        failure("{ argv: [mkfifo, m], metrics: m }"),
        "it: failed: the metrics in `m` cannot be read: it is a FIFO, not a regular file"
    );
    let large = failure("{ argv: [truncate, -s, 3G, m], metrics: m }");
    assert!(
        large.contains("the metrics in `m` are larger than 16 MiB"),
        "{large}"
    );
}

#[test]
fn a_file_metrics_json_in_an_output_folder_is_an_ordinary_file() {
    let sandbox = one(
        r#"{ shell: true, argv: "mkdir d; echo '{\"loss\": 1}' > d/metrics.json", outputs: { d: d } }"#,
    );
    for _ in 0..2 {
        assert_eq!(run(&sandbox).code, Some(0));
    }
    let compared = sandbox.runner(&["compare", "latest~1", "latest"]);
    assert_eq!(compared.code, Some(0), "{compared:?}");
    assert!(!compared.stderr.contains("metrics of"), "{compared:?}");
}

#[test]
fn a_flooded_log_keeps_its_head_and_tail_and_the_size_of_the_gap() {
    let sandbox =
        one("{ shell: true, argv: 'echo first; head -c 200000000 /dev/zero; echo; echo last' }");
    assert_eq!(run(&sandbox).code, Some(0));
    let runs = list(&sandbox.path("artifacts/v1/runs"));
    let log = fs::read(runs[0].join("it.log")).unwrap();
    assert!(log.len() < (64 << 20) + 100, "{}", log.len());
    assert!(log.starts_with(b"first\n") && log.ends_with(b"last\n"));
    let half = &log[32 << 20..][..100];
    let half = String::from_utf8_lossy(half);
    assert!(
        half.contains("bytes of this log are left out here"),
        "{half}"
    );
}

#[test]
fn a_link_in_place_of_the_kept_outputs_is_not_followed() {
    let sandbox = one(
        "{ shell: true, argv: 'ln -s \"$OUTSIDE\" \"$(echo ../../../runs/*)/it.log.outputs\"; echo x > map.log; exit 3', env: [OUTSIDE], outputs: { log: map.log } }",
    );
    let outside = sandbox.path("outside");
    fs::create_dir(&outside).unwrap();
    let mut command = sandbox.command(&["run", "pipeline.yaml"]);
    let failed = command.env("OUTSIDE", &outside).output().unwrap();
    assert_eq!(failed.status.code(), Some(100), "{failed:?}");
    assert!(list(&outside).is_empty(), "{failed:?}");
    let run = &list(&sandbox.path("artifacts/v1/runs"))[0];
    let kept = run.join("it.log.outputs");
    assert!(
        !kept.is_symlink() && kept.join("map.log").is_file(),
        "{failed:?}"
    );
}
