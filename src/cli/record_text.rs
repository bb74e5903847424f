//! Formats parts of records: times, and the options of runs.

use engine::event::RunReport;

/// `2026-11-24 09:13:58Z`, for a time from a record.
pub(super) fn when(time: &str) -> String {
    let parsed: Result<jiff::Timestamp, _> = time.parse();
    parsed.map_or_else(
        |_| time.to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
    )
}

/// The options of a run: `--profile real -S epochs=3`; empty if there were none.
pub(super) fn options(run: &RunReport) -> String {
    each_option(run).join(" ")
}

/// Like [`options`], with each option separate.
pub(super) fn each_option(run: &RunReport) -> Vec<String> {
    let profile = run.profile.iter().map(|name| format!("--profile {name}"));
    let sets = run.sets.iter().map(|set| format!("-S {set}"));
    profile.chain(sets).collect()
}
