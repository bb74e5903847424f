//! Programs that write through mappings, and programs that change timestamps.

use super::{Behaviour, Program, survive};

pub(super) const MAPPINGS: Behaviour = Behaviour {
    name: "write through mappings",
    programs: &[
        Program::either("map-input"),
        Program::either("map-small-input"),
        Program::either("map-input-late"),
        Program::either("map-output-late"),
        Program::either("map-and-restore"),
        Program::either("map-latest"),
        Program::succeeds("map-for-itself"),
        Program::either("truncate-in-turns"),
    ],
};

pub(super) const TIMESTAMPS: Behaviour = Behaviour {
    name: "change timestamps",
    programs: &[
        Program::either("restore-input"),
        Program::either("restore-large-input"),
        Program::either("restore-latest"),
        Program::either("restore-blob"),
        Program::either("touch-input"),
        Program::succeeds("far-future"),
        Program::succeeds("long-past"),
        Program::succeeds("folders-at-zero"),
        Program::either("store-at-zero"),
    ],
};

#[test]
fn writes_through_mappings_are_detected() {
    survive(&MAPPINGS);
}

#[test]
fn changed_timestamps_neither_hide_nor_cause_changes() {
    survive(&TIMESTAMPS);
}
