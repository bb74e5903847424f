//! [`Bucket`]: signed URLs of the objects in a bucket, and lists of them.
//!
//! URLs are signed with AWS Signature Version 4 in the query, as "Authenticating Requests: Using Query Parameters" of the
//! S3 API reference describes it. Bodies are not signed: blobs are verified by their digests, records by their checksums.

use std::fmt;

use jiff::Timestamp;
use ring::{digest, hmac};
use roxmltree::{Document, Node};

use crate::aws::{Access, Credentials};
use crate::keys::hex;
use crate::objects::Entry;
use crate::settings::SetupError;

/// Time for which a signed URL can be used, in seconds. Long enough for a queue of connections, and for clocks that
/// differ.
const VALID: &str = "900";

/// Signs requests for the objects below a prefix of a bucket.
pub(super) struct Bucket {
    name: String,
    /// `http` or `https`.
    scheme: &'static str,
    host: String,
    /// Path of the bucket on the server, encoded. Empty, or begins with a `/`.
    path: String,
    region: String,
    credentials: Option<Credentials>,
    prefix: String,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({}/{})", self.name, self.prefix)
    }
}

/// A parameter of a request.
type Parameter<'a> = (&'a str, &'a str);

impl Bucket {
    pub(super) fn new(name: &str, prefix: &str, access: Access) -> Result<Self, SetupError> {
        let end = if access.region.starts_with("cn-") {
            ".cn"
        } else {
            ""
        };
        let is_own = access.endpoint.is_some();
        let endpoint = access
            .endpoint
            .unwrap_or_else(|| format!("https://s3.{}.amazonaws.com{end}", access.region));
        let (scheme, host, path) = split(&endpoint).ok_or_else(|| {
            SetupError::new(format!(
                "the endpoint `{}` is no URL; expected `https://host` or `http://host:port`",
                endpoint.escape_debug()
            ))
        })?;
        // Names with dots do not match the certificates of host names.
        let (host, path) = match is_own || name.contains('.') {
            true => (host, format!("{path}/{name}")),
            false => (format!("{name}.{host}"), path),
        };
        Ok(Self {
            name: name.to_owned(),
            scheme,
            host,
            path,
            region: access.region,
            credentials: access.credentials,
            prefix: prefix.to_owned(),
        })
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.scheme == "https"
    }

    /// Returns text that differs between remotes, without credentials.
    pub(super) fn identity(&self) -> String {
        format!(
            "{}://{}{}/{}",
            self.scheme, self.host, self.path, self.prefix
        )
    }

    /// Returns the URL for a request with these headers, whose names are in lowercase.
    pub(super) fn sign(&self, method: &str, name: &str, headers: &[(&str, String)]) -> String {
        self.signed(method, &self.object(name), &[], headers)
    }

    /// Returns the value of `x-amz-copy-source` for an object.
    pub(super) fn copy_source(&self, name: &str) -> String {
        format!("/{}/{}{name}", self.name, encoded(&self.prefix, true))
    }

    /// Returns the URL of a page of the list of objects below a folder.
    pub(super) fn sign_list(&self, folder: &str, after: Option<&str>) -> String {
        let prefix = format!("{}{folder}/", self.prefix);
        let mut parameters = vec![("list-type", "2"), ("prefix", &*prefix)];
        parameters.extend(after.map(|token| ("continuation-token", token)));
        self.signed("GET", &format!("{}/", self.path), &parameters, &[])
    }

    /// Reads a page of a list, and the token of the next page, if there is one. `None` if the page is damaged.
    pub(super) fn read_list(&self, text: &str) -> Option<(Vec<Entry>, Option<String>)> {
        let document = Document::parse(text).ok()?;
        let root = document.root_element();
        if root.tag_name().name() != "ListBucketResult" {
            return None;
        }
        let mut entries = Vec::new();
        for object in root
            .children()
            .filter(|node| node.has_tag_name_of("Contents"))
        {
            // Objects of others, such as markers of folders, have other names.
            let Some(name) = object.text_of("Key")?.strip_prefix(&self.prefix) else {
                continue;
            };
            let modified: Timestamp = object.text_of("LastModified")?.parse().ok()?;
            entries.push(Entry {
                name: name.to_owned(),
                bytes: object.text_of("Size")?.parse().ok()?,
                modified: modified.as_second(),
            });
        }
        let token = root.text_of("NextContinuationToken").map(str::to_owned);
        match (root.text_of("IsTruncated")?, token) {
            ("true", None) => None,
            ("true", token) => Some((entries, token)),
            _ => Some((entries, None)),
        }
    }

    /// Returns the URL of the request that begins an upload in parts.
    pub(super) fn sign_begin(&self, name: &str) -> String {
        self.signed("POST", &self.object(name), &[("uploads", "")], &[])
    }

    /// Reads the answer to [`Bucket::sign_begin`]: the name of the upload.
    pub(super) fn read_begin(text: &str) -> Option<String> {
        let document = Document::parse(text).ok()?;
        let root = document.root_element();
        root.text_of("UploadId").map(str::to_owned)
    }

