//! Faults in calls that change the disk. Each call in turn fails, or the process is killed before it or in the
//! middle of it.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::OnceLock;

use super::cases::{Random, each};
use super::damage::{forget, overwrite};
use super::store_contents::StoreContents;
use super::{
    PIPELINE, Verdict, finish_in_time, finished, full, recovers, recovers_to, reference, require,
    start, succeeds, succeeds_or_reports,
};
use crate::sandbox::Sandbox;

/// The contents of the store before the faulty command.
#[derive(Clone, Copy, Debug)]
pub(super) enum Before {
    Empty,
    /// Results with another number of epochs, which the command replaces in `latest`.
    Others,
    /// Results of `Others`, and then those of the pipeline itself.
    Both,
    /// Like `Both`, but the number of the newest run is known only from its record.
    Unnumbered,
    /// Results of the pipeline with damaged training images and without the record of the training, which has
    /// to run again.
    Damaged,
}

/// A fault in the n-th call of a process. `tests/faults` explains `process`, `name` and `n`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub before: Before,
    /// Arguments of `runner`.
    pub args: &'static [&'static str],
    pub process: &'static str,
    /// Name of the fault, such as `enospc`.
    pub name: &'static str,
    pub n: usize,
}

pub(super) const RUN: &[&str] = &["run", "pipeline.yaml", "-j", "1"];
/// Arguments of the run that makes [`Before::Others`].
pub(super) const RUN_OTHERS: [&str; 4] =
    ["run", "pipeline.yaml", "-S", "stages.cnn.params.epochs=2"];

impl Before {
    /// Returns a sandbox with such a store, and the contents that the store must have at the end.
    pub(super) fn prepare(self) -> (Sandbox, StoreContents) {
        static OTHERS: OnceLock<Sandbox> = OnceLock::new();
        static BOTH: OnceLock<Sandbox> = OnceLock::new();
        let expected = &reference().contents;
        let others = || {
            OTHERS.get_or_init(|| {
                let sandbox = Sandbox::new(PIPELINE);
                succeeds(&sandbox, &RUN_OTHERS).unwrap();
                sandbox
            })
        };
        let both = || {
            BOTH.get_or_init(|| {
                let sandbox = copy(others());
                succeeds(&sandbox, RUN).unwrap();
                sandbox
            })
        };
        match self {
            Self::Empty => (Sandbox::new(PIPELINE), expected.clone()),
            Self::Others => (
                copy(others()),
                expected.with_kept_from(&StoreContents::of(others())),
            ),
            Self::Both => (
                copy(both()),
                expected.with_kept_from(&StoreContents::of(others())),
            ),
            Self::Unnumbered => {
                let (sandbox, expected) = Self::Both.prepare();
                fs::remove_dir_all(sandbox.path("artifacts/v1/numbers")).unwrap();
                (sandbox, expected)
            }
            Self::Damaged => {
                let sandbox = finished();
                let images = sandbox.path("artifacts/latest/tiny/xrays/train/images.bin");
                let mut bytes = fs::read(&images).unwrap();
                bytes[0] ^= 1;
                overwrite(&images, &bytes);
                forget(&sandbox, "train-cnn");
                (sandbox, expected.clone())
            }
        }
    }
}

/// Returns a sandbox with a copy of another sandbox's store. Hard links stay hard links.
fn copy(sandbox: &Sandbox) -> Sandbox {
    let copy = Sandbox::new(PIPELINE);
    let mut command = Command::new("cp");
    command.arg("-a").arg(sandbox.path("artifacts"));
    let status = command.arg(copy.path("")).status().unwrap();
    assert!(status.success());
    copy
}

/// Returns the path of the library that injects faults.
fn library() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let library = tests.with_file_name("../examples/libfaults.so");
    assert!(
        library.is_file(),
        "`{}` does not exist; `cargo test --release --workspace` builds it",
        library.display()
    );
    library.canonicalize().unwrap()
}

impl Fault {
    /// Starts the command with the fault.
    pub(super) fn start(&self, sandbox: &Sandbox) -> Child {
        start(&mut faulty(sandbox, self))
    }

    /// Returns the call that failed, or `None` if there were fewer than `n` calls.
    pub(super) fn call(sandbox: &Sandbox) -> Option<String> {
        let lines = fs::read_to_string(sandbox.path("said")).unwrap_or_default();
        lines.lines().next().map(str::to_owned)
    }
}

fn faulty(sandbox: &Sandbox, fault: &Fault) -> Command {
    let Fault {
        args,
        process,
        name,
        n,
        ..
    } = fault;
    let mut command = sandbox.command(args);
    let mut under = sandbox.path("").canonicalize().unwrap();
    // Faults of changes affect only the store. Faults of reads also affect the pipeline file.
    if CHANGES.contains(name) {
        under.push("artifacts");
    }
    command
        .env("LD_PRELOAD", library())
        .env("RAYON_NUM_THREADS", "1")
        .env("RUNNER_FAULTS", format!("{process}:{name}:{n}"))
        .env("RUNNER_FAULTS_UNDER", under)
        .env("RUNNER_FAULTS_COUNT", sandbox.path("count"))
        .env("RUNNER_FAULTS_SAID", sandbox.path("said"));
    command
}

