//! Faults in calls that change the disk. Each call in turn fails, or is the last one before the process
//! is killed.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::OnceLock;

use super::cases::{Random, each};
use super::damage::{forget, overwrite};
use super::left::Left;
use super::{
    PIPELINE, Verdict, finished, full, is_honest, patiently, recovers, recovers_to, reference,
    require, start, succeeds,
};
use crate::sandbox::Sandbox;

/// The contents of the store before the faulty command.
#[derive(Clone, Copy, Debug)]
pub enum Before {
    Nothing,
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

/// A fault in the n-th call of a process. `tests/faults` explains `who`, `what` and `n`.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub before: Before,
    /// Arguments of `runner`.
    pub args: &'static [&'static str],
    pub who: &'static str,
    pub what: &'static str,
    pub n: usize,
}

pub const RUN: &[&str] = &["run", "pipeline.yaml", "-j", "1"];
/// Arguments of the run that makes [`Before::Others`].
pub const RUN_OTHERS: [&str; 4] = ["run", "pipeline.yaml", "-S", "stages.cnn.params.epochs=2"];

impl Before {
    /// Returns a sandbox with such a store, and the contents that the store must have at the end.
    pub fn prepare(self) -> (Sandbox, Left) {
        static OTHERS: OnceLock<Sandbox> = OnceLock::new();
        static BOTH: OnceLock<Sandbox> = OnceLock::new();
        let whole = &reference().left;
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
            Self::Nothing => (Sandbox::new(PIPELINE), whole.clone()),
            Self::Others => (copy(others()), whole.and_kept(&Left::of(others()))),
            Self::Both => (copy(both()), whole.and_kept(&Left::of(others()))),
            Self::Unnumbered => {
                let (sandbox, whole) = Self::Both.prepare();
                fs::remove_dir_all(sandbox.path("artifacts/v1/numbers")).unwrap();
                (sandbox, whole)
            }
            Self::Damaged => {
                let sandbox = finished();
                let images = sandbox.path("artifacts/latest/tiny/xrays/train/images.bin");
                let mut bytes = fs::read(&images).unwrap();
                bytes[0] ^= 1;
                overwrite(&images, &bytes);
                forget(&sandbox, "train-cnn");
                (sandbox, whole.clone())
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
        "`{}` is not there: run `cargo test --release --workspace`, which builds it",
        library.display()
    );
    library.canonicalize().unwrap()
}

impl Fault {
    /// Starts the command with the fault.
    pub fn start(&self, sandbox: &Sandbox) -> Child {
        start(&mut faulty(sandbox, self))
    }

