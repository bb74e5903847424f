//! [`Server`]: objects on an S3 or HTTP server, by GET, HEAD, PUT and DELETE requests.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::answer::refusal;
use super::connection::{Connection, Head, Headers, seconds};
use super::multipart;
use super::s3::Bucket;
use crate::address::Address;
use crate::aws;
use crate::counters::Counters;
use crate::fault::{Fault, FaultKind};
use crate::objects::{Body, How, Objects, Page, Put, Sink, Stat};
use crate::secret::Secret;
use crate::settings::{Settings, SetupError, Variables};

/// Objects on a server.
struct Server {
    connection: Connection,
    place: Place,
}

enum Place {
    Plain {
        base: String,
        /// Value of the header `Authorization`.
        authorization: Option<Secret>,
    },
    Bucket(Bucket),
}

/// A request: its URL and headers.
struct Target {
    url: String,
    headers: Vec<(&'static str, String)>,
}

pub(in crate::objects) fn open(
    settings: &Settings,
    variable: &Variables<'_>,
    counters: &Arc<Counters>,
) -> Result<Box<dyn Objects>, SetupError> {
    let address = &settings.address;
    let (place, is_encrypted, redirects) = match address {
        Address::Server { is_encrypted, .. } => {
            let place = Place::Plain {
                base: address.to_string(),
                authorization: authorization(*is_encrypted, variable)?,
            };
            (place, *is_encrypted, 5)
        }
        Address::Bucket { name, prefix } => {
            let access = aws::access(variable)?;
            if access.credentials.is_none() && settings.mode.writes() {
                return Err(SetupError::new(
                    "there are no credentials for S3; set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, use a profile \
                     in `~/.aws/credentials`, or use the mode `read`",
                ));
            }
            let bucket = Bucket::new(name, prefix, access)?;
            let is_encrypted = bucket.is_encrypted();
            (Place::Bucket(bucket), is_encrypted, 0)
        }
        Address::Folder(_) => return Err(SetupError::new("internal error: a folder is no server")),
    };
    let connection = Connection::new(
        address.to_string(),
        is_encrypted,
        redirects,
        &settings.limits,
        counters,
    );
    Ok(Box::new(Server { connection, place }))
}

/// Returns the credentials for a plain server from the environment.
fn authorization(
    is_encrypted: bool,
    variable: &Variables<'_>,
) -> Result<Option<Secret>, SetupError> {
    let value = |name: &str| variable(name).filter(|value| !value.is_empty());
    let found = match (value("RUNNER_REMOTE_TOKEN"), value("RUNNER_REMOTE_USER")) {
        (Some(token), _) => Some(format!("Bearer {token}")),
        (None, Some(user)) => {
            let password = value("RUNNER_REMOTE_PASSWORD").unwrap_or_default();
            let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
            Some(format!("Basic {pair}"))
        }
        (None, None) => None,
    };
    match found {
        Some(text) if text.contains(|c: char| c.is_control() || !c.is_ascii()) => Err(
            SetupError::new("`RUNNER_REMOTE_TOKEN` must be ASCII text without line breaks"),
        ),
        Some(_) if !is_encrypted => Err(SetupError::new(
            "credentials are not sent without encryption; use `https://`, or unset `RUNNER_REMOTE_TOKEN` and \
             `RUNNER_REMOTE_USER`",
        )),
        found => Ok(found.map(Secret::new)),
    }
}

impl Server {
    /// Makes a request that needs no further headers.
    fn target(&self, name: &str, method: &str) -> Target {
        self.with_headers(name, method, Vec::new())
    }

    /// Makes a request with headers, which are signed. Their names are in lowercase.
    fn with_headers(
        &self,
        name: &str,
        method: &str,
        mut headers: Vec<(&'static str, String)>,
    ) -> Target {
        match &self.place {
            Place::Plain {
                base,
                authorization,
            } => {
                if let Some(secret) = authorization {
                    headers.push(("authorization", secret.reveal().to_owned()));
                }
                Target {
                    url: format!("{base}/{name}"),
                    headers,
                }
            }
            Place::Bucket(bucket) => Target {
                url: bucket.sign(method, name, &headers),
                headers,
            },
        }
    }

    fn refusal(&self, head: &Head, what: &str) -> Fault {
        refusal(&self.connection, head, what)
    }

    /// Checks that the answer to a write is the server's: a gateway that wants a login also answers with success.
    fn check_written(&self, name: &str, head: &Head, bytes: u64) -> Result<(), Fault> {
        let is_written = match &self.place {
            // S3 confirms every write with an entity tag.
            Place::Bucket(_) => head.header("etag").is_some(),
            Place::Plain { .. } => self.stat(name)?.is_some_and(|found| found.bytes == bytes),
        };
        match is_written {
            true => Ok(()),
            false => Err(self
                .connection
                .foreign("it did not confirm that an object was written")),
        }
    }

    /// `true` if a failed request means that there is no such object.
    fn is_absence(head: &Head) -> bool {
        head.status == 404 && !head.message.contains("NoSuchBucket") || head.status == 410
    }
}

fn borrowed<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    let headers = headers.iter();
    headers
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

impl Objects for Server {
    fn identity(&self) -> String {
        match &self.place {
            Place::Plain { base, .. } => base.clone(),
            Place::Bucket(bucket) => bucket.identity(),
        }
    }

