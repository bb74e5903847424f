//! [`Site`]: answers requests.

mod reads;
mod refusals;
mod starts;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use contract::analysis::Analysis;
use engine::graph::Catalogue;
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts as Head;
use hyper::{Method, Request, StatusCode};
use jiff::Timestamp;
use pages::page::{STYLE, theme};
use store::Store;
use tokio::sync::{Semaphore, watch};

use crate::Settings;
use crate::access::{self, PARAMETER};
use crate::answer::{self, Answer};
use crate::control::Control;
use crate::index::Index;
use crate::live::Hub;
use crate::page::{ListQuery, Look};
use crate::results::{ExtrasOf, Kept};
use crate::route::{NoRoute, Route, route};
use crate::stream::{Position, blocking};
use crate::token::Token;
use crate::usage::Usage;
use refusals::{failed, not_found};

/// Largest body of a request, in bytes.
pub(crate) const BODY_BYTES: usize = 64 << 10;
/// Time for the body of a request.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(10);

/// Number of pages that are kept up to date at a time.
const OPEN_PAGES: usize = 64;

const SCRIPT_TYPE: &str = "text/javascript; charset=utf-8";

/// Everything that answers are made from.
pub(crate) struct Site {
    store: Arc<Store>,
    analysis: &'static dyn Analysis,
    catalogue: Catalogue,
    extras: ExtrasOf,
    results: Arc<Kept>,
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
        let style = [STYLE, &colors, include_str!("../assets/live.css")].join("\n");
        Self {
            hub: Hub::new(Arc::clone(&store)),
            index: Index::new(Arc::clone(&store)),
            usage: Usage::default(),
            places: Arc::new(Semaphore::new(OPEN_PAGES)),
            results: Arc::default(),
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
            Route::LiveScript => answer::asset(SCRIPT_TYPE, include_str!("../assets/live.js")),
            Route::Start => self.start(body).await,
            Route::Cancel(run) => self.cancel(run).await,
            Route::RunResults(run) => self.wait_for_results(run, query).await,
            Route::RunsEvents => {
                let query = ListQuery::parse(&query);
                self.stream(&head, |site, stream| site.send_list(query, stream))
            }
            Route::RunEvents(run) => {
                let since = Position::of(&head);
                self.stream(&head, |site, stream| site.send_run(run, since, stream))
            }
            Route::StageEvents(run, stage) => {
                let since = Position::of(&head);
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

    fn look(&self) -> Look<'_> {
        Look {
            analysis: self.analysis,
            now: Timestamp::now(),
        }
    }
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
