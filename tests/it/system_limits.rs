//! System limits: running into one is an error with the system's words and a documented exit code.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use rustix::process::geteuid;

use crate::sandbox::{Finished, Sandbox, TINY, copy_program, skip};

/// The id of a user with no other processes.
const LONE_USER: u32 = 65_531;

fn assert_documented_exit(finished: &Finished) {
    let is_panic = ["panicked", "a bug in runner"]
        .iter()
        .any(|words| finished.stderr.contains(words));
    assert!(!is_panic, "{finished:?}");
    assert!(
        matches!(finished.code, Some(0 | 1 | 2 | 100)),
        "{finished:?}"
    );
}

/// Runs the pipeline with options for bash's `ulimit`, as another user if `user` is given.
fn limited(sandbox: &Sandbox, ulimit: &str, user: Option<u32>) -> Finished {
    let runner = sandbox.path("runner");
    let mut command = sandbox.command_of("bash".as_ref(), &["-c"]);
    command.arg(format!("ulimit {ulimit} && exec \"$0\" run pipeline.yaml"));
    command.arg(runner).env("RAYON_NUM_THREADS", "2");
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command.output().unwrap().into()
}

/// Returns a sandbox with a copy of the binary that every user can run.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(TINY);
    copy_program(
        Path::new(env!("CARGO_BIN_EXE_runner")),
        &sandbox.path("runner"),
    );
    fs::set_permissions(sandbox.path(""), Permissions::from_mode(0o777)).unwrap();
    sandbox
}

#[test]
fn reaching_the_process_limit_is_an_error_and_no_panic() {
    if !geteuid().is_root() {
        return skip("only root can run a program as a user with no other processes");
    }
    let sandbox = sandbox();
    let mut refused = 0;
    for most in 1..=12 {
        let run = limited(&sandbox, &format!("-u {most}"), Some(LONE_USER));
        assert_documented_exit(&run);
        if run.code != Some(0) {
            refused += 1;
            let words = "Resource temporarily unavailable";
            assert!(run.stderr.contains(words), "-u {most}: {run:?}");
        }
    }
    assert!(refused >= 4, "only {refused} of 12 limits caused an error");
    let run = limited(&sandbox, "-u 200", Some(LONE_USER));
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[test]
fn reaching_the_file_size_limit_is_an_error_and_loses_nothing() {
    let sandbox = sandbox();
    // Limits in KiB.
    for most in [1, 4, 16, 64] {
        let run = limited(&sandbox, &format!("-f {most}"), None);
        assert_documented_exit(&run);
        if run.code != Some(0) {
            assert!(run.stderr.contains("File too large"), "-f {most}: {run:?}");
        }
    }
    assert_eq!(limited(&sandbox, "-f 1", None).code, Some(1));
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let verified = sandbox.runner(&["cache", "verify"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
}
