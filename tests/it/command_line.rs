//! Options, exit codes, and what is printed to which stream.

use std::fs;

use crate::sandbox::{Sandbox, TINY, finish, list};

#[test]
fn an_invalid_pipeline_is_refused_and_nothing_runs() {
    let sandbox = Sandbox::new(&TINY.replace("epochs: \"${epochs}\"", "epoch: 2"));
    for command in ["run", "status", "validate", "table"] {
        let refused = sandbox.runner(&[command, "pipeline.yaml"]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert_eq!(refused.stdout, "");
        assert!(
            refused
                .stderr
                .starts_with("error: unknown parameter `epoch`\n"),
            "{refused:?}"
        );
        assert!(refused.stderr.contains("pipeline.yaml:19:7"), "{refused:?}");
        assert!(!sandbox.path("artifacts").exists());
    }
}

#[test]
fn a_source_that_would_fail_is_refused_before_anything_runs() {
    let pipeline = TINY.replace(
        "phantom: { images: \"${images}\", test_images: \"${test_images}\" }",
        "folder: { path: nowhere }",
    );
    let sandbox = Sandbox::new(&pipeline);
    let refused = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("`nowhere` does not exist"),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("pipeline.yaml:10:"), "{refused:?}");
    assert!(list(&sandbox.path("artifacts/v1/runs")).is_empty());
}

#[test]
fn an_unknown_stage_is_refused_with_a_suggestion() {
    let sandbox = Sandbox::new(TINY);
    for option in ["--until", "--force"] {
        let refused = sandbox.runner(&["run", "pipeline.yaml", option, "xray"]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        let expected = format!(
            "error: `{option} xray` names no stage of `pipeline.yaml`; did you mean `xrays`?\n"
        );
        assert_eq!(refused.stderr, expected);
    }
}

#[test]
fn a_request_for_more_gpus_than_there_are_is_refused() {
    let program = "  report:\n    kind: command\n    matrix: { n: [1, 2] }\n    resources: { gpus: 99 }\n    params: { argv: ['true'] }\n";
    let sandbox = Sandbox::new(&TINY.replace("tables:\n", &format!("{program}tables:\n")));
    let message = "`report` requests more GPUs than are available (requested: 99, ";
    let refused = sandbox.runner(&["run", "pipeline.yaml", "--device", "cpu"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    // One error for the stage, however many instances it has.
    assert_eq!(refused.stderr.matches(message).count(), 1, "{refused:?}");
    // `plan` prints the plan and reports the error as well.
    let planned = sandbox.runner(&["plan", "pipeline.yaml", "--device", "cpu"]);
    assert_eq!(planned.code, Some(0), "{planned:?}");
    assert!(planned.stdout.contains("report"), "{planned:?}");
    let is_refused = planned.stderr.contains("a run would be refused: ");
    assert!(
        is_refused && planned.stderr.contains(message),
        "{planned:?}"
    );
}

#[test]
fn validate_counts_stages() {
    let sandbox = Sandbox::new(TINY);
    assert_eq!(
        sandbox.runner(&["validate", "pipeline.yaml"]).stdout,
        "ok: 3 stages\n"
    );
    fs::write(sandbox.path("other.yaml"), TINY.replace("[4, 6]", "[4]")).unwrap();
    let both = sandbox.runner(&["validate", "pipeline.yaml", "other.yaml"]);
    assert_eq!(
        both.stdout,
        "pipeline.yaml: ok: 3 stages\nother.yaml: ok: 2 stages\n"
    );
    let missing = sandbox.runner(&["validate", "missing.yaml", "other.yaml"]);
    assert_eq!(missing.code, Some(2));
    assert_eq!(missing.stdout, "other.yaml: ok: 2 stages\n");
}

#[test]
fn the_environment_names_the_store_and_an_option_wins() {
    let sandbox = Sandbox::new(TINY);
    let status = |args: &[&str]| {
        let mut command = sandbox.command(&[&["status", "pipeline.yaml"], args].concat());
        assert!(
            command
                .env("RUNNER_ARTIFACTS", "elsewhere")
                .output()
                .unwrap()
                .status
                .success()
        );
    };
    status(&["--artifacts", "here"]);
    assert!(sandbox.path("here/v1").is_dir() && !sandbox.path("elsewhere").exists());
    status(&[]);
    assert!(sandbox.path("elsewhere/v1").is_dir() && !sandbox.path("artifacts").exists());
}

#[test]
fn quiet_prints_only_the_results() {
    let sandbox = Sandbox::new(TINY);
    let run = sandbox.runner(&["run", "pipeline.yaml", "-q"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert!(run.stdout.contains("epochs"), "{run:?}");
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let sandbox = Sandbox::new(TINY);
    let mut status = sandbox.start(&["status", "pipeline.yaml"]);
    drop(status.stdout.take());
    let finished = finish(status);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
}

#[test]
fn an_unknown_command_is_a_usage_error() {
    let sandbox = Sandbox::new(TINY);
    assert_eq!(sandbox.runner(&["runn"]).code, Some(2));
    assert_eq!(sandbox.runner(&["run"]).code, Some(2));
    assert_eq!(
        sandbox.runner(&["run", "pipeline.yaml", "-j", "0"]).code,
        Some(2)
    );
}
