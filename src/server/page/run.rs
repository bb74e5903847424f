//! The page of a run, and its parts that change while it goes on.

use askama::Template;
use engine::event::RunState;
use engine::wording;

use super::card_log::{card_log, element};
use super::failure::Failure;
use super::query::StagesQuery;
use super::{
    Look, curve, pages, rendered, run_address, seconds_between, stage_address, state_name, when,
};
use crate::live::{LiveRun, LiveStage, LiveState, Running};

/// Number of stages on a page.
const ROWS: usize = 100;
/// Number of running stages that are shown with their curves, and of curves of each.
const CARDS: usize = 8;
const CARD_FIGURES: usize = 2;
/// Number of errors that are shown above the list.
const ERRORS: usize = 10;

const STATES: [&str; 9] = [
    "running",
    "waiting",
    "succeeded",
    "cached",
    "failed",
    "skipped",
    "cancelled",
    "killed",
    "not started",
];

/// Parts of a run's page other than its state.
pub(crate) struct RunPage<'a> {
    pub(crate) id: &'a str,
    pub(crate) query: &'a StagesQuery,
    /// `true` if runs can be cancelled.
    pub(crate) allow_run: bool,
    /// Results as HTML.
    pub(crate) results: &'a str,
    /// `true` if newer results are being made. The page loads again when they are there.
    pub(crate) is_pending: bool,
    /// `true` if the results are those of the listed stages only.
    pub(crate) is_part: bool,
}

/// The stages on a page.
pub(crate) struct StageList<'a> {
    /// The query with a page that exists.
    pub(crate) query: StagesQuery,
    pub(crate) rows: Vec<&'a LiveStage>,
    /// Number of stages on all pages.
    found: usize,
    pages: usize,
}

impl<'a> StageList<'a> {
    pub(crate) fn new(run: &'a LiveRun, query: &StagesQuery) -> Self {
        let text = query.text.to_lowercase();
        let is_shown = |stage: &&LiveStage| {
            (query.state.is_empty() || stage.word(run.state) == query.state)
                && stage.planned.name.to_lowercase().contains(&text)
        };
        let shown: Vec<&LiveStage> = run.stages.iter().filter(is_shown).collect();
        let pages = pages(shown.len(), ROWS);
        let page = query.page.min(pages);
        let rows = shown.iter().skip((page - 1) * ROWS).take(ROWS);
        Self {
            query: StagesQuery {
                page,
                ..query.clone()
            },
            rows: rows.copied().collect(),
            found: shown.len(),
            pages,
        }
    }
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunTemplate<'a> {
    id: &'a str,
    pipeline: &'a str,
    address: String,
    query: &'a StagesQuery,
    is_running: bool,
    cancel: Option<String>,
    summary: String,
    running: String,
    results: &'a str,
    /// Address that answers when newer results are there; `None` if these are the newest.
    pending: Option<String>,
    is_part: bool,
    rows: Vec<String>,
    found: String,
    pages: usize,
    offset: u64,
}

impl RunTemplate<'_> {
    fn title(&self) -> String {
        format!("{} {}", self.pipeline, self.id)
    }

    fn events(&self) -> Option<String> {
        let since = self.offset;
        self.is_running
            .then(|| format!("{}/events?since={since}", self.address))
    }
}

#[derive(Template)]
#[template(path = "summary.html")]
struct SummaryTemplate<'a> {
    state: &'a str,
    sentence: String,
    announcement: String,
    is_running: bool,
    ended: usize,
    total: usize,
    started: &'a str,
    started_text: String,
    took_label: &'static str,
    took: String,
    facts: Vec<(&'static str, String)>,
    /// Name, address and error of failed stages.
    errors: Vec<(&'a str, String, Failure)>,
    more_errors: usize,
}

#[derive(Template)]
#[template(path = "running.html")]
struct RunningTemplate<'a> {
    cards: Vec<Card<'a>>,
    more: usize,
}

/// A stage that is running.
pub(super) struct Card<'a> {
    pub(super) name: &'a str,
    pub(super) address: String,
    pub(super) progress: String,
    pub(super) left: String,
    pub(super) done: Option<(f64, f64)>,
    pub(super) measured: String,
    pub(super) figures: Vec<String>,
    pub(super) picture: Option<Sampled<'a>>,
    /// The end of its log as HTML; empty where the log is elsewhere on the page.
    pub(super) log: String,
    pub(super) warnings: &'a [String],
    pub(super) since: String,
    pub(super) took: String,
    pub(super) reason: &'a str,
    pub(super) place: &'a str,
}