    pub(super) fn sign_part(&self, name: &str, upload: &str, number: u16) -> String {
        let number = number.to_string();
        let parameters = [("partNumber", &*number), ("uploadId", upload)];
        self.signed("PUT", &self.object(name), &parameters, &[])
    }

    pub(super) fn sign_abort(&self, name: &str, upload: &str) -> String {
        self.signed("DELETE", &self.object(name), &[("uploadId", upload)], &[])
    }

    /// Returns the URL and the body of the request that joins parts.
    pub(super) fn sign_end(&self, name: &str, upload: &str, parts: &[String]) -> (String, String) {
        let url = self.signed("POST", &self.object(name), &[("uploadId", upload)], &[]);
        let mut body = "<CompleteMultipartUpload>".to_owned();
        for (index, tag) in parts.iter().enumerate() {
            let tag = tag.replace('&', "&amp;").replace('<', "&lt;");
            body += &format!(
                "<Part><ETag>{tag}</ETag><PartNumber>{}</PartNumber></Part>",
                index + 1
            );
        }
        (url, body + "</CompleteMultipartUpload>")
    }

    /// Returns the encoded path of an object.
    fn object(&self, name: &str) -> String {
        format!("{}/{}{name}", self.path, encoded(&self.prefix, true))
    }

    fn signed(
        &self,
        method: &str,
        path: &str,
        parameters: &[Parameter<'_>],
        headers: &[(&str, String)],
    ) -> String {
        let query = match &self.credentials {
            Some(credentials) => {
                let now = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
                self.signed_query(credentials, &now, (method, path), parameters, headers)
            }
            None => joined(parameters),
        };
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}://{}{path}{mark}{query}", self.scheme, self.host)
    }

    /// Returns the query of a request that is made at the time `now`, with its signature.
    fn signed_query(
        &self,
        credentials: &Credentials,
        now: &str,
        (method, path): (&str, &str),
        parameters: &[Parameter<'_>],
        headers: &[(&str, String)],
    ) -> String {
        let date = &now[..8];
        let scope = format!("{date}/{}/s3/aws4_request", self.region);
        let mut headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.trim()))
            .chain([("host", &*self.host)])
            .collect();
        headers.sort_unstable();
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();

        let credential = format!("{}/{scope}", credentials.key);
        let mut all = parameters.to_vec();
        all.extend([
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", &*credential),
            ("X-Amz-Date", now),
            ("X-Amz-Expires", VALID),
            ("X-Amz-SignedHeaders", &*names),
        ]);
        let token = credentials.token.as_ref();
        all.extend(token.map(|token| ("X-Amz-Security-Token", token.reveal())));
        let query = joined(&all);
        let request = format!("{method}\n{path}\n{query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD");
        let hash = hex::encode(digest::digest(&digest::SHA256, request.as_bytes()).as_ref());
        let text = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{hash}");
        let secret = format!("AWS4{}", credentials.secret.reveal());
        let key = [date, &self.region, "s3", "aws4_request"]
            .iter()
            .fold(secret.into_bytes(), |key, part| hmac(&key, part));
        format!(
            "{query}&X-Amz-Signature={}",
            hex::encode(&hmac(&key, &text))
        )
    }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