    /// Returns the call that failed, or `None` if there were fewer than `n` calls.
    pub fn call(sandbox: &Sandbox) -> Option<String> {
        let said = fs::read_to_string(sandbox.path("said")).unwrap_or_default();
        said.lines().next().map(str::to_owned)
    }
}

fn faulty(sandbox: &Sandbox, fault: &Fault) -> Command {
    let Fault {
        args, who, what, n, ..
    } = fault;
    let mut command = sandbox.command(args);
    let mut under = sandbox.path("").canonicalize().unwrap();
    // Changes concern the store only. Reads also concern the pipeline.
    if CHANGES.contains(what) {
        under.push("artifacts");
    }
    command
        .env("LD_PRELOAD", library())
        .env("RAYON_NUM_THREADS", "1")
        .env("RUNNER_FAULTS", format!("{who}:{what}:{n}"))
        .env("RUNNER_FAULTS_UNDER", under)
        .env("RUNNER_FAULTS_COUNT", sandbox.path("count"))
        .env("RUNNER_FAULTS_SAID", sandbox.path("said"));
    command
}

/// Counts the calls that the fault can happen to. Its `n` must be 0, so that no call fails.
fn calls(fault: &Fault) -> usize {
    let (sandbox, _) = fault.before.prepare();
    let run = patiently(fault.start(&sandbox)).unwrap();
    assert_eq!(run.code, Some(0), "{run:?}");
    let count = fs::metadata(sandbox.path("count")).expect("calls are seen");
    usize::try_from(count.len()).unwrap()
}

/// Lists the faults of each of `whats` at each call of each of `whos`. Unless the suite is full, takes
/// only one call in `stride`, from a random start.
pub fn choose(
    random: &mut Random,
    before: Before,
    args: &'static [&'static str],
    whos: &[&'static str],
    whats: &[&'static str],
    stride: usize,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (&who, &what) in whos
        .iter()
        .flat_map(|who| whats.iter().map(move |what| (who, what)))
    {
        let (first, stride) = if full() {
            (1, 1)
        } else {
            (1 + random.below(stride), stride)
        };
        let at = |n| Fault {
            before,
            args,
            who,
            what,
            n,
        };
        faults.extend((first..=calls(&at(0))).step_by(stride).map(at));
    }
    faults
}

fn survives(fault: &Fault) -> Verdict {
    let Fault {
        before, who, what, ..
    } = *fault;
    let (sandbox, whole) = before.prepare();
    let run = patiently(fault.start(&sandbox))?;
    let call = Fault::call(&sandbox);
    let is_as_expected = match (what, who) {
        _ if call.is_none() => is_honest(&run, "nothing"),
        ("kill" | "torn", "runner") => require(run.code.is_none(), || format!("lives on: {run:?}")),
        ("kill" | "torn", _) => require(
            run.code == Some(100) && run.stderr.contains("SIGKILL"),
            || format!("did not see its worker die: {run:?}"),
        ),
        ("enospc" | "full", _) => is_honest(&run, "No space left on device"),
        ("eio", _) => is_honest(&run, "Input/output error"),
        _ => is_honest(&run, "Read-only file system"),
    };
    is_as_expected
        .and_then(|()| match before {
            Before::Nothing => recovers(&sandbox),
            _ => recovers_to(&sandbox, &whole),
        })
        .map_err(|why| format!("{call:?}: {why}"))?;
    Ok(fate(&call))
}

/// Returns the word for the tally.
pub fn fate(call: &Option<String>) -> &'static str {
    match call {
        Some(_) => "injected",
        None => "past the end",
    }
}

const WHOS: [&str; 2] = ["runner", "worker"];
/// Faults of calls that change something.
const CHANGES: [&str; 6] = ["kill", "torn", "enospc", "eio", "full", "erofs"];

#[test]
fn a_call_that_fails_or_is_the_last_costs_nothing_but_its_run() {
    let mut random = Random::new("faults");
    let faults = choose(&mut random, Before::Nothing, RUN, &WHOS, &CHANGES[..4], 16);
    each("faults", &faults, survives);
}

#[test]
fn a_call_that_fails_or_is_the_last_costs_nothing_that_was_there_before() {
    for before in [Before::Others, Before::Damaged] {
        let name = format!("faults over {before:?}");
        let mut random = Random::new(&name);
        let faults = choose(&mut random, before, RUN, &WHOS, &CHANGES[..4], 48);
        each(&name, &faults, survives);
    }
}

#[test]
fn a_disk_that_fills_up_or_turns_read_only_costs_nothing_but_its_run() {
    let mut random = Random::new("lasting faults");
    let whats = &CHANGES[4..];
    let faults = choose(&mut random, Before::Nothing, RUN, &["any"], whats, 24);
    each("lasting faults", &faults, survives);
}

/// Equal files come into the store at once, and on a slow disk each thread still looks at its own after another
/// has put one of the same name beside it.
#[test]
fn equal_files_are_kept_at_once_on_a_slow_disk() {
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
    let finished = patiently(start(run)).unwrap();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let looks = fs::metadata(sandbox.path("count")).unwrap().len();
    assert!(looks >= 8, "only {looks} calls were slow");
    succeeds(&sandbox, &["cache", "verify"]).unwrap();
}
