//! [`Bucket`]: signed URLs of the objects in a bucket, and lists of them.

use std::fmt;
use std::time::Duration;

use rusty_s3::actions::{CompleteMultipartUpload, ListObjectsV2};
use rusty_s3::{Credentials, S3Action, UrlStyle};

use crate::aws::Access;
use crate::objects::Entry;
use crate::settings::SetupError;

/// Time for which a signed URL can be used. Long enough for a queue of connections, and for clocks that differ.
const VALID: Duration = Duration::from_secs(15 * 60);

/// Signs requests for the objects below a prefix of a bucket.
pub(super) struct Bucket {
    bucket: rusty_s3::Bucket,
    credentials: Option<Credentials>,
    prefix: String,
    is_encrypted: bool,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({}/{})", self.bucket.name(), self.prefix)
    }
}

/// The request that is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    Get,
    Head,
    Put,
    Delete,
}

impl Bucket {
    pub(super) fn new(name: &str, prefix: &str, access: Access) -> Result<Self, SetupError> {
        // Names with dots do not match the certificates of host names.
        let style = match access.endpoint.is_some() || name.contains('.') {
            true => UrlStyle::Path,
            false => UrlStyle::VirtualHost,
        };
        let region = access.region;
        let end = if region.starts_with("cn-") { ".cn" } else { "" };
        let endpoint = access
            .endpoint
            .unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com{end}"));
        let wrong = |_| {
            SetupError::new(format!(
                "the endpoint `{}` is no URL; expected `https://host` or `http://host:port`",
                endpoint.escape_debug()
            ))
        };
        let is_encrypted = !endpoint.starts_with("http://");
        let url = endpoint.parse().map_err(|_| wrong(()))?;
        let bucket = rusty_s3::Bucket::new(url, style, name.to_owned(), region);
        let credentials = access.credentials.map(|found| {
            let (key, secret) = (found.key, found.secret.reveal().to_owned());
            match found.token {
                Some(token) => Credentials::new_with_token(key, secret, token.reveal()),
                None => Credentials::new(key, secret),
            }
        });
        Ok(Self {
            bucket: bucket.map_err(|_| wrong(()))?,
            credentials,
            prefix: prefix.to_owned(),
            is_encrypted,
        })
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Returns text that differs between remotes, without credentials.
    pub(super) fn identity(&self) -> String {
        format!("{}{}", self.bucket.base_url(), self.prefix)
    }

    /// Returns the URL for a request with these headers.
    pub(super) fn sign(&self, name: &str, what: Signed, headers: &[(&str, String)]) -> String {
        let key = self.key(name);
        let credentials = self.credentials.as_ref();
        match what {
            Signed::Get => signed(self.bucket.get_object(credentials, &key), headers),
            Signed::Head => signed(self.bucket.head_object(credentials, &key), headers),
            Signed::Put => signed(self.bucket.put_object(credentials, &key), headers),
            Signed::Delete => signed(self.bucket.delete_object(credentials, &key), headers),
        }
    }

    /// Returns the value of `x-amz-copy-source` for an object.
    pub(super) fn copy_source(&self, name: &str) -> String {
        let url = self.bucket.object_url(&self.key(name));
        let path = url.path().trim_start_matches('/');
        match path.strip_prefix(self.bucket.name()) {
            Some(rest) if rest.starts_with('/') => format!("/{path}"),
            _ => format!("/{}/{path}", self.bucket.name()),
        }
    }

    /// Returns the URL of a page of the list of objects below a folder.
    pub(super) fn sign_list(&self, folder: &str, after: Option<&str>) -> String {
        let mut list = self.bucket.list_objects_v2(self.credentials.as_ref());
        list.with_prefix(format!("{}{folder}/", self.prefix));
        if let Some(token) = after {
            list.with_continuation_token(token.to_owned());
        }
        signed(list, &[])
    }

    /// Reads a page of a list, and the token of the next page, if there is one. `None` if the page is damaged.
    pub(super) fn read_list(&self, text: &str) -> Option<(Vec<Entry>, Option<String>)> {
        let page = ListObjectsV2::parse_response(text).ok()?;
        let mut entries = Vec::new();
        for object in page.contents {
            // Objects of others, such as markers of folders, have other names.
            let Some(name) = object.key.strip_prefix(&self.prefix) else {
                continue;
            };
            let modified: jiff::Timestamp = object.last_modified?.parse().ok()?;
            entries.push(Entry {
                name: name.to_owned(),
                bytes: object.size?,
                modified: modified.as_second(),
            });
        }
        Some((entries, page.next_continuation_token))
    }

    pub(super) fn sign_begin(&self, name: &str) -> String {
        let key = self.key(name);
        let credentials = self.credentials.as_ref();
        signed(self.bucket.create_multipart_upload(credentials, &key), &[])
    }

    pub(super) fn sign_part(&self, name: &str, upload: &str, number: u16) -> String {
        let key = self.key(name);
        let credentials = self.credentials.as_ref();
        signed(
            self.bucket.upload_part(credentials, &key, number, upload),
            &[],
        )
    }

    pub(super) fn sign_abort(&self, name: &str, upload: &str) -> String {
        let key = self.key(name);
        let credentials = self.credentials.as_ref();
        signed(
            self.bucket
                .abort_multipart_upload(credentials, &key, upload),
            &[],
        )
    }

    /// Returns the URL and the body of the request that joins parts.
    pub(super) fn sign_end(&self, name: &str, upload: &str, parts: &[String]) -> (String, String) {
        let key = self.key(name);
        let parts = parts.iter().map(String::as_str);
        let action = CompleteMultipartUpload::new(
            &self.bucket,
            self.credentials.as_ref(),
            &key,
            upload,
            parts,
        );
        let url = String::from(action.sign(VALID));
        (url, action.body())
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

fn signed<'a>(mut action: impl S3Action<'a>, headers: &[(&str, String)]) -> String {
    for (name, value) in headers {
        action
            .headers_mut()
            .insert((*name).to_owned(), value.clone());
    }
    action.sign(VALID).into()
}