/// Counts the calls that the fault can happen to. Its `n` must be 0, so that no call fails.
fn calls(fault: &Fault) -> usize {
    let (sandbox, _) = fault.before.prepare();
    let run = finish_in_time(fault.start(&sandbox)).unwrap();
    assert_eq!(run.code, Some(0), "{run:?}");
    let count = fs::metadata(sandbox.path("count")).expect("the library must count calls");
    usize::try_from(count.len()).unwrap()
}

/// Lists the faults in `names` at each call of each of `processes`. Unless the suite is full, takes only one
/// call in `stride`, from a random start.
pub(super) fn choose(
    random: &mut Random,
    before: Before,
    args: &'static [&'static str],
    processes: &[&'static str],
    names: &[&'static str],
    stride: usize,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (&process, &name) in processes
        .iter()
        .flat_map(|process| names.iter().map(move |name| (process, name)))
    {
        let (first, stride) = if full() {
            (1, 1)
        } else {
            (1 + random.below(stride), stride)
        };
        let at = |n| Fault {
            before,
            args,
            process,
            name,
            n,
        };
        faults.extend((first..=calls(&at(0))).step_by(stride).map(at));
    }
    faults
}

fn survives(fault: &Fault) -> Verdict {
    let Fault {
        before,
        process,
        name,
        ..
    } = *fault;
    let (sandbox, expected) = before.prepare();
    let run = finish_in_time(fault.start(&sandbox))?;
    let call = Fault::call(&sandbox);
    let is_as_expected = match (name, process) {
        _ if call.is_none() => succeeds_or_reports(&run, "nothing"),
        ("kill" | "torn", "runner") => require(run.code.is_none(), || {
            format!("runner was not killed: {run:?}")
        }),
        ("kill" | "torn", _) => require(
            run.code == Some(100) && run.stderr.contains("SIGKILL"),
            || format!("runner did not report the killed worker: {run:?}"),
        ),
        ("enospc" | "full", _) => succeeds_or_reports(&run, "No space left on device"),
        ("eio", _) => succeeds_or_reports(&run, "Input/output error"),
        _ => succeeds_or_reports(&run, "Read-only file system"),
    };
    is_as_expected
        .and_then(|()| match before {
            Before::Empty => recovers(&sandbox),
            _ => recovers_to(&sandbox, &expected),
        })
        .map_err(|why| format!("{call:?}: {why}"))?;
    Ok(fate(&call))
}

/// Returns the word for the tally.
pub(super) fn fate(call: &Option<String>) -> &'static str {
    match call {
        Some(_) => "injected",
        None => "past the end",
    }
}

const PROCESSES: [&str; 2] = ["runner", "worker"];
/// Faults of calls that change something.
const CHANGES: [&str; 6] = ["kill", "torn", "enospc", "eio", "full", "erofs"];

#[test]
fn a_failed_call_or_a_kill_costs_only_its_run() {
    let mut random = Random::new("faults");
    let faults = choose(
        &mut random,
        Before::Empty,
        RUN,
        &PROCESSES,
        &CHANGES[..4],
        24,
    );
    each("faults", &faults, survives);
}

#[test]
fn a_failed_call_or_a_kill_loses_no_earlier_results() {
    for before in [Before::Others, Before::Damaged] {
        let name = format!("faults over {before:?}");
        let mut random = Random::new(&name);
        let faults = choose(&mut random, before, RUN, &PROCESSES, &CHANGES[..4], 72);
        each(&name, &faults, survives);
    }
}

#[test]
fn a_disk_that_fills_up_or_turns_read_only_costs_only_its_run() {
    let mut random = Random::new("lasting faults");
    let names = &CHANGES[4..];
    let faults = choose(&mut random, Before::Empty, RUN, &["any"], names, 36);
    each("lasting faults", &faults, survives);
}

/// Eight threads store equal files at once. Slow lookups make them interleave: one thread stores its file
/// between two steps of another.
#[test]
fn equal_files_are_stored_at_once_on_a_slow_disk() {
    let sandbox = Sandbox::new(
        "version: 1
name: equal
stages:
  copies:
    kind: command
    params:
      shell: true
      argv: 'mkdir out; for n in 1 2 3 4 5 6 7 8; do echo equal > out/$n; done'
      outputs: { out: out }
",
    );
    let under = sandbox.path("").canonicalize().unwrap();
    let run = &mut sandbox.command(RUN);
    run.env("LD_PRELOAD", library())
        .env("RAYON_NUM_THREADS", "8")
        .env("RUNNER_FAULTS", "runner:slow:1")
        .env("RUNNER_FAULTS_UNDER", under.join("artifacts/v1/cas"))
        .env("RUNNER_FAULTS_COUNT", sandbox.path("count"));
    let finished = finish_in_time(start(run)).unwrap();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let looks = fs::metadata(sandbox.path("count")).unwrap().len();
    assert!(looks >= 8, "only {looks} lookups were slow");
    succeeds(&sandbox, &["cache", "verify"]).unwrap();
}
