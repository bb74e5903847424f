//! Programs that make special files, and programs that use up descriptors.

use super::{Behaviour, Program, survive};

pub(super) const SPECIAL_FILES: Behaviour = Behaviour {
    name: "create devices and FIFOs",
    programs: &[
        Program::fails("fifo-as-result"),
        Program::fails("fifo-as-metrics"),
        Program::either("fifo-as-input"),
        Program::fails("fifo-in-made"),
        Program::succeeds("ignored-fifo"),
        Program::fails("device-as-result").root_only(),
        Program::fails("device-in-made").root_only(),
        Program::fails("socket-as-result"),
        Program::fails("sparse-metrics"),
        Program::fails("folder-as-metrics"),
        Program::succeeds("folder-as-result"),
        Program::fails("log-to-fifo"),
    ],
};

pub(super) const DESCRIPTORS: Behaviour = Behaviour {
    name: "exhaust descriptors",
    programs: &[
        Program::succeeds("opens-all"),
        Program::succeeds("inherits-nothing"),
        Program::succeeds("left-with-many"),
        Program::fails("no-descriptors"),
        Program::fails("small-files"),
        Program::either("limits-its-runner"),
    ],
};

#[test]
fn special_files_are_refused_without_being_opened() {
    survive(&SPECIAL_FILES);
}

#[test]
fn exhausted_descriptors_of_a_program_do_not_affect_the_runner() {
    survive(&DESCRIPTORS);
}
