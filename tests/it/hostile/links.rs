//! Programs that write through symbolic and hard links.

use super::{Behaviour, Program, survive};

pub(super) const SYMLINKS: Behaviour = Behaviour {
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

pub(super) const HARD_LINKS: Behaviour = Behaviour {
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
fn writes_through_symlinks_change_only_the_file_that_is_written() {
    survive(&SYMLINKS);
}

#[test]
fn writes_through_hard_links_are_detected() {
    survive(&HARD_LINKS);
}
