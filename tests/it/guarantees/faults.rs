//! Every call that changes the disk fails once, or is the last one.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::cases::{Random, each};
use super::{PIPELINE, Verdict, full, is_honest, patiently, recovers, require, start};
use crate::sandbox::Sandbox;

/// Without `RUNNER_SUITE=full`, one call in so many.
const STRIDE: usize = 16;

/// What happens, to whose n-th call: see `tests/faults.rs`.
#[derive(Clone, Copy, Debug)]
struct Fault {
    who: &'static str,
    what: &'static str,
    n: usize,
}

/// The library that makes disks fail.
fn library() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let library = tests.with_file_name("../examples/libfaults.so");
    assert!(
        library.is_file(),
        "`{}` is not there: run `cargo test --release --workspace`, which builds it",
        library.display()
    );
    library.canonicalize().unwrap()
}

/// `runner run`, one thing at a time, with a fault on its store.
fn faulty(sandbox: &Sandbox, fault: &str) -> Command {
    let mut command = sandbox.command(&["run", "pipeline.yaml", "-j", "1"]);
    let store = sandbox.path("").canonicalize().unwrap().join("artifacts");
    command
        .env("LD_PRELOAD", library())
        .env("RAYON_NUM_THREADS", "1")
        .env("RUNNER_FAULTS", fault)
        .env("RUNNER_FAULTS_UNDER", store)
        .env("RUNNER_FAULTS_COUNT", sandbox.path("count"))
        .env("RUNNER_FAULTS_SAID", sandbox.path("said"));
    command
}

/// How many calls of `who` there are in a run without a fault.
fn calls(who: &str) -> usize {
    let sandbox = Sandbox::new(PIPELINE);
    let run = patiently(start(&mut faulty(&sandbox, who))).unwrap();
    assert_eq!(run.code, Some(0), "{run:?}");
    let count = fs::metadata(sandbox.path("count")).expect("calls are seen");
    usize::try_from(count.len()).unwrap()
}

/// Each of `whats` at each call of each of `whos`; or a sample of that.
fn choose(name: &str, whos: &[&'static str], whats: &[&'static str]) -> Vec<Fault> {
    let mut random = Random::new(name);
    let mut faults = Vec::new();
    for &who in whos {
        let calls = calls(who);
        for &what in whats {
            let (first, stride) = if full() {
                (1, 1)
            } else {
                (1 + random.below(STRIDE), STRIDE)
            };
            faults.extend(
                (first..=calls)
                    .step_by(stride)
                    .map(|n| Fault { who, what, n }),
            );
        }
    }
    faults
}

fn survives(fault: &Fault) -> Verdict {
    let Fault { who, what, n } = *fault;
    let sandbox = Sandbox::new(PIPELINE);
    let run = patiently(start(&mut faulty(&sandbox, &format!("{who}:{what}:{n}"))))?;
    let said = fs::read_to_string(sandbox.path("said")).unwrap_or_default();
    let call = said.lines().next().unwrap_or("past the end");
    let survived = match (what, who) {
        _ if said.is_empty() => is_honest(&run, "nothing"),
        ("kill" | "torn", "runner") => require(run.code.is_none(), || format!("lives on: {run:?}")),
        ("kill" | "torn", _) => require(
            run.code == Some(100) && run.stderr.contains("SIGKILL"),
            || format!("did not see its worker die: {run:?}"),
        ),
        ("enospc" | "full", _) => is_honest(&run, "No space left on device"),
        ("eio", _) => is_honest(&run, "Input/output error"),
        _ => is_honest(&run, "Read-only file system"),
    };
    survived
        .and_then(|()| recovers(&sandbox))
        .map_err(|why| format!("{call}: {why}"))?;
    Ok(if said.is_empty() {
        "past the end"
    } else {
        "injected"
    })
}

#[test]
fn a_call_that_fails_or_is_the_last_costs_nothing_but_its_run() {
    let whats = ["kill", "torn", "enospc", "eio"];
    each(
        "faults",
        &choose("faults", &["runner", "worker"], &whats),
        survives,
    );
}

#[test]
fn a_disk_that_fills_up_or_turns_read_only_costs_nothing_but_its_run() {
    let faults = choose("lasting faults", &["any"], &["full", "erofs"]);
    each("lasting faults", &faults, survives);
}
