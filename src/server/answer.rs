//! Answers to requests, and the headers that all of them have.

use std::convert::Infallible;

use http_body_util::channel::Channel;
use http_body_util::{Either, Full};
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION,
    REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Response, StatusCode};

/// The body of an answer: known at once, or sent piece by piece.
pub(crate) type Body = Either<Full<Bytes>, Channel<Bytes, Infallible>>;

pub(crate) type Answer = Response<Body>;

/// Pages load nothing from elsewhere, contain neither scripts nor styles, and cannot be shown inside other pages.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Policy for files from results, which could be pages themselves.
const FILE_POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

fn answer(status: StatusCode, kind: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
        (REFERRER_POLICY, "same-origin"),
        (OPENER, "same-origin"),
        (RESOURCE, "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

fn whole(bytes: impl Into<Bytes>) -> Body {
    Either::Left(Full::new(bytes.into()))
}

/// A page.
pub(crate) fn html(status: StatusCode, page: String) -> Answer {
    answer(status, "text/html; charset=utf-8", whole(page))
}

/// Plain text.
pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = answer(status, "text/plain; charset=utf-8", whole(text));
    let policy = HeaderValue::from_static(FILE_POLICY);
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    answer
}

/// A style sheet or a script of ours. Its content changes only with the binary.
pub(crate) fn asset(kind: &'static str, content: impl Into<Bytes>) -> Answer {
    let mut answer = answer(StatusCode::OK, kind, whole(content));
    let cache = HeaderValue::from_static("private, max-age=60");
    answer.headers_mut().insert(CACHE_CONTROL, cache);
    answer
}

/// A picture from a result, whose address names its content.
pub(crate) fn picture(kind: &'static str, content: Vec<u8>) -> Answer {
    let mut answer = answer(StatusCode::OK, kind, whole(content));
    let headers = answer.headers_mut();
    let policy = HeaderValue::from_static(FILE_POLICY);
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    let cache = HeaderValue::from_static("private, max-age=31536000, immutable");
    headers.insert(CACHE_CONTROL, cache);
    answer
}

/// Server-sent events.
pub(crate) fn events(channel: Channel<Bytes, Infallible>) -> Answer {
    answer(StatusCode::OK, "text/event-stream", Either::Right(channel))
}

/// The headers of server-sent events without events, for HEAD.
pub(crate) fn no_events() -> Answer {
    answer(StatusCode::OK, "text/event-stream", whole(""))
}

/// Sends the browser to `address`, which is a path of ours.
pub(crate) fn redirect(address: &str) -> Answer {
    let mut answer = answer(
        StatusCode::SEE_OTHER,
        "text/plain; charset=utf-8",
        whole(""),
    );
    if let Ok(address) = HeaderValue::from_str(address) {
        answer.headers_mut().insert(LOCATION, address);
    }
    answer
}

/// Sets a cookie that scripts cannot read and that other sites do not cause to be sent.
pub(crate) fn set_cookie(answer: &mut Answer, name: &str, value: &str) {
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
}

/// Names the methods that an address has.
pub(crate) fn allow(answer: &mut Answer, methods: &'static str) {
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(methods));
}
