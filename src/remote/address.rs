//! [`Address`]: the place of a remote, read from a URL.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The place of a remote. It never contains credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `file:///shared/folder`: a folder that several machines can reach.
    Folder(PathBuf),
    /// `https://host/path`: a server that answers GET and HEAD, and PUT if results are written to it.
    Server {
        is_encrypted: bool,
        /// Host, port and path, without a `/` at the end.
        rest: String,
    },
    /// `s3://bucket/prefix`
    Bucket {
        name: String,
        /// Empty, or ends in `/`.
        prefix: String,
    },
}

/// The direction in which results are shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    Read,
    Write,
    #[default]
    ReadWrite,
}

/// A URL or mode that cannot be used. The text is a sentence with a hint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(String);

const FORMS: &str = "expected `s3://bucket/prefix`, `file:///folder` or `https://host/path`";

impl Mode {
    pub fn reads(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    pub fn writes(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }
}

impl FromStr for Mode {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            "read-write" => Ok(Self::ReadWrite),
            _ => Err(AddressError(format!(
                "`{}` is no mode of a remote; expected `read`, `write` or `read-write`",
                text.escape_debug()
            ))),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::ReadWrite => "read-write",
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file://{}", Escaped(path)),
            Self::Server { is_encrypted, rest } => {
                let s = if *is_encrypted { "s" } else { "" };
                write!(f, "http{s}://{rest}")
            }
            Self::Bucket { name, prefix } => {
                write!(f, "s3://{name}/{}", prefix.trim_end_matches('/'))
            }
        }
    }
}

/// The path of a folder as part of a URL.
struct Escaped<'a>(&'a Path);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.to_string_lossy().chars() {
            let is_plain = !c.is_control() && !c.is_whitespace() && !"%?#\\".contains(c);
            if is_plain {
                f.write_char(c)?;
                continue;
            }
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        // An error never repeats more than the scheme: the rest may contain a password.
        let error = |message: String| Err(AddressError(message));
        let Some((scheme, rest)) = text.split_once("://") else {
            return error(format!("the URL of a remote has no scheme; {FORMS}"));
        };
        if rest.contains(|c: char| c.is_control() || c.is_whitespace() || "?#\\".contains(c)) {
            let instead = match scheme {
                "file" => "write them as in `file:///my%20folder`",
                _ => FORMS,
            };
            return error(format!(
                "the URL of a remote must not contain spaces, `\\`, `?` or `#`; {instead}"
            ));
        }
        match scheme {
            "file" => folder(rest),
            "http" | "https" => server(scheme == "https", rest),
            "s3" => bucket(rest),
            _ => error(format!(
                "`{}` is no scheme of a remote{}; {FORMS}",
                scheme.escape_debug(),
                meant(scheme)
            )),
        }
    }
}

fn folder(rest: &str) -> Result<Address, AddressError> {
    let Some(path) = rest.strip_prefix('/') else {
        return Err(AddressError(
            "the URL of a folder needs three slashes and an absolute path: `file:///shared/folder`"
                .to_owned(),
        ));
    };
    let path = path.trim_matches('/');
    if path.is_empty() || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(AddressError(
            "the URL of a folder needs an absolute path without `.`, `..` and empty parts"
                .to_owned(),
        ));
    }
    let path = unescaped(path).ok_or_else(|| {
        AddressError(
            "the path of the URL has a `%` that begins no `%XX`; write `%25` for a percent sign"
                .to_owned(),
        )
    })?;
    Ok(Address::Folder(PathBuf::from(format!("/{path}"))))
}

fn server(is_encrypted: bool, rest: &str) -> Result<Address, AddressError> {
    let rest = rest.trim_end_matches('/');
    let host = rest.split('/').next().unwrap_or_default();
    refuse_user(
        host,
        "set `RUNNER_REMOTE_TOKEN`, or `RUNNER_REMOTE_USER` and `RUNNER_REMOTE_PASSWORD`",
    )?;
    if host.is_empty() || host.starts_with(':') || rest.split('/').any(is_odd) {
        return Err(AddressError(format!(
            "the URL of a server needs a host, and a path without `.`, `..` and empty parts; {FORMS}"
        )));
    }
    Ok(Address::Server {
        is_encrypted,
        rest: rest.to_owned(),
    })
}