    fn get(&self, name: &str, from: u64, sink: &mut Sink<'_>) -> Result<bool, Fault> {
        // The range is not signed: S3 does not require it.
        let target = self.target(name, "GET");
        let range = format!("bytes={from}-");
        let mut headers = borrowed(&target.headers);
        if from > 0 {
            headers.push(("range", &range));
        }
        let skip = |head: &Head| match (from, head.status) {
            (0, 200) => Ok(0),
            // The server does not know ranges and sends everything.
            (_, 200) => Ok(from),
            (1.., 206) => {
                let begins = head.header("content-range").and_then(|range| {
                    let (first, _) = range.strip_prefix("bytes ")?.split_once('-')?;
                    first.trim().parse::<u64>().ok()
                });
                match begins == Some(from) {
                    true => Ok(0),
                    false => Err(self.connection.foreign("it sent another part of a file")),
                }
            }
            _ => Err(self.connection.foreign("its answer has an unknown form")),
        };
        let head = self.connection.get(&target.url, &headers, skip, sink)?;
        match head.status {
            200..300 => Ok(true),
            _ if Self::is_absence(&head) => Ok(false),
            416 => Err(self.connection.foreign("a file is shorter than before")),
            _ => Err(self.refusal(&head, "read an object")),
        }
    }

    fn stat(&self, name: &str) -> Result<Option<Stat>, Fault> {
        let target = self.target(name, "HEAD");
        let head = self
            .connection
            .head(&target.url, &borrowed(&target.headers))?;
        if Self::is_absence(&head) {
            return Ok(None);
        }
        if !head.is_success() {
            return Err(self.refusal(&head, "examine an object"));
        }
        let bytes = head
            .header("content-length")
            .and_then(|text| text.parse().ok());
        Ok(Some(Stat {
            // No object has this size, so it counts as a wrong one.
            bytes: bytes.unwrap_or(u64::MAX),
            modified: head.header("last-modified").and_then(seconds),
        }))
    }

    fn put(&self, name: &str, body: &Body<'_>, how: How) -> Result<Put, Fault> {
        if let (Place::Bucket(bucket), Body::File(file, blob)) = (&self.place, body)
            && blob.bytes > multipart::LARGE
        {
            multipart::put(&self.connection, bucket, name, file, blob)?;
            return Ok(Put::Written);
        }
        let mut headers = Vec::new();
        if how == How::Create {
            // Not every plain server checks the condition.
            if matches!(self.place, Place::Plain { .. }) && self.stat(name)?.is_some() {
                return Ok(Put::Exists);
            }
            headers.push(("if-none-match", "*".to_owned()));
        }
        let target = self.with_headers(name, "PUT", headers);
        let headers = borrowed(&target.headers);
        let head = self.connection.put(&target.url, &headers, body)?;
        match head.status {
            200..300 => {
                self.check_written(name, &head, body.len())?;
                Ok(Put::Written)
            }
            412 if how == How::Create => Ok(Put::Exists),
            _ => Err(self.refusal(&head, "write an object")),
        }
    }

    fn touch(&self, name: &str) -> Result<bool, Fault> {
        let Place::Bucket(bucket) = &self.place else {
            return Ok(false);
        };
        let headers = vec![
            ("x-amz-copy-source", bucket.copy_source(name)),
            ("x-amz-metadata-directive", "REPLACE".to_owned()),
        ];
        let target = self.with_headers(name, "PUT", headers);
        let headers: &Headers<'_> = &borrowed(&target.headers);
        let head = self
            .connection
            .put(&target.url, headers, &Body::Bytes(b""))?;
        // Some servers cannot copy, or not objects of this size. A new upload has the same effect. The status is sent
        // before the object is copied, so an error may follow.
        Ok(head.is_success() && head.message.contains("CopyObjectResult"))
    }

    fn lists_in_pages(&self) -> bool {
        matches!(self.place, Place::Bucket(_))
    }

    fn list(&self, folder: &str, page: &mut Page<'_>) -> Result<(), Fault> {
        let Place::Bucket(bucket) = &self.place else {
            return Err(self.connection.fault(
                FaultKind::Unsupported,
                "an HTTP server does not list its files; do this where they are, with `file:///folder`",
            ));
        };
        let mut after = None;
        loop {
            let url = bucket.sign_list(folder, after.as_deref());
            let (head, text) = self.connection.text(&url, &[])?;
            if !head.is_success() {
                return Err(self.refusal(&head, "list objects"));
            }
            let (entries, next) = bucket
                .read_list(&text)
                .ok_or_else(|| self.connection.foreign("its list of objects is damaged"))?;
            page(entries)?;
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn delete(&self, name: &str) -> Result<(), Fault> {
        let target = self.target(name, "DELETE");
        let head = self
            .connection
            .delete(&target.url, &borrowed(&target.headers))?;
        // A gateway that wants a login also answers with 200, or with 404.
        let is_gone = match &self.place {
            Place::Bucket(_) => head.status == 204 || head.message.contains("NoSuchKey"),
            Place::Plain { .. } => head.is_success() || Self::is_absence(&head),
        };
        if is_gone {
            return Ok(());
        }
        match head.is_success() {
            true => Err(self
                .connection
                .foreign("it did not confirm that an object was deleted")),
            false => Err(self.refusal(&head, "delete an object")),
        }
    }

    fn now(&self) -> Result<i64, Fault> {
        // Any answer has the server's time.
        self.stat("v1")?;
        Ok(self.connection.now())
    }
}
