//! [`Site`]: answers requests.

use std::sync::Arc;
use std::time::Duration;

use contract::analysis::Analysis;
use engine::executor::log_file;
use engine::graph::Catalogue;
use engine::run::cancel::{CancelMode, NotCancelled, cancel};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderName;
use hyper::http::request::Parts as Head;
use hyper::{Method, Request, StatusCode};
use jiff::Timestamp;
use pages::page::{STYLE, theme};
use store::Store;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::Settings;
use crate::access::{self, PARAMETER};
use crate::answer::{self, Answer};
use crate::control::{Control, StartError};
use crate::index::Index;
use crate::live::{Hub, LiveRun, LiveState, Looked, Watched};
use crate::page::{
    self, ListPage, ListQuery, LogTail, Look, Message, RunPage, StagesQuery, run_address,
};
use crate::results::{self, ExtrasOf, Results, Sources};
use crate::route::{NoRoute, Route, route};
use crate::stream::{Closed, Position, Stream, blocking};
use crate::token::Token;
use crate::usage::Usage;

/// Largest body of a request, in bytes.
pub(crate) const BODY_BYTES: usize = 64 << 10;
/// Time for the body of a request.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(10);

/// Number of pages that are kept up to date at a time.
const OPEN_PAGES: usize = 64;

/// Interval between two looks at the list, at a log and at the use of the machine.
const INTERVAL: Duration = Duration::from_secs(1);
const USAGE_INTERVAL: Duration = Duration::from_secs(2);

/// Number of looks for the run of a start before its page is shown, and the time between them.
const START_LOOKS: usize = 150;
const START_INTERVAL: Duration = Duration::from_millis(20);

const SCRIPT_TYPE: &str = "text/javascript; charset=utf-8";

const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// Everything that answers are made from.
pub(crate) struct Site {
    store: Arc<Store>,
    analysis: &'static dyn Analysis,
    catalogue: Catalogue,
    extras: ExtrasOf,
    results: Results,
    /// The style sheet of all pages.
    style: Bytes,
    token: Token,
    hub: Hub,
    index: Index,
    usage: Usage,
    /// `None` if runs can be neither started nor cancelled.
    control: Option<Control>,
    places: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

impl Site {
    pub(crate) fn new(settings: Settings, stop: watch::Receiver<bool>) -> Self {
        let store = Arc::new(settings.store);
        let colors = theme(&settings.analysis.theme_colors());
        let style = [STYLE, &colors, include_str!("assets/live.css")].join("\n");
        Self {
            hub: Hub::new(Arc::clone(&store)),
            index: Index::new(Arc::clone(&store)),
            usage: Usage::default(),
            places: Arc::new(Semaphore::new(OPEN_PAGES)),
            results: Results::default(),
            style: Bytes::from(style),
            store,
            analysis: settings.analysis,
            catalogue: settings.catalogue,
            extras: settings.extras,
            token: settings.token,
            control: settings.launch.map(Control::new),
            stop,
        }
    }