/// The newest picture that a running stage showed.
pub(super) struct Sampled<'a> {
    pub(super) address: String,
    pub(super) caption: &'a str,
}

#[derive(Template)]
#[template(path = "row.html")]
struct RowTemplate<'a> {
    id: &'a str,
    name: &'a str,
    address: String,
    word: &'static str,
    class: &'static str,
    warnings: usize,
    time: String,
    cpu: String,
    memory: String,
}

/// The page of a run.
pub(crate) fn run_page(look: Look<'_>, run: &LiveRun, page: RunPage<'_>) -> String {
    let list = StageList::new(run, page.query);
    let found = match (list.found, run.stages.len()) {
        (found, all) if found == all => wording::stages(all),
        (found, all) => format!("{found} of {}", wording::stages(all)),
    };
    let is_running = run.state == RunState::Running;
    rendered(&RunTemplate {
        id: page.id,
        pipeline: &run.record.pipeline,
        address: run_address(page.id),
        query: &list.query,
        is_running,
        cancel: (page.allow_run && is_running).then(|| format!("{}/cancel", run_address(page.id))),
        summary: summary(look, run),
        running: running(look, run),
        results: page.results,
        pending: page.is_pending.then(|| {
            let query = list.query.at_page(list.query.page);
            format!("{}/results?{query}", run_address(page.id))
        }),
        is_part: page.is_part,
        rows: list.rows.iter().map(|stage| row(run, stage)).collect(),
        found,
        pages: list.pages,
        offset: run.offset,
    })
}

/// Parts of a page that changed: ids of elements, and their HTML.
pub(crate) type Parts = Vec<(String, String)>;

/// Returns the parts of a run's page that changed since an offset of its events.
pub(crate) fn run_parts(look: Look<'_>, run: &LiveRun, since: u64) -> Parts {
    let mut parts = Parts::new();
    if run.changed > since {
        parts.push(("summary".to_owned(), summary(look, run)));
        parts.push(("running".to_owned(), running(look, run)));
    }
    let stages = run.stages.iter().filter(|stage| stage.changed > since);
    parts.extend(stages.map(|stage| (format!("row-{}", stage.id), row(run, stage))));
    parts
}

/// Returns the ends of the logs on the cards of a run's page. They change without an event.
pub(crate) fn run_logs(run: &LiveRun) -> Parts {
    let cards = running_stages(run).take(CARDS);
    let logs = cards.filter_map(|(stage, running)| {
        let log = card_log(run, stage, running)?;
        Some((element(stage), log))
    });
    logs.collect()
}

fn summary(look: Look<'_>, run: &LiveRun) -> String {
    let (ended, total) = (run.counts.total(), run.stages.len());
    let is_running = run.state == RunState::Running;
    let counts = wording::counts(&run.counts);
    let sentence = match (is_running, ended) {
        (true, 0) => format!("none of {} has ended", wording::stages(total)),
        (true, _) => format!("{ended} of {} have ended: {counts}", wording::stages(total)),
        (false, _) => format!("{}: {counts}", wording::stages(ended)),
    };
    let stopping = if run.is_stopping { "; stopping" } else { "" };
    let failed = run.stages.iter().filter_map(|stage| match &stage.state {
        LiveState::Ended(end) => {
            let address = stage_address(&run.record.run, &stage.id);
            let error = end.error.as_deref()?;
            Some((end.name.as_str(), address, Failure::new(error)))
        }
        LiveState::Waiting | LiveState::Running(_) => None,
    });
    let mut errors: Vec<_> = failed.collect();
    let more_errors = errors.len().saturating_sub(ERRORS);
    errors.truncate(ERRORS);
    rendered(&SummaryTemplate {
        state: state_name(run.state),
        announcement: format!("{}: {sentence}{stopping}", state_name(run.state)),
        sentence: format!("{sentence}{stopping}"),
        is_running,
        ended,
        total,
        started: &run.record.started,
        started_text: when(&run.record.started),
        took_label: match run.state {
            RunState::Running => "running for",
            RunState::Killed => "last seen after",
            RunState::Succeeded | RunState::Failed | RunState::Cancelled => "took",
        },
        took: wording::duration(run.seconds(look.now)),
        facts: facts(run),
        errors,
        more_errors,
    })
}

