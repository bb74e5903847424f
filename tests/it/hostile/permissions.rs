//! Programs that take away permissions.

use super::{Behaviour, Program, survive};

pub(super) const PERMISSIONS: Behaviour = Behaviour {
    name: "change permissions",
    programs: &[
        Program::either("closed-scratch"),
        Program::either("closed-outputs"),
        Program::either("closed-folders"),
        Program::either("closed-inputs"),
        Program::either("read-only"),
        Program::succeeds("set-user-id"),
        Program::succeeds("closed-itself"),
        Program::either("other-owner").root_only(),
    ],
};

#[test]
fn changed_permissions_do_not_disturb_the_next_run() {
    survive(&PERMISSIONS);
}
