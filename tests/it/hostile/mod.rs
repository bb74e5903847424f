//! Stages whose programs misbehave: they leave processes behind, swap folders for symbolic links, write
//! to inputs, outputs and the store itself, flood, fork, block, and more (`tests/hostile`).
//!
//! Each program is the `hostile` stage of a small pipeline, beside other stages that read the same input
//! at the same time and later. `trial` runs it and checks what it leaves. As root, every case runs twice: as
//! root and as a user without an entry in `/etc/passwd`.
//!
//! By default, a random third of the cases runs. `RUNNER_SUITE=full` runs all of them:
//!
//! ```sh
//! RUNNER_SUITE=full cargo test -p runner -- hostile:: --nocapture
//! ```

mod identity;
mod leftovers;
mod links;
mod mapped;
mod output;
mod permissions;
mod pipeline;
mod processes;
mod special;
mod swaps;
mod trial;
mod watched;

use std::fmt;

use crate::guarantees::cases::{Random, each};
use crate::guarantees::full;
use crate::sandbox::skip;
use identity::{Identity, Tools};

/// The end of a hostile stage.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// The program does nothing wrong while it runs, and processes that it leaves behind are ended.
    Succeeds,
    Fails,
    /// Both are right: the outcome depends on what the system protects, or on a race.
    Either,
}

/// A program of `tests/hostile`.
struct Program {
    name: &'static str,
    fate: Fate,
    /// The `timeout` of its stage.
    timeout: Option<&'static str>,
    /// `true` if it writes to the file `given` of the watched tree.
    writes_given: bool,
    /// `true` if its output is a hard link to the watched file `result`.
    links_watched: bool,
    /// `true` if it keeps a hard link to an output, through which the test writes after the run.
    keeps_output: bool,
    /// `true` if only root can do what it does.
    root_only: bool,
}

impl Program {
    const fn new(name: &'static str, fate: Fate) -> Self {
        Self {
            name,
            fate,
            timeout: None,
            writes_given: false,
            links_watched: false,
            keeps_output: false,
            root_only: false,
        }
    }

    const fn succeeds(name: &'static str) -> Self {
        Self::new(name, Fate::Succeeds)
    }

    const fn fails(name: &'static str) -> Self {
        Self::new(name, Fate::Fails)
    }

    const fn either(name: &'static str) -> Self {
        Self::new(name, Fate::Either)
    }

    const fn within(mut self, timeout: &'static str) -> Self {
        self.timeout = Some(timeout);
        self
    }

    const fn writes_given(mut self) -> Self {
        self.writes_given = true;
        self
    }

    const fn links_watched(mut self) -> Self {
        self.links_watched = true;
        self
    }

    const fn keeps_output(mut self) -> Self {
        self.keeps_output = true;
        self
    }

    const fn root_only(mut self) -> Self {
        self.root_only = true;
        self
    }
}

/// A group of programs that misbehave in the same way.
struct Behaviour {
    /// The name of the group in docs/guarantees.md.
    name: &'static str,
    programs: &'static [Program],
}

const BEHAVIOURS: [&Behaviour; 12] = [
    &processes::LEFTOVERS,
    &swaps::SWAPS,
    &links::SYMLINKS,
    &links::HARD_LINKS,
    &mapped::MAPPINGS,
    &mapped::TIMESTAMPS,
    &output::FLOODS,
    &processes::FORKS,
    &processes::BLOCKS,
    &special::SPECIAL_FILES,
    &special::DESCRIPTORS,
    &permissions::PERMISSIONS,
];

/// A program and the user who runs it.
struct Case {
    program: &'static Program,
    identity: Identity,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` as {}", self.program.name, self.identity)
    }
}

/// Runs the programs of a behaviour, or a sample of them, as each user that this process can become.
fn survive(behaviour: &Behaviour) {
    let identities = Identity::all();
    if identities.len() == 1 {
        skip("the cases as another user, which only root can run");
    }
    let cases = identities.iter().flat_map(|&identity| {
        let programs = behaviour.programs.iter();
        programs
            .filter(move |program| identity == Identity::Root || !program.root_only)
            .map(move |program| Case { program, identity })
    });
    let mut cases: Vec<Case> = cases.collect();
    if !full() {
        let mut random = Random::new(behaviour.name);
        let kept = random.below(cases.len());
        let mut number = 0;
        cases.retain(|_| {
            number += 1;
            number - 1 == kept || random.below(3) == 0
        });
    }
    each(behaviour.name, &cases, trial::survives);
}

#[test]
fn the_suite_runs_every_program_and_the_docs_have_the_right_counts() {
    let tools = Tools::of(Identity::own());
    let listed = std::process::Command::new(&tools.hostile)
        .arg("list")
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    let programs = BEHAVIOURS.iter().flat_map(|behaviour| behaviour.programs);
    let mut names: Vec<&str> = programs.map(|program| program.name).collect();
    names.sort_unstable();
    assert_eq!(names, listed);

    let docs = format!("{}/docs/guarantees.md", env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_to_string(docs).unwrap();
    assert!(names.len() >= 60, "there are only {} programs", names.len());
    let row = |what: &str, count: usize| {
        let row = format!("| {what} | {count} |");
        assert!(
            docs.contains(&row),
            "`docs/guarantees.md` lacks the row `{row}`"
        );
    };
    for behaviour in BEHAVIOURS {
        let count = behaviour.programs.len();
        assert!(count >= 4, "{}: {count}", behaviour.name);
        row(behaviour.name, count);
    }
    row("all hostile programs", names.len());
}