fn facts(run: &LiveRun) -> Vec<(&'static str, String)> {
    let record = &run.record;
    let mut facts = vec![("file", record.file.clone())];
    if let Some(profile) = &record.profile {
        facts.push(("profile", profile.clone()));
    }
    if !record.sets.is_empty() {
        facts.push(("set", record.sets.join(", ")));
    }
    if let Some(device) = &record.device {
        facts.push(("device", device.clone()));
    }
    facts.push(("runner", record.runner.clone()));
    facts
}

fn running(look: Look<'_>, run: &LiveRun) -> String {
    let cards = running_stages(run)
        .take(CARDS)
        .map(|(stage, running)| Card {
            log: card_log(run, stage, running).unwrap_or_default(),
            ..card(look, run, stage, running, CARD_FIGURES)
        });
    rendered(&RunningTemplate {
        cards: cards.collect(),
        more: running_stages(run).skip(CARDS).count(),
    })
}

/// The stages that are running; none if the run has ended.
fn running_stages(run: &LiveRun) -> impl Iterator<Item = (&LiveStage, &Running)> {
    let is_running = run.state == RunState::Running;
    let stages = run.stages.iter().filter(move |_| is_running);
    stages.filter_map(|stage| match &stage.state {
        LiveState::Running(running) => Some((stage, &**running)),
        LiveState::Waiting | LiveState::Ended(_) => None,
    })
}

/// Describes a running stage, with at most `figures` curves.
pub(super) fn card<'a>(
    look: Look<'_>,
    run: &LiveRun,
    stage: &'a LiveStage,
    running: &'a Running,
    figures: usize,
) -> Card<'a> {
    let elapsed = seconds_between(running.since, look.now);
    let progress = running.progress.as_ref();
    let left = progress.and_then(|progress| {
        let (start, since) = running.start?;
        wording::seconds_left(progress, start, seconds_between(since, look.now))
    });
    let total = progress.filter(|progress| progress.total > 0.0);
    let measured = progress.and_then(|progress| {
        let measured = progress.measurement.as_ref()?;
        Some(wording::measurement(&progress.unit, measured))
    });
    let address = stage_address(&run.record.run, &stage.id);
    let picture = running.picture.as_ref().map(|picture| Sampled {
        // Browsers keep the picture, so each has an address of its own.
        address: format!("{address}/picture?at={}", picture.at),
        caption: &picture.caption,
    });
    Card {
        name: &stage.planned.name,
        address,
        progress: progress.map_or_else(|| "started".to_owned(), wording::progress),
        left: left.map(wording::about_in_words).unwrap_or_default(),
        done: total.map(|progress| (progress.done.clamp(0.0, progress.total), progress.total)),
        measured: measured.unwrap_or_default(),
        figures: curve::curves(look.analysis, running, &stage.id, figures),
        picture,
        log: String::new(),
        warnings: &running.warnings,
        since: running.since.to_string(),
        took: wording::duration(elapsed),
        reason: &running.reason,
        place: running.place.as_deref().unwrap_or_default(),
    }
}

fn row(run: &LiveRun, stage: &LiveStage) -> String {
    let end = match &stage.state {
        LiveState::Ended(end) => Some(end),
        LiveState::Waiting | LiveState::Running(_) => None,
    };
    let word = stage.word(run.state);
    let time = |seconds: Option<f64>| seconds.map(wording::duration).unwrap_or_default();
    let memory = end.and_then(|end| end.peak_memory_mib);
    rendered(&RowTemplate {
        id: &stage.id,
        name: &stage.planned.name,
        address: stage_address(&run.record.run, &stage.id),
        word,
        class: class(word),
        warnings: end.map_or(0, |end| end.warnings.len()),
        time: time(end.and_then(|end| end.seconds)),
        cpu: time(end.and_then(|end| end.cpu_seconds)),
        memory: memory
            .map(|mib| format!("{mib:.0} MiB"))
            .unwrap_or_default(),
    })
}

/// The CSS class of a state.
pub(super) fn class(word: &'static str) -> &'static str {
    match word {
        "not started" => "not-started",
        word => word,
    }
}
