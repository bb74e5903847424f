//! Programs that write too much, or data that is hard to handle.

use super::{Behaviour, Program, survive};

pub(super) const FLOODS: Behaviour = Behaviour {
    name: "flood output",
    programs: &[
        Program::succeeds("flood"),
        Program::fails("one-long-line"),
        Program::fails("control-characters"),
        Program::fails("endless").within("300ms"),
        Program::succeeds("many-files"),
        Program::either("deep"),
        Program::either("too-deep"),
        Program::either("far-too-deep"),
        Program::succeeds("long-names"),
        Program::fails("names-in-no-encoding"),
        Program::fails("names-with-control-characters"),
    ],
};

#[test]
fn floods_are_kept_or_refused_and_do_not_control_the_terminal() {
    survive(&FLOODS);
}