    /// Answers a request. Every request gets an answer.
    pub(crate) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let admitted = match access::check(&head, &self.token) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                let message = format!("refused: {}\n", refusal.message());
                return answer::text(StatusCode::FORBIDDEN, message);
            }
        };
        let path = head.uri.path();
        if admitted.by_address && head.method == Method::GET {
            let mut answer = answer::redirect(&without_token(&head));
            answer::set_cookie(&mut answer, &admitted.cookie(), self.token.text());
            return answer;
        }
        match route(&head.method, path) {
            Ok(route) => self.routed(route, head, body).await,
            Err(NoRoute::NotFound) => not_found("There is no such page."),
            Err(NoRoute::WrongMethod(methods)) => {
                let message = format!("this address only has {methods}\n");
                let mut answer = answer::text(StatusCode::METHOD_NOT_ALLOWED, message);
                answer::allow(&mut answer, methods);
                answer
            }
        }
    }

    async fn routed(self: Arc<Self>, route: Route, head: Head, body: Incoming) -> Answer {
        let query = head.uri.query().unwrap_or_default().to_owned();
        match route {
            Route::Style => answer::asset("text/css; charset=utf-8", self.style.clone()),
            Route::Script => answer::asset(SCRIPT_TYPE, pages::page::SCRIPT),
            Route::LiveScript => answer::asset(SCRIPT_TYPE, include_str!("assets/live.js")),
            Route::Start => self.start(body).await,
            Route::Cancel(run) => self.cancel(run).await,
            Route::RunsEvents => {
                let query = ListQuery::parse(&query);
                self.stream(&head, |site, stream| site.send_list(query, stream))
            }
            Route::RunEvents(run) => {
                let since = position(&head);
                self.stream(&head, |site, stream| site.send_run(run, since, stream))
            }
            Route::StageEvents(run, stage) => {
                let since = position(&head);
                self.stream(&head, |site, stream| {
                    site.send_stage(run, stage, since, stream)
                })
            }
            read => {
                let answer = blocking(move || self.read(read, &query)).await;
                answer.unwrap_or_else(failed)
            }
        }
    }

    /// Answers a request that reads from the store. This blocks.
    fn read(&self, route: Route, query: &str) -> Answer {
        match route {
            Route::Runs => self.list(query),
            Route::Run(run) => self.with_run(&run, |run, id| {
                let results = results::of_run(&self.sources(), run);
                let page = RunPage {
                    id,
                    query: &StagesQuery::parse(query),
                    allow_run: self.control.is_some(),
                    results: &results,
                };
                answer::html(StatusCode::OK, page::run_page(self.look(), run, page))
            }),
            Route::Stage(run, stage) => self.with_run(&run, |run, _| {
                let Some(stage) = run.find(&stage) else {
                    return not_found("This run has no such stage.");
                };
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
            Route::Log(run, stage) => self.with_run(&run, |run, _| {
                let Some(stage) = run.find(&stage) else {
                    return not_found("This run has no such stage.");
                };
                match page::whole_log(&log_file(&run.folder, &stage.planned.name)) {
                    Ok(Some(log)) => answer::text(StatusCode::OK, log),
                    Ok(None) => not_found("This stage wrote nothing."),
                    Err(error) => {
                        let message = format!("The log cannot be read: {error}.");
                        error_page(StatusCode::INTERNAL_SERVER_ERROR, "Error", &message)
                    }
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
            | Route::StageEvents(..) => not_found("There is no such page."),
        }
    }

    fn sources(&self) -> Sources<'_> {
        Sources {
            store: &self.store,
            catalogue: &self.catalogue,
            analysis: self.analysis,
            extras: self.extras,
            kept: &self.results,
        }
    }

    fn look(&self) -> Look<'_> {
        Look {
            analysis: self.analysis,
            now: Timestamp::now(),
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

    /// Answers with events that `send` sends, if there is a place for one more open page.
    fn stream<F: Future<Output = Result<(), Closed>> + Send + 'static>(
        self: Arc<Self>,
        head: &Head,
        send: impl FnOnce(Arc<Self>, Stream) -> F,
    ) -> Answer {
        if head.method == Method::HEAD {
            return answer::no_events();
        }
        let place: OwnedSemaphorePermit = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                let message = "too many pages are open\n";
                return answer::text(StatusCode::SERVICE_UNAVAILABLE, message);
            }
        };
        let (stream, body) = Stream::new(self.stop.clone(), place);
        // It ends when the page is closed.
        tokio::spawn(send(self, stream));
        answer::events(body)
    }

    /// Sends the list of runs whenever it changes.
    async fn send_list(
        self: Arc<Self>,
        query: ListQuery,
        mut stream: Stream,
    ) -> Result<(), Closed> {
        stream.begin().await?;
        let mut sent = None;
        loop {
            let (site, query) = (Arc::clone(&self), query.clone());
            let before = sent.clone();
            let list = blocking(move || {
                let rows = site.index.rows().ok()?;
                let is_new = before.is_none_or(|before| !Arc::ptr_eq(&before, &rows));
                is_new.then(|| (page::list(&rows, &query), rows))
            });
            if let Some(Some((list, rows))) = list.await {
                sent = Some(rows);
                stream
                    .parts(&vec![("list".to_owned(), list)], "", "0")
                    .await?;
            }
            stream.wait(None, INTERVAL).await?;
        }
    }

    /// Sends what changes on the page of a run, until it has ended.
    async fn send_run(
        self: Arc<Self>,
        id: String,
        since: Position,
        mut stream: Stream,
    ) -> Result<(), Closed> {
        stream.begin().await?;
        let Some(run) = self.watched(id).await else {
            return stream.reload().await;
        };
        let mut changes = self.hub.subscribe(&run);
        let mut since = since.events;
        let mut shown = None;
        loop {
            let (site, looked) = (Arc::clone(&self), Arc::clone(&run));
            let new = blocking(move || {
                let run = looked.run();
                let parts = page::run_parts(site.look(), &run, since);
                (parts, run.offset, run.has_ended())
            });
            let (parts, offset, has_ended) = new.await.ok_or(Closed)?;
            // Another file has taken the place of the events.
            if offset < since {
                return stream.reload().await;
            }
            if !parts.is_empty() {
                stream.parts(&parts, "", &offset.to_string()).await?;
            }
            since = offset;
            if has_ended || run.is_gone() {
                return stream.reload().await;
            }
            let (site, looked) = (Arc::clone(&self), Arc::clone(&run));
            let usage = blocking(move || site.usage.of_run(&site.store, &looked.run().record.run));
            let usage = usage.await.flatten();
            if usage.is_some() && usage != shown {
                stream.usage(usage.as_deref().unwrap_or_default()).await?;
                shown = usage;
            }
            stream.wait(Some(&mut changes), USAGE_INTERVAL).await?;
        }
    }

    /// Sends what changes on the page of a stage, until it has ended.
    async fn send_stage(
        self: Arc<Self>,
        id: String,
        stage: String,
        mut since: Position,
        mut stream: Stream,
    ) -> Result<(), Closed> {
        stream.begin().await?;
        let Some(run) = self.watched(id).await else {
            return stream.reload().await;
        };
        let _changes = self.hub.subscribe(&run);
        loop {
            let (site, looked, stage) = (Arc::clone(&self), Arc::clone(&run), stage.clone());
            let new = blocking(move || site.stage_news(&looked.run(), &stage, since));
            let Some(news) = new.await.ok_or(Closed)? else {
                return stream.reload().await;
            };
            if !news.parts.is_empty() || !news.log.is_empty() {
                let Position { events, log } = news.position;
                let position = format!("{events}.{log}");
                stream.parts(&news.parts, &news.log, &position).await?;
            }
            since = news.position;
            if news.has_ended || run.is_gone() {
                return stream.reload().await;
            }
            stream.wait(None, INTERVAL).await?;
        }
    }

    /// What changed on the page of a stage; `None` if the page must be loaded again.
    fn stage_news(&self, run: &LiveRun, stage: &str, since: Position) -> Option<News> {
        let stage = run.find(stage)?;
        if run.offset < since.events {
            return None;
        }
        let is_running = matches!(stage.state, LiveState::Running(_));
        let log = match is_running {
            true => {
                let log = log_file(&run.folder, &stage.planned.name);
                LogTail::read(&log, since.log, false).ok()
            }
            false => None,
        };
        let has_new_state = stage.changed > since.events;
        let log = log.filter(|log| log.end != since.log);
        Some(News {
            parts: page::stage_parts(self.look(), run, stage, since.events),
            position: Position {
                events: run.offset,
                log: log.as_ref().map_or(since.log, |log| log.end),
            },
            log: log.map(|log| log.text).unwrap_or_default(),
            has_ended: run.has_ended()
                || has_new_state && matches!(stage.state, LiveState::Ended(_)),
        })
    }

    async fn watched(self: &Arc<Self>, id: String) -> Option<Arc<Watched>> {
        let site = Arc::clone(self);
        match blocking(move || site.hub.look(&id)).await? {
            Looked::Run(run) => Some(run),
            Looked::Begun { .. } | Looked::Missing | Looked::Bad(_) => None,
        }
    }

    /// Starts a run.
    async fn start(self: Arc<Self>, body: Incoming) -> Answer {
        if self.control.is_none() {
            return read_only();
        }
        let body = Limited::new(body, BODY_BYTES).collect();
        let body = match tokio::time::timeout(BODY_TIME, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => {
                let message = "the form is too large or was not sent to its end\n";
                return answer::text(StatusCode::PAYLOAD_TOO_LARGE, message);
            }
            Err(_) => {
                return answer::text(
                    StatusCode::REQUEST_TIMEOUT,
                    "the form was sent too slowly\n",
                );
            }
        };
        let site = Arc::clone(&self);
        let started = blocking(move || {
            let control = site.control.as_ref()?;
            Some(control.start(&site.store, &body))
        });
        match started.await.flatten() {
            Some(Ok(number)) => {
                self.wait_for_start(number).await;
                answer::redirect(&format!("/starts/{number}"))
            }
            Some(Err(StartError::Request(message))) => {
                error_page(StatusCode::BAD_REQUEST, "The run was not started", &message)
            }
            Some(Err(StartError::System(message))) => {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                error_page(status, "The run was not started", &message)
            }
            None => read_only(),
        }
    }

    /// Waits for a short time until the run of a start is known, so that the next page can be that of the run.
    async fn wait_for_start(self: Arc<Self>, number: u64) {
        for _ in 0..START_LOOKS {
            let site = Arc::clone(&self);
            let is_settled = blocking(move || {
                let started = site.control.as_ref()?.started(number)?;
                Some(started.is_settled(&site.store))
            });
            if is_settled.await.flatten() != Some(false) {
                return;
            }
            tokio::time::sleep(START_INTERVAL).await;
        }
    }

    /// The page about a run that was started here: leads to the run as soon as it has a record.
    fn started(&self, number: u64) -> Answer {
        let started = self
            .control
            .as_ref()
            .and_then(|control| control.started(number));
        let Some(started) = started else {
            return not_found("No run was started here under this number.");
        };
        if let Some(run) = started.run(&self.store) {
            self.index.outdate();
            return answer::redirect(&run_address(&run));
        }
        let message = match started.ending() {
            None => "The run is being prepared. This page leads to the run as soon as it begins."
                .to_owned(),
            Some(ending) => ending,
        };
        let page = Message {
            title: started.command.clone(),
            message,
            output: started.output(),
            link: Some(match started.ending() {
                None => (format!("/starts/{number}"), "Reload".to_owned()),
                Some(_) => ("/".to_owned(), "All runs".to_owned()),
            }),
            refresh: started.ending().is_none(),
        };
        answer::html(StatusCode::OK, page::message(page))
    }

    /// Asks a run to stop.
    async fn cancel(self: Arc<Self>, id: String) -> Answer {
        if self.control.is_none() {
            return read_only();
        }
        let Some(run) = self.watched(id.clone()).await else {
            return not_found("There is no such run.");
        };
        let cancelled = blocking(move || {
            let run = run.run().record.run.clone();
            cancel(&self.store, &run, CancelMode::Gently)
        });
        match cancelled.await {
            // A second click changes nothing: what the first one asked for goes on.
            Some(Ok(()) | Err(NotCancelled::Stopping { .. })) => {
                answer::redirect(&run_address(&id))
            }
            Some(Err(error)) => {
                let message = format!("{error}.");
                error_page(StatusCode::CONFLICT, "The run was not cancelled", &message)
            }
            None => failed(),
        }
    }
}

/// What changed on the page of a stage.
struct News {
    parts: page::Parts,
    log: String,
    position: Position,
    has_ended: bool,
}

/// Where a page continues: after the last event that its browser got, or else as its address says.
fn position(head: &Head) -> Position {
    let last = head
        .headers
        .get(LAST_EVENT)
        .and_then(|last| last.to_str().ok());
    let query = head.uri.query().unwrap_or_default();
    let since = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "since");
    let since = since.map(|(_, since)| since);
    Position::parse(last.or(since.as_deref()).unwrap_or_default())
}

/// The address of a request without the token.
fn without_token(head: &Head) -> String {
    let query = head.uri.query().unwrap_or_default();
    let pairs = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != PARAMETER);
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    // `//name` would lead to another host.
    let path = format!("/{}", head.uri.path().trim_start_matches('/'));
    match query.is_empty() {
        true => path,
        false => format!("{path}?{query}"),
    }
}

/// The answer if the code for it panicked.
fn failed() -> Answer {
    let message =
        "This could not be done because of a mistake in runner. The server printed the details.";
    error_page(StatusCode::INTERNAL_SERVER_ERROR, "Error", message)
}

fn not_found(message: &str) -> Answer {
    error_page(StatusCode::NOT_FOUND, "Not found", message)
}

fn read_only() -> Answer {
    let message = "This server only shows runs. Start it with `runner serve --allow-run` to start and cancel runs here.";
    error_page(StatusCode::FORBIDDEN, "Not allowed", message)
}

fn error_page(status: StatusCode, title: &str, message: &str) -> Answer {
    let message = Message {
        title: title.to_owned(),
        message: message.to_owned(),
        link: Some(("/".to_owned(), "All runs".to_owned())),
        ..Message::default()
    };
    answer::html(status, page::message(message))
}