/// Encodes parameters, in the order in which they are signed.
fn joined(parameters: &[Parameter<'_>]) -> String {
    let mut pairs: Vec<(String, String)> = parameters
        .iter()
        .map(|(name, value)| (encoded(name, false), encoded(value, false)))
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// Encodes all characters but those that RFC 3986 does not reserve. A path keeps its `/`.
fn encoded(text: &str, is_path: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            b'/' if is_path => encoded.push('/'),
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

/// Splits the URL of a server into scheme, host with port, and path without a `/` at the end. `None` if it is no URL.
fn split(url: &str) -> Option<(&'static str, String, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let (scheme, port) = match scheme {
        "http" => ("http", ":80"),
        "https" => ("https", ":443"),
        _ => return None,
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if host.is_empty() || host.starts_with(':') || !host.chars().all(fits) {
        return None;
    }
    let host = host.to_ascii_lowercase();
    // The client does not send the usual port.
    let host = host.strip_suffix(port).unwrap_or(&host).to_owned();
    let path = encoded(path.trim_matches('/'), true);
    let slash = if path.is_empty() { "" } else { "/" };
    Some((scheme, host, format!("{slash}{path}")))
}

/// Finds elements by their names. S3 servers differ in the namespace.
trait Find {
    fn has_tag_name_of(&self, name: &str) -> bool;

    /// Returns the text of the first child with a name.
    fn text_of(&self, name: &str) -> Option<&str>;
}

impl Find for Node<'_, '_> {
    fn has_tag_name_of(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }

    fn text_of(&self, name: &str) -> Option<&str> {
        let mut children = self.children();
        let child = children.find(|node| node.has_tag_name_of(name))?;
        Some(child.text().unwrap_or_default().trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn bucket(endpoint: Option<&str>, token: Option<&str>) -> Bucket {
        let access = Access {
            credentials: Some(Credentials {
                key: "AKIDEXAMPLE".to_owned(),
                secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                token: token.map(Secret::new),
            }),
            region: "eu-central-1".to_owned(),
            endpoint: endpoint.map(str::to_owned),
        };
        Bucket::new("bucket", "pre fix/", access).unwrap()
    }

    /// The expected values are those of botocore 1.44.8 (`S3SigV4QueryAuth`, `expires=900`).
    #[test]
    fn signatures_are_those_of_amazon() {
        let signature =
            |token, request: (&str, &str), parameters: &[Parameter<'_>], headers: &[_]| {
                let bucket = bucket(None, token);
                assert_eq!(bucket.host, "bucket.s3.eu-central-1.amazonaws.com");
                let credentials = bucket.credentials.as_ref().unwrap();
                let now = "20261130T123456Z";
                let query = bucket.signed_query(credentials, now, request, parameters, headers);
                query.rsplit_once("X-Amz-Signature=").unwrap().1.to_owned()
            };
        let path = bucket(None, None).object("v1/cas/ab/abcd.tree");
        assert_eq!(
            signature(None, ("GET", &path), &[], &[]),
            "814dd6f0ddcaf64133cd50135f18c981db717709e7b0b222500dc4cf14ceef57"
        );
        let list = [
            ("list-type", "2"),
            ("prefix", "pre fix/v1/cas/"),
            ("continuation-token", "a/b+="),
        ];
        assert_eq!(
            signature(Some("to/ken+="), ("GET", "/"), &list, &[]),
            "499932d667a20787513f95654b84fddb60f4a8c304e2f6a0ee5629f3d6984130"
        );
        let headers = [("if-none-match", "*".to_owned())];
        assert_eq!(
            signature(None, ("PUT", "/pre%20fix/v1/check"), &[], &headers),
            "ffaea3f198a013b487b0dcda1812e80684cf4d71114277ac61dc4ab2ac74c3bf"
        );
    }

    #[test]
    fn endpoints_are_split() {
        for (url, expected) in [
            ("https://host", Some(("https", "host", ""))),
            (
                "http://127.0.0.1:9000/",
                Some(("http", "127.0.0.1:9000", "")),
            ),
            ("http://Host:80/a b/c/", Some(("http", "host", "/a%20b/c"))),
            ("https://[::1]:443", Some(("https", "[::1]", ""))),
            ("http://", None),
            ("http://:80", None),
            ("http://ho st", None),
            ("ftp://host", None),
        ] {
            let found = split(url);
            let found = found
                .as_ref()
                .map(|(scheme, host, path)| (*scheme, &**host, &**path));
            assert_eq!(found, expected, "{url}");
        }
        assert_eq!(
            bucket(Some("http://host:9000/s3"), None).object("v1/x"),
            "/s3/bucket/pre%20fix/v1/x"
        );
    }

    #[test]
    fn lists_are_read_and_damaged_ones_are_refused() {
        let list = |body: &str| {
            let text = format!(
                "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{body}</ListBucketResult>"
            );
            bucket(None, None).read_list(&text)
        };
        let object = "<Contents><Key>pre fix/v1/a&amp;b</Key><LastModified>2026-11-30T12:00:00.000Z</LastModified>\
                      <ETag>&quot;x&quot;</ETag><Size>17</Size></Contents><Contents><Key>other</Key></Contents>";
        let end = "<IsTruncated>false</IsTruncated>";
        let (entries, token) = list(&format!("{object}{end}")).unwrap();
        assert_eq!(
            entries,
            [Entry {
                name: "v1/a&b".to_owned(),
                bytes: 17,
                modified: 1_796_040_000,
            }]
        );
        assert_eq!(token, None);
        let more = "<IsTruncated>true</IsTruncated>";
        let next = "<NextContinuationToken>a/b=</NextContinuationToken>";
        let (_, token) = list(&format!("{more}{next}")).unwrap();
        assert_eq!(token.unwrap(), "a/b=");
        for damaged in [
            more,
            object,
            &object.replace("17", "x"),
            &format!("{end}<Contents>"),
            &format!("{end}<Contents></Contents>"),
        ] {
            assert!(list(damaged).is_none(), "{damaged}");
        }
        assert!(bucket(None, None).read_list("<html></html>").is_none());
    }

    #[test]
    fn parts_are_joined_in_order() {
        let (url, body) =
            bucket(None, None).sign_end("v1/x", "u/1", &["\"a\"".to_owned(), "b".to_owned()]);
        assert!(url.contains("uploadId=u%2F1") && url.contains("X-Amz-Signature="));
        let document = Document::parse(&body).unwrap();
        let parts: Vec<_> = document
            .root_element()
            .children()
            .map(|part| ["PartNumber", "ETag"].map(|name| part.text_of(name).map(str::to_owned)))
            .collect();
        let expected = [["1", "\"a\""], ["2", "b"]];
        assert_eq!(
            parts,
            expected.map(|part| part.map(|text| Some(text.to_owned())))
        );
    }
}
