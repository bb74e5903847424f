//! Answers that are read from the store.

use std::sync::Arc;
use std::time::Duration;

use contract::files;
use engine::event::RunState;
use engine::executor::{MOST_PICTURE, log_file, picture_file};
use hyper::StatusCode;
use tokio::time::Instant;

use super::Site;
use super::refusals::{error_page, failed, not_found};
use crate::answer::{self, Answer};
use crate::control::Control;
use crate::live::{LiveRun, LiveStage, LiveState, Looked};
use crate::page::{
    self, ListPage, ListQuery, LogTail, Message, RunPage, StageList, StagesQuery, run_address,
};
use crate::results::{self, Found, MOST_STAGES, Part, RunOutline, Sources, Version};
use crate::route::Route;
use crate::stream::blocking;

/// Time that the page of a run waits for results that are being made. It shows them later if they take longer.
const PATIENCE: Duration = Duration::from_millis(400);
/// Longest time that a request for results waits for them, and the time between two looks.
const RESULTS_TIME: Duration = Duration::from_secs(10);
const RESULTS_INTERVAL: Duration = Duration::from_millis(100);

/// Results for the page of a run, as HTML.
#[derive(Default)]
struct Results {
    html: Arc<str>,
    /// `true` if newer results are being made, for which the page should wait.
    is_pending: bool,
}

impl Site {
    /// Answers a request that reads from the store. This blocks.
    pub(super) fn read(&self, route: Route, query: &str) -> Answer {
        match route {
            Route::Runs => self.list(query),
            Route::Run(run) => self.run_page(&run, query),
            Route::Stage(run, stage) => self.with_stage(&run, &stage, |run, stage| {
                let has_ended = matches!(stage.state, LiveState::Ended(_));
                let log = log_file(&run.folder, &stage.planned.name);
                let log = LogTail::read(&log, 0, has_ended).unwrap_or_else(|error| LogTail {
                    text: format!("the log cannot be read: {error}"),
                    ..LogTail::default()
                });
                let details = results::of_stage(&self.sources(), run, stage);
                answer::html(
                    StatusCode::OK,
                    page::stage_page(self.look(), run, stage, &log, details),
                )
            }),
            Route::Log(run, stage) => self.with_stage(&run, &stage, |run, stage| {
                match page::whole_log(&log_file(&run.folder, &stage.planned.name)) {
                    Ok(Some(log)) => answer::text(StatusCode::OK, log),
                    Ok(None) => not_found("This stage wrote nothing."),
                    Err(error) => {
                        let message = format!("The log cannot be read: {error}.");
                        error_page(StatusCode::INTERNAL_SERVER_ERROR, "Error", &message)
                    }
                }
            }),
            Route::StagePicture(run, stage) => self.with_stage(&run, &stage, |run, stage| {
                let file = picture_file(&run.folder, &stage.planned.name);
                match files::read_unlinked(&file, MOST_PICTURE) {
                    Ok(png) if results::is_png(&png) => answer::picture("image/png", png),
                    Ok(_) | Err(_) => not_found("There is no such picture."),
                }
            }),
            Route::Picture(picture) => match results::picture(&self.sources(), &picture, query) {
                Some(png) => answer::picture("image/png", png),
                None => not_found("There is no such picture."),
            },
            Route::Started(number) => self.started(number),
            Route::Style
            | Route::Script
            | Route::LiveScript
            | Route::Start
            | Route::Cancel(_)
            | Route::RunsEvents
            | Route::RunEvents(_)
            | Route::RunResults(_)
            | Route::StageEvents(..) => not_found("There is no such page."),
        }
    }

    fn list(&self, query: &str) -> Answer {
        let query = ListQuery::parse(query);
        match self.index.rows() {
            Ok(rows) => {
                let page = ListPage {
                    query: &query,
                    start: self.control.as_ref().map(Control::shown_folder),
                };
                answer::html(StatusCode::OK, page::list_page(&rows, page))
            }
            Err(error) => {
                let message = format!("The runs of the store cannot be listed: {error}.");
                error_page(StatusCode::INTERNAL_SERVER_ERROR, "Error", &message)
            }
        }
    }

