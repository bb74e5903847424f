//! The pages and their parts, as HTML.

mod card_log;
mod curve;
mod failure;
mod list;
mod log;
mod message;
mod query;
mod run;
mod stage;

pub(crate) use list::{ListPage, list, list_page};
pub(crate) use log::{LogTail, whole as whole_log};
pub(crate) use message::{Message, message};
pub(crate) use query::{ListQuery, StagesQuery};
pub(crate) use run::{Parts, RunPage, StageList, run_logs, run_page, run_parts};
pub(crate) use stage::{stage_page, stage_parts};

use askama::Template;
use contract::analysis::Analysis;
use engine::event::RunState;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Data that all pages are rendered with.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) analysis: &'a dyn Analysis,
    pub(crate) now: Timestamp,
}

/// Renders a template. Writing to a string cannot fail, so an error means that a template is wrong.
fn rendered(template: &impl Template) -> String {
    template.render().unwrap_or_else(|error| {
        tracing::error!("failed to render a page: {error}");
        String::new()
    })
}

/// All characters but those that need no escaping in a segment of an address.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A name as a segment of an address.
pub(crate) fn segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// Address of a run's page.
pub(crate) fn run_address(id: &str) -> String {
    format!("/runs/{}", segment(id))
}

/// Address of the page of a stage, by its id.
pub(crate) fn stage_address(run: &str, id: &str) -> String {
    format!("{}/stages/{}", run_address(run), segment(id))
}

/// `2026-11-24 09:13:58Z`, for a time from a record.
fn when(time: &str) -> String {
    let parsed: Result<Timestamp, _> = time.parse();
    parsed.map_or_else(
        |_| time.to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
    )
}

/// Seconds from `since` to `now`.
fn seconds_between(since: Timestamp, now: Timestamp) -> f64 {
    (now - since)
        .total(jiff::Unit::Second)
        .unwrap_or_default()
        .max(0.0)
}

/// Name of a state, also of its CSS class.
fn state_name(state: RunState) -> &'static str {
    match state {
        RunState::Running => "running",
        RunState::Succeeded => "succeeded",
        RunState::Failed => "failed",
        RunState::Cancelled => "cancelled",
        RunState::Killed => "killed",
    }
}

/// The number of pages for `count` entries, at least 1.
fn pages(count: usize, each: usize) -> usize {
    count.div_ceil(each).max(1)
}
