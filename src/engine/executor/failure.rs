//! Converts errors of the store to failures of stages.

use contract::Failure;

use crate::wording;

pub(super) fn store_failure(error: store::Error) -> Failure {
    let timeout = match &error {
        store::Error::Io { source, .. } => store::given_up(source),
        _ => None,
    };
    match timeout {
        Some(timeout) => Failure::TimedOut(format!(
            "took longer than its timeout, {}, which includes reading its inputs and outputs",
            wording::duration(timeout.as_secs_f64())
        )),
        None => Failure::System(error.to_string()),
    }
}
