//! The page of a stage, and its parts that change while it runs.

use askama::Template;
use engine::event::{RunState, StageReport};
use engine::wording;

use super::failure::Failure;
use super::log::LogTail;
use super::run::{Card, card, class};
use super::{Look, Parts, rendered, run_address, stage_address};
use crate::live::{LiveRun, LiveStage, LiveState};

/// Number of curves of a running stage that are shown.
const FIGURES: usize = 16;

#[derive(Template)]
#[template(path = "stage.html")]
struct StageTemplate<'a> {
    id: &'a str,
    name: &'a str,
    pipeline: &'a str,
    run_address: String,
    address: String,
    state: String,
    /// Details of its result as HTML.
    details: String,
    log: &'a str,
    log_note: &'a str,
    has_log: bool,
    log_address: String,
    /// Place where events continue; `None` if the run has ended.
    since: Option<String>,
}

impl StageTemplate<'_> {
    fn title(&self) -> String {
        format!("{} {}", self.name, self.id)
    }

    fn events(&self) -> Option<String> {
        let since = self.since.as_ref()?;
        Some(format!("{}/events?since={since}", self.address))
    }
}

#[derive(Template)]
#[template(path = "stage_state.html")]
struct StateTemplate<'a> {
    name: &'a str,
    word: &'static str,
    class: &'static str,
    sentence: String,
    card: Option<Card<'a>>,
    /// The log is on the same page, so its lines in the error are left out.
    error: Option<String>,
    warnings: &'a [String],
}

/// The page of a stage of a run. `details` is HTML about its result.
pub(crate) fn stage_page(
    look: Look<'_>,
    run: &LiveRun,
    stage: &LiveStage,
    log: &LogTail,
    details: String,
) -> String {
    let id = &run.record.run;
    let address = stage_address(id, &stage.id);
    rendered(&StageTemplate {
        id,
        name: &stage.planned.name,
        pipeline: &run.record.pipeline,
        run_address: run_address(id),
        state: state(look, run, stage),
        details,
        log: &log.text,
        log_note: log.note(),
        has_log: log.end > 0,
        log_address: format!("{address}/log"),
        since: (run.state == RunState::Running).then(|| format!("{}.{}", run.offset, log.end)),
        address,
    })
}

/// Returns the parts of a stage's page that changed since an offset of the run's events.
pub(crate) fn stage_parts(look: Look<'_>, run: &LiveRun, stage: &LiveStage, since: u64) -> Parts {
    match stage.touched > since {
        true => vec![("stage".to_owned(), state(look, run, stage))],
        false => Parts::new(),
    }
}

fn state(look: Look<'_>, run: &LiveRun, stage: &LiveStage) -> String {
    let word = stage.word(run.state);
    let mut template = StateTemplate {
        name: &stage.planned.name,
        word,
        class: class(word),
        sentence: String::new(),
        card: None,
        error: None,
        warnings: &[],
    };
    match &stage.state {
        LiveState::Waiting => {}
        LiveState::Running(running) => {
            template.warnings = &running.warnings;
            if run.state == RunState::Running {
                let card = card(look, run, stage, running, FIGURES);
                template.sentence.clone_from(&card.progress);
                template.card = Some(card);
            }
        }
        LiveState::Ended(end) => {
            template.sentence = ending(end);
            let error = end.error.as_deref();
            template.error = error.map(|error| Failure::new(error).text);
            template.warnings = &end.warnings;
        }
    }
    rendered(&template)
}

/// `12.3 s, 20.1 s of CPU time, 210 MiB`; empty for a stage that was not executed.
fn ending(end: &StageReport) -> String {
    let time = end.seconds.map(wording::duration);
    let cpu = end
        .cpu_seconds
        .map(|cpu| format!("{} of CPU time", wording::duration(cpu)));
    let memory = end.peak_memory_mib.map(|mib| format!("{mib:.0} MiB"));
    let parts: Vec<String> = [time, cpu, memory].into_iter().flatten().collect();
    parts.join(", ")
}
