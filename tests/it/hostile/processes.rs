//! Programs that leave processes behind, fork, and block.

use super::{Behaviour, Program, survive};

pub(super) const LEFTOVERS: Behaviour = Behaviour {
    name: "leave processes behind",
    programs: &[
        Program::succeeds("new-session"),
        Program::succeeds("double-fork"),
        Program::succeeds("closed-descriptors"),
        Program::succeeds("no-environment"),
        Program::succeeds("ignored-signals"),
        Program::succeeds("fork-on-term"),
        Program::succeeds("stopped"),
        Program::fails("killed-parent"),
        Program::succeeds("late-output"),
        Program::either("late-output-by-path"),
        Program::succeeds("open-output"),
        Program::succeeds("many-late-files"),
    ],
};

pub(super) const FORKS: Behaviour = Behaviour {
    name: "fork",
    programs: &[
        Program::succeeds("many-children"),
        Program::succeeds("bomb"),
        Program::succeeds("bomb-of-sessions"),
        Program::succeeds("chain"),
        Program::succeeds("zombies"),
        Program::succeeds("forks-at-its-end"),
    ],
};

pub(super) const BLOCKS: Behaviour = Behaviour {
    name: "block",
    programs: &[
        Program::fails("deaf").within("300ms"),
        Program::fails("stops-itself").within("300ms"),
        Program::fails("waits-for-fifo").within("300ms"),
        Program::fails("sleeps").within("300ms"),
        Program::fails("waits-for-session").within("300ms"),
        Program::succeeds("holds-log"),
        Program::succeeds("locks-store"),
    ],
};

#[test]
fn processes_left_behind_end_with_their_stage_and_change_nothing() {
    survive(&LEFTOVERS);
}

#[test]
fn programs_that_fork_end_with_all_their_processes() {
    survive(&FORKS);
}

#[test]
fn programs_that_block_do_not_block_the_runner() {
    survive(&BLOCKS);
}
