//! Finds stages that cannot run on a host over SSH: it has none of the files that they read.

use contract::Stage;

use crate::spec::{Diagnostic, Executor, Place};

/// Returns why a stage cannot run where its executor says. `place` is that of the stage.
pub(super) fn refusal(
    executor: &Executor,
    stage: &dyn Stage,
    name: &str,
    place: &Place,
) -> Option<Diagnostic> {
    let Executor::Ssh(host) = executor else {
        return None;
    };
    let what = match stage.external() {
        Some(_) => "runs a program",
        None if !stage.sources().is_empty() => "reads files",
        None => return None,
    };
    let message = format!(
        "`{name}` {what} of this machine, so it cannot run on `{host}`, which gets only inputs"
    );
    Some(Diagnostic::at(place, message).hint(format!("set `executor: local` for `{name}`")))
}
