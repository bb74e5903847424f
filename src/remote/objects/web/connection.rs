//! [`Connection`]: single requests to a server, with limits, and without redirects to other protocols.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ureq::http::{HeaderMap, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body as Answer, SendBody};

use super::names::KnownNames;
use super::pace::{Pace, Paced};
use crate::counters::Counters;
use crate::fault::{Fault, FaultKind};
use crate::objects::body::{Body, is_local};
use crate::objects::{Sink, local_now};
use crate::settings::Limits;

/// Longest answer that is read into memory, in bytes. A page of a listing has at most 1,000 names of 1 KiB.
const LONGEST_ANSWER: u64 = 8 << 20;
/// Longest message of a server that is read, in bytes.
const LONGEST_MESSAGE: u64 = 64 << 10;
const PIECE: usize = 1 << 16;

pub(super) type Headers<'a> = [(&'a str, &'a str)];

/// Answer to a request, without its body.
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// The beginning of the body. Empty for the answer to a successful GET or POST.
    pub(super) message: String,
}

impl Head {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    agent: Agent,
    /// The address as it is shown in errors. URLs of requests are never shown: they contain signatures.
    shown: String,
    answer: Duration,
    stall: Duration,
    counters: Arc<Counters>,
    /// The server's clock minus this machine's, in seconds.
    ahead: AtomicI64,
}

