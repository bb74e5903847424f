//! Streams of events: what changes on a page, as long as it is open.

use std::sync::Arc;
use std::time::Duration;

use engine::executor::log_file;
use hyper::http::request::Parts as Head;
use hyper::{Method, StatusCode};
use tokio::sync::OwnedSemaphorePermit;

use super::Site;
use crate::answer::{self, Answer};
use crate::live::{LiveRun, LiveState, Looked, Watched};
use crate::page::{self, ListQuery, LogTail, Parts};
use crate::stream::{Closed, Position, Stream, blocking};

/// Interval between two looks at the list or at a log.
const INTERVAL: Duration = Duration::from_secs(1);
/// Interval between two looks at the use of the machine.
const USAGE_INTERVAL: Duration = Duration::from_secs(2);

impl Site {
    /// Answers with events that `send` sends, if there is a place for one more open page.
    pub(super) fn stream<F: Future<Output = Result<(), Closed>> + Send + 'static>(
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
    pub(super) async fn send_list(
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
    pub(super) async fn send_run(
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
        let (mut shown, mut logs) = (None, Parts::new());
        loop {
            let (site, looked) = (Arc::clone(&self), Arc::clone(&run));
            let new = blocking(move || {
                let run = looked.run();
                let parts = page::run_parts(site.look(), &run, since);
                (parts, page::run_logs(&run), run.offset, run.has_ended())
            });
            let (mut parts, new_logs, offset, has_ended) = new.await.ok_or(Closed)?;
            let changed = new_logs.iter().filter(|log| !logs.contains(log));
            parts.extend(changed.cloned());
            logs = new_logs;
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
    pub(super) async fn send_stage(
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

    /// Returns what changed on the page of a stage; `None` if the page must be loaded again.
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

    /// Finds a run that can be shown.
    pub(super) async fn watched(self: &Arc<Self>, id: String) -> Option<Arc<Watched>> {
        let site = Arc::clone(self);
        match blocking(move || site.hub.look(&id)).await? {
            Looked::Run(run) => Some(run),
            Looked::Begun { .. } | Looked::Missing | Looked::Bad(_) => None,
        }
    }
}

/// Changes on the page of a stage.
struct News {
    parts: Parts,
    log: String,
    position: Position,
    has_ended: bool,
}
