//! Checks the shared cache.

use engine::error::Error;
use serde::Serialize;

use crate::cli::pipeline::StoreArgs;

/// The shared cache, and whether it works.
#[derive(Debug, Serialize)]
pub(super) struct Shared {
    pub(super) address: String,
    pub(super) mode: String,
    /// Time of a look and, unless the mode is `read`, a write, in seconds.
    pub(super) seconds: Option<f64>,
    pub(super) why_not: Option<String>,
}

impl Shared {
    /// Tries what the mode needs. `None` if no shared cache is set.
    pub(super) fn detect(args: &StoreArgs) -> Result<Option<Self>, Error> {
        // Only needed for the place of this machine's memory of it, which the check does not use.
        let Some(remote) = args.remote().open_in(args.folder())? else {
            return Ok(None);
        };
        let settings = remote.settings();
        let (seconds, why_not) = match remote.check() {
            Ok(time) => (Some(time.as_secs_f64()), None),
            Err(fault) => (None, Some(fault.to_string())),
        };
        Ok(Some(Self {
            address: settings.address.to_string(),
            mode: settings.mode.to_string(),
            seconds,
            why_not,
        }))
    }

    pub(super) fn text(&self) -> String {
        let state = match (&self.why_not, self.seconds) {
            (None, Some(seconds)) => format!("works, {:.0} ms", seconds * 1000.0),
            _ => "DOES NOT WORK".to_owned(),
        };
        format!("{}, {}, {state}", self.address, self.mode)
    }
}