fn bucket(rest: &str) -> Result<Address, AddressError> {
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    refuse_user(
        name,
        "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or use a profile in `~/.aws/credentials`",
    )?;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
    if !(3..=63).contains(&name.len()) || !name.chars().all(fits) || name.contains("..") {
        return Err(AddressError(
            "the name of a bucket has 3 to 63 characters from `a-z`, `0-9`, `.`, `-` and `_`, as in `s3://bucket/prefix`; \
             give the address of a server as `AWS_ENDPOINT_URL`"
                .to_owned(),
        ));
    }
    let prefix = prefix.trim_end_matches('/');
    if !prefix.is_empty() && prefix.split('/').any(is_odd) {
        return Err(AddressError(
            "the prefix in a bucket must not have `.`, `..` or empty parts".to_owned(),
        ));
    }
    let prefix = match prefix {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    Ok(Address::Bucket {
        name: name.to_owned(),
        prefix,
    })
}

fn is_odd(part: &str) -> bool {
    matches!(part, "" | "." | "..")
}

fn refuse_user(host: &str, instead: &str) -> Result<(), AddressError> {
    match host.contains('@') {
        true => Err(AddressError(format!(
            "the URL of a remote must not contain a user or a password, because it is shown and recorded; {instead}"
        ))),
        false => Ok(()),
    }
}

/// Decodes `%XX`. `None` if that is not possible.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest
            .get(..2)
            .and_then(|digits| str::from_utf8(digits).ok())?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        match u8::from_str_radix(digits, 16).ok()? {
            0 | b'/' => return None,
            byte => bytes.push(byte),
        }
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

/// Returns `; did you mean …` for schemes that people try.
fn meant(scheme: &str) -> String {
    let meant = match scheme.to_ascii_lowercase().as_str() {
        "s3" | "s3a" | "s3n" | "aws" | "minio" | "r2" => "s3",
        "http" => "http",
        "https" | "webdav" | "webdavs" | "dav" | "davs" | "htps" | "httsp" => "https",
        "file" | "files" | "folder" | "dir" | "nfs" | "path" => "file",
        _ => return String::new(),
    };
    format!("; did you mean `{meant}`?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        for (text, shown) in [
            ("s3://bucket", "s3://bucket/"),
            ("s3://bucket/a/b/", "s3://bucket/a/b"),
            ("file:///shared/folder/", "file:///shared/folder"),
            ("file:///with%20space", "file:///with%20space"),
            ("file:///50%25%0a", "file:///50%25%0A"),
            ("https://host:8443/path/", "https://host:8443/path"),
            ("http://[::1]:80", "http://[::1]:80"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn wrong_addresses_are_explained_and_passwords_are_not_repeated() {
        for (text, part) in [
            ("bucket/prefix", "no scheme"),
            ("s3a://bucket", "did you mean `s3`?"),
            ("S3://bucket", "did you mean `s3`?"),
            ("dav://host", "did you mean `https`?"),
            ("gs://bucket", "is no scheme of a remote; expected"),
            ("file://shared", "three slashes"),
            ("file:///", "absolute path"),
            ("file:///a/../b", "absolute path"),
            ("file:///a%2fb", "`%25`"),
            ("file:///a%zz", "`%25`"),
            ("https://", "needs a host"),
            ("https://user:secret@host/", "RUNNER_REMOTE_PASSWORD"),
            ("s3://key:secret@bucket/", "AWS_SECRET_ACCESS_KEY"),
            ("s3://host:9000/bucket", "AWS_ENDPOINT_URL"),
            ("s3://Bucket", "name of a bucket"),
            ("s3://bucket/../other", "must not have"),
            ("s3://bucket/a?secret", "must not contain spaces"),
            ("file:///my folder", "`file:///my%20folder`"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("secret"), "{text}: {error}");
        }
    }
}
