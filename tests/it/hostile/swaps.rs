//! Programs that put symbolic links in place of folders.

use super::{Behaviour, Program, survive};

pub(super) const SWAPS: Behaviour = Behaviour {
    name: "replace folders with symlinks",
    programs: &[
        Program::either("scratch-to-watched"),
        Program::either("scratch-to-root"),
        Program::either("scratch-to-blobs"),
        Program::either("scratch-moved"),
        Program::either("session-to-watched"),
        Program::fails("parent-to-watched"),
        Program::fails("parent-to-blobs"),
        Program::fails("output-to-watched"),
        Program::either("input-to-watched"),
        Program::either("scratch-in-turns"),
        Program::either("parent-in-turns"),
        Program::either("folder-in-turns"),
        Program::either("output-in-turns"),
        Program::either("file-in-turns"),
        Program::either("input-in-turns"),
    ],
};

#[test]
fn links_in_place_of_folders_are_not_followed() {
    survive(&SWAPS);
}