    fn run_page(&self, id: &str, query: &str) -> Answer {
        let query = StagesQuery::parse(query);
        let results = self.results(id, &query, PATIENCE);
        let results = results.unwrap_or_default();
        self.with_run(id, |run, id| {
            let page = RunPage {
                id,
                query: &query,
                allow_run: self.control.is_some(),
                results: &results.html,
                is_pending: results.is_pending,
                is_part: is_large(run),
            };
            answer::html(StatusCode::OK, page::run_page(self.look(), run, page))
        })
    }

    /// Finds the results of a run, or begins to make them; `None` if the run cannot be shown. The page of a run with
    /// very many stages shows the results of those that it lists.
    fn results(&self, id: &str, query: &StagesQuery, patience: Duration) -> Option<Results> {
        let Looked::Run(watched) = self.hub.look(id) else {
            return None;
        };
        let (part, version, outline) = {
            let run = watched.run();
            let list = is_large(&run).then(|| StageList::new(&run, query));
            let part = Part {
                run: id.to_owned(),
                listed: list.as_ref().map(|list| list.query.clone()),
            };
            let version = Version {
                state: run.state,
                ended: run.counts.total(),
            };
            let rows = list.as_ref().map(|list| list.rows.as_slice());
            (part, version, RunOutline::new(&run, rows))
        };
        let sources = self.sources();
        let make = move || results::of_run(&sources, &outline);
        let found = self.results.get(&part, version, patience, make);
        let (html, is_pending) = match found {
            Found::Current(html) => (html, false),
            // Those of a run that goes on may never be the newest, because they change whenever a stage ends.
            Found::Earlier(html) => (html, version.state != RunState::Running),
            Found::Nothing => ("".into(), true),
        };
        Some(Results { html, is_pending })
    }

    /// Answers when the results of a run are there, so that its page can show them.
    pub(super) async fn wait_for_results(self: Arc<Self>, id: String, query: String) -> Answer {
        let query = StagesQuery::parse(&query);
        let began = Instant::now();
        loop {
            let (site, id, query) = (Arc::clone(&self), id.clone(), query.clone());
            let found = blocking(move || site.results(&id, &query, Duration::ZERO));
            match found.await {
                Some(Some(results)) if results.is_pending => {}
                Some(Some(_)) => return answer::text(StatusCode::OK, "ready\n"),
                Some(None) => return not_found("There is no such run."),
                None => return failed(),
            }
            if began.elapsed() > RESULTS_TIME {
                return answer::text(StatusCode::ACCEPTED, "not yet\n");
            }
            tokio::time::sleep(RESULTS_INTERVAL).await;
        }
    }

    fn sources(&self) -> Sources {
        Sources {
            store: Arc::clone(&self.store),
            catalogue: self.catalogue,
            analysis: self.analysis,
            extras: self.extras,
        }
    }

    /// Looks for a stage of a run, and answers with it or with a page that says why it cannot be shown.
    fn with_stage(
        &self,
        run: &str,
        stage: &str,
        answer: impl FnOnce(&LiveRun, &LiveStage) -> Answer,
    ) -> Answer {
        self.with_run(run, |run, _| match run.find(stage) {
            Some(stage) => answer(run, stage),
            None => not_found("This run has no such stage."),
        })
    }

    /// Looks for a run, and answers with it or with a page that says why it cannot be shown.
    fn with_run(&self, id: &str, answer: impl FnOnce(&LiveRun, &str) -> Answer) -> Answer {
        match self.hub.look(id) {
            Looked::Run(watched) => answer(&watched.run(), id),
            Looked::Begun { is_alive: false } => {
                let message = "This run has no record: it was killed at its start.";
                error_page(StatusCode::OK, id, message)
            }
            Looked::Begun { is_alive: true } => {
                let message = Message {
                    title: id.to_owned(),
                    message: "This run has no record yet: it has just begun. This page loads again by itself.".to_owned(),
                    link: Some((run_address(id), "Reload".to_owned())),
                    refresh: true,
                    ..Message::default()
                };
                answer::html(StatusCode::OK, page::message(message))
            }
            Looked::Missing => not_found("There is no such run. It may have been removed."),
            Looked::Bad(bad) => {
                let message = format!(
                    "The record of this run cannot be shown: {}. `runner cache verify` lists what is damaged in the store.",
                    bad.why()
                );
                error_page(StatusCode::OK, id, &message)
            }
        }
    }
}

/// `true` if a run has too many stages to show the results of all of them.
fn is_large(run: &LiveRun) -> bool {
    run.stages.len() > MOST_STAGES
}
