//! Programs that write through symbolic and hard links.

use super::{Behaviour, Program, survive};

pub const SYMLINKS: Behaviour = Behaviour {
    name: "write through symlinks",
    programs: &[
        Program::fails("through-result").writes_given(),
        Program::either("through-input").writes_given(),
        Program::fails("through-made").writes_given(),
        Program::succeeds("through-and-gone").writes_given(),
        Program::either("through-to-blob"),
        Program::fails("metrics-to-watched"),
        Program::fails("result-to-log"),
        Program::fails("log-to-watched"),
    ],
};

pub const HARD_LINKS: Behaviour = Behaviour {
    name: "write through hard links",
    programs: &[
        Program::either("input-kept"),
        Program::either("output-kept").keeps_output(),
        Program::either("latest-written"),
        Program::either("blobs-written"),
        Program::either("watched-as-output").links_watched(),
        Program::either("input-as-output"),
        Program::succeeds("output-twice"),
    ],
};

#[test]
fn what_programs_write_through_symlinks_is_all_that_changes_outside() {
    survive(&SYMLINKS);
}

#[test]
fn what_programs_write_through_hard_links_is_found_out() {
    survive(&HARD_LINKS);
}
