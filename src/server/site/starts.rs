//! Starts and cancels runs.

use std::sync::Arc;
use std::time::Duration;

use engine::run::cancel::{CancelMode, NotCancelled, cancel};
use http_body_util::{BodyExt, Limited};
use hyper::StatusCode;
use hyper::body::Incoming;

use super::refusals::{error_page, failed, not_found, read_only};
use super::{BODY_BYTES, BODY_TIME, Site};
use crate::answer::{self, Answer};
use crate::control::StartError;
use crate::page::{self, Message, run_address};
use crate::stream::blocking;

/// Number of looks for the run of a start before its page is shown.
const START_LOOKS: usize = 150;
/// Time between two of these looks.
const START_INTERVAL: Duration = Duration::from_millis(20);

impl Site {
    /// Starts a run.
    pub(super) async fn start(self: Arc<Self>, body: Incoming) -> Answer {
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
    pub(super) fn started(&self, number: u64) -> Answer {
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
    pub(super) async fn cancel(self: Arc<Self>, id: String) -> Answer {
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
