//! Every call that changes the disk fails once, or is the last one.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::cases::{Random, each};
use super::damage::{forget, overwrite};
use super::left::Left;
use super::{
    PIPELINE, Verdict, finished, full, is_honest, patiently, recovers, recovers_to, reference,
    require, start, succeeds,
};
use crate::sandbox::Sandbox;

/// What a store holds before the faulty run.
#[derive(Clone, Copy, Debug)]
enum Before {
    Nothing,
    /// Results of another number of epochs: `latest` is replaced.
    Others,
    /// These results, but that the images to train on are damaged, and training has to be done again.
    Damaged,
}

/// What happens, to whose n-th call: see `tests/faults.rs`.
#[derive(Clone, Copy, Debug)]
struct Fault {
    before: Before,
    who: &'static str,
    what: &'static str,
    n: usize,
}

impl Before {
    /// A sandbox with such a store, and all that must be there at the end.
    fn prepare(self) -> (Sandbox, Left) {
        let whole = &reference().left;
        match self {
            Self::Nothing => (Sandbox::new(PIPELINE), whole.clone()),
            Self::Others => {
                let sandbox = Sandbox::new(PIPELINE);
                let others = ["run", "pipeline.yaml", "-S", "stages.cnn.params.epochs=2"];
                succeeds(&sandbox, &others).unwrap();
                let whole = whole.and_kept(&Left::of(&sandbox));
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

/// How many calls there are in a run that this can happen to.
fn calls(before: Before, who: &str, what: &str) -> usize {
    let (sandbox, _) = before.prepare();
    let run = patiently(start(&mut faulty(&sandbox, &format!("{who}:{what}:0")))).unwrap();
    assert_eq!(run.code, Some(0), "{run:?}");
    let count = fs::metadata(sandbox.path("count")).expect("calls are seen");
    usize::try_from(count.len()).unwrap()
}

/// Each of `whats` at each call of each of `whos`; or one in `stride`.
fn choose(
    random: &mut Random,
    before: Before,
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
        let chosen = (first..=calls(before, who, what)).step_by(stride);
        faults.extend(chosen.map(|n| Fault {
            before,
            who,
            what,
            n,
        }));
    }
    faults
}

fn survives(fault: &Fault) -> Verdict {
    let Fault {
        before,
        who,
        what,
        n,
    } = *fault;
    let (sandbox, whole) = before.prepare();
    let run = patiently(start(&mut faulty(&sandbox, &format!("{who}:{what}:{n}"))))?;
    let said = fs::read_to_string(sandbox.path("said")).unwrap_or_default();
    let call = said.lines().next().unwrap_or("past the end");
    let is_as_expected = match (what, who) {
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
    is_as_expected
        .and_then(|()| match before {
            Before::Nothing => recovers(&sandbox),
            _ => recovers_to(&sandbox, &whole),
        })
        .map_err(|why| format!("{call}: {why}"))?;
    Ok(if said.is_empty() {
        "past the end"
    } else {
        "injected"
    })
}

const WHOS: [&str; 2] = ["runner", "worker"];
const WHATS: [&str; 4] = ["kill", "torn", "enospc", "eio"];

#[test]
fn a_call_that_fails_or_is_the_last_costs_nothing_but_its_run() {
    let mut random = Random::new("faults");
    let faults = choose(&mut random, Before::Nothing, &WHOS, &WHATS, 16);
    each("faults", &faults, survives);
}

#[test]
fn a_call_that_fails_or_is_the_last_costs_nothing_that_was_there_before() {
    for before in [Before::Others, Before::Damaged] {
        let name = format!("faults over {before:?}");
        let mut random = Random::new(&name);
        let faults = choose(&mut random, before, &WHOS, &WHATS, 48);
        each(&name, &faults, survives);
    }
}

#[test]
fn a_disk_that_fills_up_or_turns_read_only_costs_nothing_but_its_run() {
    let mut random = Random::new("lasting faults");
    let whats = ["full", "erofs"];
    let faults = choose(&mut random, Before::Nothing, &["any"], &whats, 24);
    each("lasting faults", &faults, survives);
}