impl Connection {
    pub(super) fn new(
        shown: String,
        is_encrypted: bool,
        redirects: u32,
        limits: &Limits,
        counters: &Arc<Counters>,
    ) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(redirects)
            .max_redirects_will_error(false)
            .https_only(is_encrypted)
            .timeout_resolve(Some(limits.connect))
            .timeout_connect(Some(limits.connect))
            .timeout_send_request(Some(limits.stall))
            .timeout_recv_response(Some(limits.stall))
            .timeout_per_read(Some(limits.stall))
            .timeout_per_write(Some(limits.stall))
            .max_idle_connections(limits.requests)
            .max_idle_connections_per_host(limits.requests)
            .user_agent(concat!("runner/", env!("CARGO_PKG_VERSION")));
        if is_encrypted {
            config = config.tls_config(encryption());
        }
        Self {
            agent: Agent::with_parts(
                config.build(),
                DefaultConnector::default(),
                KnownNames::default(),
            ),
            shown,
            answer: limits.answer,
            stall: limits.stall,
            counters: Arc::clone(counters),
            ahead: AtomicI64::new(0),
        }
    }

    /// Returns the time by the server's clock, as of its latest answer.
    pub(super) fn now(&self) -> i64 {
        local_now() + self.ahead.load(Ordering::Relaxed)
    }

    pub(super) fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }

    /// Sends a GET request and passes the body of a successful answer to `sink`, after `skip` has been called with the
    /// answer and returned the number of bytes to leave out.
    pub(super) fn get(
        &self,
        url: &str,
        headers: &Headers<'_>,
        skip: impl FnOnce(&Head) -> Result<u64, Fault>,
        sink: &mut Sink<'_>,
    ) -> Result<Head, Fault> {
        let request = self.patient(self.agent.get(url), headers);
        let (head, mut answer) = self.answered(request.call())?;
        if !head.is_success() {
            return self.with_message(head, answer);
        }
        let mut left_out = skip(&head)?;
        let mut reader = answer.body_mut().as_reader();
        let mut buffer = vec![0; PIECE];
        let mut pace = Pace::new(self.stall);
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => return Ok(head),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.broken(&error)),
            };
            self.counters.received.add(read);
            let skipped = left_out.min(read as u64);
            left_out -= skipped;
            // At most `read`, so it fits.
            sink(&buffer[usize::try_from(skipped).unwrap_or(read)..read])?;
            pace.count(read).map_err(|error| self.broken(&error))?;
        }
    }

    /// Sends a GET request and returns the answer as text.
    pub(super) fn text(&self, url: &str, headers: &Headers<'_>) -> Result<(Head, String), Fault> {
        let mut bytes = Vec::new();
        let head = self.get(url, headers, |_| Ok(0), &mut |piece| {
            bytes.extend_from_slice(piece);
            match bytes.len() as u64 > LONGEST_ANSWER {
                true => Err(self.foreign("its answer is too long")),
                false => Ok(()),
            }
        })?;
        let text = String::from_utf8(bytes).map_err(|_| self.foreign("its answer is not text"))?;
        Ok((head, text))
    }

    pub(super) fn head(&self, url: &str, headers: &Headers<'_>) -> Result<Head, Fault> {
        let request = self.patient(self.agent.head(url), headers);
        let (head, answer) = self.answered(request.call())?;
        self.with_message(head, answer)
    }

    pub(super) fn delete(&self, url: &str, headers: &Headers<'_>) -> Result<Head, Fault> {
        let mut request = self.agent.delete(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, answer) = self.answered(request.call())?;
        self.with_message(head, answer)
    }

    /// Adds headers, and the time limits of a read.
    fn patient(
        &self,
        mut request: ureq::RequestBuilder<ureq::typestate::WithoutBody>,
        headers: &Headers<'_>,
    ) -> ureq::RequestBuilder<ureq::typestate::WithoutBody> {
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
            .config()
            .timeout_recv_response(Some(self.answer))
            .timeout_per_read(Some(self.answer))
            .build()
    }

    /// Sends a PUT request.
    pub(super) fn put(
        &self,
        url: &str,
        headers: &Headers<'_>,
        body: &Body<'_>,
    ) -> Result<Head, Fault> {
        self.send(self.agent.put(url), headers, body.len(), body.reader())
    }

    /// Sends `bytes` bytes of a reader as the body of a PUT request.
    pub(super) fn put_reader(
        &self,
        url: &str,
        bytes: u64,
        reader: impl Read,
    ) -> Result<Head, Fault> {
        self.send(self.agent.put(url), &[], bytes, reader)
    }

    pub(super) fn post(&self, url: &str, body: &str) -> Result<(Head, String), Fault> {
        let (head, mut answer) = self.answered(self.agent.post(url).send(body))?;
        if !head.is_success() {
            return Ok((self.with_message(head, answer)?, String::new()));
        }
        let limited = answer.body_mut().with_config().limit(LONGEST_ANSWER);
        let text = limited.read_to_string();
        let text = text.map_err(|error| self.broken(&error.into_io()))?;
        Ok((head, text))
    }

    fn send(
        &self,
        request: ureq::RequestBuilder<ureq::typestate::WithBody>,
        headers: &Headers<'_>,
        bytes: u64,
        reader: impl Read,
    ) -> Result<Head, Fault> {
        let mut request = request.header("content-length", bytes.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut paced = Paced {
            inner: reader,
            pace: Pace::new(self.stall),
            counter: Arc::clone(&self.counters),
            failure: None,
        };
        let answer = request.send(SendBody::from_reader(&mut paced));
        match paced.failure {
            Some(error) if is_local(&error) => return Err(Fault::local("upload a file", &error)),
            Some(error) => return Err(Fault::local("read a file to upload", &error)),
            None => {}
        }
        let (head, answer) = self.answered(answer)?;
        self.with_message(head, answer)
    }

    /// Separates an answer from its body, and notes the server's time.
    fn answered(
        &self,
        answer: Result<Response<Answer>, ureq::Error>,
    ) -> Result<(Head, Response<Answer>), Fault> {
        self.counters.requests.add(1);
        let answer = answer.map_err(|error| self.failed(&error))?;
        let head = Head {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            message: String::new(),
        };
        if let Some(date) = head.header("date").and_then(seconds) {
            self.ahead.store(date - local_now(), Ordering::Relaxed);
        }
        Ok((head, answer))
    }

    /// Reads the body of an answer, so that the connection can be used again.
    fn with_message(&self, mut head: Head, mut answer: Response<Answer>) -> Result<Head, Fault> {
        let limited = answer.body_mut().with_config().limit(LONGEST_MESSAGE);
        match limited.read_to_vec() {
            Ok(bytes) => head.message = String::from_utf8_lossy(&bytes).into_owned(),
            // The status says enough.
            Err(_) if !head.is_success() => {}
            Err(error) => return Err(self.broken(&error.into_io())),
        }
        Ok(head)
    }

    /// Converts an error of the HTTP client. Its own text may contain the URL, so it is not used.
    fn failed(&self, error: &ureq::Error) -> Fault {
        let (kind, why) = match error {
            ureq::Error::Io(error) => return self.broken(error),
            ureq::Error::Timeout(_) => (FaultKind::Timeout, "it does not answer in time"),
            ureq::Error::HostNotFound => (
                FaultKind::Connection,
                "there is no such host; check the address and the network",
            ),
            ureq::Error::ConnectionFailed => (FaultKind::Connection, "there is no connection"),
            ureq::Error::Protocol(_) => (FaultKind::Connection, "its answer is not valid HTTP"),
            ureq::Error::LargeResponseHeader(..) => (
                FaultKind::Connection,
                "the header of its answer is too long",
            ),
            ureq::Error::Rustls(error) => {
                let why = format!(
                    "no encrypted connection ({error}); if its certificate is your own, name it in `SSL_CERT_FILE`"
                );
                return self.fault(FaultKind::Refused, &why);
            }
            ureq::Error::Tls(_) => (FaultKind::Refused, "there is no encrypted connection"),
            ureq::Error::InvalidProxyUrl => (
                FaultKind::Refused,
                "the proxy in the environment has no valid URL; check `HTTPS_PROXY` and `HTTP_PROXY`",
            ),
            ureq::Error::RequireHttpsOnly(_) => (
                FaultKind::Refused,
                "it redirects to an address without encryption",
            ),
            ureq::Error::RedirectFailed | ureq::Error::TooManyRedirects => (
                FaultKind::Refused,
                "it redirects in a way that is not followed",
            ),
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                (FaultKind::Refused, "the URL is not valid")
            }
            _ => (FaultKind::Connection, "the request failed"),
        };
        self.fault(kind, why)
    }

    fn broken(&self, error: &io::Error) -> Fault {
        if let Some(inner) = error
            .get_ref()
            .and_then(|e| e.downcast_ref::<ureq::Error>())
            && !matches!(inner, ureq::Error::Io(_))
        {
            return self.failed(inner);
        }
        if let Some(inner) = error
            .get_ref()
            .and_then(|e| e.downcast_ref::<rustls::Error>())
        {
            return self.fault(
                FaultKind::Refused,
                &format!("no encrypted connection ({inner}); if its certificate is your own, name it in `SSL_CERT_FILE`"),
            );
        }
        let mut kind = FaultKind::Connection;
        let why = match error.kind() {
            io::ErrorKind::ConnectionRefused => "nothing listens at this address".to_owned(),
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => "the connection broke".to_owned(),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                kind = FaultKind::Timeout;
                "there is no progress".to_owned()
            }
            // The kind of an unknown name is private to the standard library.
            _ if error.to_string().starts_with("failed to lookup address") => {
                "no server of this name is known, or there is no connection to the network"
                    .to_owned()
            }
            other => other.to_string(),
        };
        self.fault(kind, &why)
    }

    pub(super) fn foreign(&self, why: &str) -> Fault {
        self.fault(FaultKind::Damaged, why)
    }

    pub(super) fn fault(&self, kind: FaultKind, why: &str) -> Fault {
        Fault::new(kind, format!("the remote `{}`: {why}", self.shown))
    }
}

/// Encryption with the system's certificates. `SSL_CERT_FILE` and `SSL_CERT_DIR` replace them.
pub fn encryption() -> TlsConfig {
    let found = rustls_native_certs::load_native_certs();
    let roots: Vec<_> = found
        .certs
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned())
        .collect();
    TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build()
}

/// Reads a date of HTTP as seconds since 1970.
pub(super) fn seconds(date: &str) -> Option<i64> {
    let parsed = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(parsed.timestamp().as_second())
}
