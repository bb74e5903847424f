//! Turns refusals of servers into faults: which can be retried, and what to do about the others.

use std::time::Duration;

use contract::one_line;

use super::connection::{Connection, Head, seconds};
use crate::fault::{Fault, FaultKind};

/// Longest part of a server's own message that is shown, in characters.
const LONGEST_MESSAGE: usize = 200;
/// Difference of clocks above which a refusal is explained by it, in seconds. Signed URLs are valid for 15 minutes.
const MOST_SKEW: i64 = 5 * 60;

/// Converts an answer that is no success. `what` completes "failed to".
pub(super) fn refusal(connection: &Connection, head: &Head, what: &str) -> Fault {
    let code = element(&head.message, "Code").unwrap_or_default();
    let (kind, why) = match (head.status, code) {
        (_, "RequestTimeTooSkewed") => (FaultKind::Refused, skew(connection)),
        // A signed URL that is not valid at this time is answered like a lack of permission.
        (403, _) if connection.ahead().abs() > MOST_SKEW => (FaultKind::Refused, skew(connection)),
        (_, "NoSuchBucket") => (
            FaultKind::Refused,
            "there is no such bucket; create it, or correct the URL of the remote".to_owned(),
        ),
        (_, "InvalidAccessKeyId") => (
            FaultKind::Refused,
            "it does not know the access key; check `AWS_ACCESS_KEY_ID` or the profile, and the endpoint".to_owned(),
        ),
        (_, "SignatureDoesNotMatch") => (
            FaultKind::Refused,
            "the secret key is wrong; check `AWS_SECRET_ACCESS_KEY` or the profile".to_owned(),
        ),
        (_, "ExpiredToken" | "TokenRefreshRequired" | "InvalidToken") => (
            FaultKind::Refused,
            "the session token is not valid any more; log in again".to_owned(),
        ),
        (_, "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException") => {
            (FaultKind::Refused, region(head))
        }
        (_, "RequestTimeout" | "SlowDown") => (FaultKind::Busy, "it is overloaded".to_owned()),
        (411 | 413, _) | (_, "EntityTooLarge") => {
            (FaultKind::Unsupported, "the file is too large for it".to_owned())
        }
        (_, "QuotaExceeded" | "XMinioStorageFull") | (507, _) => (
            FaultKind::Refused,
            "it is full; `runner cache gc --remote` makes space".to_owned(),
        ),
        (301 | 302 | 303 | 307 | 308, _) if head.header("x-amz-bucket-region").is_some() => {
            (FaultKind::Refused, region(head))
        }
        (300..=399, _) => (
            FaultKind::Refused,
            "it redirects to another address; use that one as the URL of the remote".to_owned(),
        ),
        (401, _) => (
            FaultKind::Refused,
            "it wants credentials; set `RUNNER_REMOTE_TOKEN`, or `RUNNER_REMOTE_USER` and `RUNNER_REMOTE_PASSWORD`"
                .to_owned(),
        ),
        (403, _) => (FaultKind::Refused, denied(what)),
        (404, _) => (FaultKind::Refused, "there is no such place".to_owned()),
        (405 | 501, _) => (
            FaultKind::Refused,
            "it does not accept this request; use the mode `read`".to_owned(),
        ),
        (408 | 409 | 425 | 429, _) | (500.., _) => {
            (FaultKind::Busy, "it is overloaded or failed".to_owned())
        }
        _ => (FaultKind::Refused, "it refuses the request".to_owned()),
    };
    let mut text = format!("failed to {what}: {why} (status {}", head.status);
    if !code.is_empty() {
        let code: String = code.chars().take(LONGEST_MESSAGE).collect();
        text.push_str(&format!(", `{}`", one_line(&code)));
    }
    text.push(')');
    let mut fault = connection.fault(kind, &text);
    fault.retry_after = head
        .header("retry-after")
        .and_then(|text| wait(text, connection.now()));
    fault
}

/// Reads `Retry-After`: seconds or a date.
fn wait(text: &str, now: i64) -> Option<Duration> {
    let seconds = match text.trim().parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => u64::try_from(seconds(text)? - now).ok()?,
    };
    Some(Duration::from_secs(seconds))
}

/// Returns the text of the first XML element with a name.
pub(super) fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inner.trim())
}

fn skew(connection: &Connection) -> String {
    let ahead = connection.ahead();
    let direction = if ahead > 0 { "behind" } else { "ahead of" };
    format!(
        "this machine's clock is {} s {direction} the server's; set the clock",
        ahead.abs()
    )
}

fn region(head: &Head) -> String {
    let named = head
        .header("x-amz-bucket-region")
        .or_else(|| element(&head.message, "Region"));
    match named {
        Some(region) => format!(
            "the bucket is in another region; set `AWS_REGION={}`",
            one_line(region)
        ),
        None => "the bucket is in another region; set `AWS_REGION`".to_owned(),
    }
}

fn denied(what: &str) -> String {
    let needed = match what.split(' ').next() {
        Some("read" | "examine") => {
            "`s3:GetObject` and `s3:ListBucket` (without the second one, absent objects count as denied)"
        }
        Some("list") => "`s3:ListBucket`",
        Some("delete") => "`s3:DeleteObject`",
        _ => "`s3:PutObject`; without it, use the mode `read`",
    };
    format!("access is denied; on S3, this needs the permission {needed}")
}
