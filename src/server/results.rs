//! The results of runs and stages, as HTML, and the pictures in them.

use crate::live::{LiveRun, LiveStage};
use crate::site::Site;

/// The results of a run.
pub(crate) fn of_run(_site: &Site, _run: &LiveRun) -> String {
    String::new()
}

/// The details of a stage and its results.
pub(crate) fn of_stage(_site: &Site, _run: &LiveRun, _stage: &LiveStage) -> String {
    String::new()
}

/// The PNG of a picture.
pub(crate) fn picture(_site: &Site, _picture: &str, _query: &str) -> Option<Vec<u8>> {
    None
}
