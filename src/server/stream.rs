//! Server-sent events: what changed on a page, as long as it is open.
//!
//! An event named `parts` replaces parts of the page. Its id is the offset of the run's events that the page shows then
//! (and, after a dot, that of a stage's log), so that a browser that lost the connection continues where it was, even
//! if the server was started again meanwhile.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::channel::{Channel, Sender};
use hyper::body::{Bytes, Frame};
use hyper::header::HeaderName;
use hyper::http::request::Parts as Head;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, timeout};

use crate::page::Parts;

/// Time after which a browser that reads nothing is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longest time without anything sent. Sending is how a closed page is noticed.
const SILENCE: Duration = Duration::from_secs(15);

const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// The events of one open page.
pub(crate) struct Stream {
    sender: Sender<Bytes, Infallible>,
    shutdown: watch::Receiver<bool>,
    sent: Instant,
    /// Returned when the page is closed.
    _place: OwnedSemaphorePermit,
}

/// The page was closed, or the server ends.
#[derive(Debug)]
pub(crate) struct Closed;

impl Stream {
    pub(crate) fn new(
        shutdown: watch::Receiver<bool>,
        place: OwnedSemaphorePermit,
    ) -> (Self, Channel<Bytes, Infallible>) {
        let (sender, body) = Channel::new(1);
        let stream = Self {
            sender,
            shutdown,
            sent: Instant::now(),
            _place: place,
        };
        (stream, body)
    }

    /// Begins the stream: browsers reconnect after a second.
    pub(crate) async fn begin(&mut self) -> Result<(), Closed> {
        self.send("retry: 1000\n\n".to_owned()).await
    }

    /// Replaces parts of the page, and adds text to the log. `position` is where a browser continues later.
    pub(crate) async fn parts(
        &mut self,
        parts: &Parts,
        log: &str,
        position: &str,
    ) -> Result<(), Closed> {
        let data = match log {
            "" => json!({ "parts": parts }),
            log => json!({ "parts": parts, "log": log }),
        };
        self.send(format!("id: {position}\nevent: parts\ndata: {data}\n\n"))
            .await
    }

    /// Shows the use of the machine.
    pub(crate) async fn usage(&mut self, html: &str) -> Result<(), Closed> {
        let data = json!(html);
        self.send(format!("event: usage\ndata: {data}\n\n")).await
    }

    /// Tells the page to load again, because it has other contents now.
    pub(crate) async fn reload(&mut self) -> Result<(), Closed> {
        self.send("event: reload\ndata: \n\n".to_owned()).await
    }

    /// Waits for a change, or for `longest`. Sends a comment if nothing was sent for a long time.
    pub(crate) async fn wait(
        &mut self,
        changes: Option<&mut watch::Receiver<u64>>,
        longest: Duration,
    ) -> Result<(), Closed> {
        let change = async {
            match changes {
                // An error means that the sender was dropped, which the next look finds out.
                Some(changes) => drop(changes.changed().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = change => {}
            () = tokio::time::sleep(longest) => {}
            () = stopped(&mut self.shutdown) => return Err(Closed),
        }
        if self.sent.elapsed() > SILENCE {
            self.send(":\n\n".to_owned()).await?;
        }
        Ok(())
    }

    async fn send(&mut self, text: String) -> Result<(), Closed> {
        let frame = Frame::data(Bytes::from(text));
        let sent = tokio::select! {
            sent = timeout(PATIENCE, self.sender.send(frame)) => sent,
            () = stopped(&mut self.shutdown) => return Err(Closed),
        };
        self.sent = Instant::now();
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Closed),
        }
    }
}

/// Place where the page of a stage continues: offsets of the run's events and of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) events: u64,
    pub(crate) log: u64,
}

impl Position {
    /// The position of a request: after the last event that its browser got, or else as its address says.
    pub(crate) fn of(head: &Head) -> Self {
        let last = head.headers.get(LAST_EVENT);
        let last = last.and_then(|last| last.to_str().ok());
        let query = head.uri.query().unwrap_or_default();
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let since = pairs.find_map(|(name, since)| (name == "since").then_some(since));
        Self::parse(last.or(since.as_deref()).unwrap_or_default())
    }

    /// Parses the id of an event. Nonsense counts as the beginning.
    fn parse(text: &str) -> Self {
        let (events, log) = text.split_once('.').unwrap_or((text, "0"));
        Self {
            events: events.parse().unwrap_or_default(),
            log: log.parse().unwrap_or_default(),
        }
    }
}

/// Waits until the server ends.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody can stop the server any more, so it ends now.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Runs blocking code on another thread. `None` if it panicked.
pub(crate) async fn blocking<T: Send + 'static>(
    code: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    tokio::task::spawn_blocking(code).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_parsed_and_nonsense_is_the_beginning() {
        let position = |events, log| Position { events, log };
        for (text, expected) in [
            ("12", position(12, 0)),
            ("12.34", position(12, 34)),
            ("", position(0, 0)),
            ("-1.x", position(0, 0)),
            ("99999999999999999999.5", position(0, 5)),
        ] {
            assert_eq!(Position::parse(text), expected, "{text}");
        }
    }
}
