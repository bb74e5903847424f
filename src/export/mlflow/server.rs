//! [`Server`]: the address of a tracking server, and the credentials for it.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use engine::error::Error;
use ureq::http::Uri;

/// Variables with credentials, as MLflow's own client reads them.
const USERNAME: &str = "MLFLOW_TRACKING_USERNAME";
const PASSWORD: &str = "MLFLOW_TRACKING_PASSWORD";
const TOKEN: &str = "MLFLOW_TRACKING_TOKEN";

/// A tracking server.
pub struct Server {
    /// Its address without a `/` at the end.
    pub(super) address: String,
    /// Value of the header `Authorization`, which is never printed.
    pub(super) authorization: Option<String>,
}

impl Server {
    /// Reads the address of a server. Credentials come from the environment.
    ///
    /// # Errors
    /// If it is not the address of a server that can be reached.
    pub fn parse(address: &str) -> Result<Self, Error> {
        let authorization = authorization(|name| std::env::var(name).ok());
        Self::with(address, authorization).map_err(Error::Usage)
    }

    /// Returns `true` if requests to the server are encrypted.
    #[cfg(feature = "https")]
    pub(super) fn is_encrypted(&self) -> bool {
        let scheme = self.address.split(':').next().unwrap_or_default();
        scheme.eq_ignore_ascii_case("https")
    }

    fn with(address: &str, authorization: Option<String>) -> Result<Self, String> {
        const EXAMPLE: &str = "an address such as http://127.0.0.1:5000";
        let uri: Uri = address
            .parse()
            .map_err(|error| format!("TARGET must be {EXAMPLE}: {error}"))?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            // The address is not quoted: it contains a password.
            return Err(format!(
                "TARGET must not contain credentials; set {USERNAME} and {PASSWORD}, or {TOKEN}"
            ));
        }
        match uri.scheme_str() {
            Some("https") if cfg!(not(feature = "https")) => {
                return Err(format!(
                    "`{address}`: https needs a build with the feature `s3`; this one can use http only"
                ));
            }
            Some("http" | "https") if !authority.is_empty() => {}
            _ => return Err(format!("`{address}`: TARGET must be {EXAMPLE}")),
        }
        if uri.query().is_some() || address.contains('#') {
            return Err(format!(
                "`{address}`: TARGET must end after the path, as in http://127.0.0.1:5000/mlflow"
            ));
        }
        Ok(Self {
            address: address.trim_end_matches('/').to_owned(),
            authorization,
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// Returns the value of the header `Authorization` that the environment asks for.
fn authorization(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    match (set(USERNAME), set(PASSWORD), set(TOKEN)) {
        (Some(name), Some(password), _) => {
            let both = BASE64_STANDARD.encode(format!("{name}:{password}"));
            Some(format!("Basic {both}"))
        }
        (.., Some(token)) => Some(format!("Bearer {token}")),
        _ => None,
    }
}

/// Names of the variables with credentials, for hints.
pub(super) fn credentials_hint() -> String {
    format!("set {USERNAME} and {PASSWORD}, or {TOKEN}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_passwords_are_not_shown() {
        let parsed = |address: &str| Server::with(address, None).map(|server| server.address);
        for good in ["http://127.0.0.1:5000", "http://[::1]:5000/a/b"] {
            assert_eq!(parsed(good).unwrap(), good);
            assert_eq!(parsed(&format!("{good}/")).unwrap(), good);
        }
        for bad in [
            "folder",
            "ftp://host",
            "http://",
            "http://host?a=b",
            "http://host/#/experiments",
            "127.0.0.1:5000",
            "http://a b",
        ] {
            let error = parsed(bad).unwrap_err();
            assert!(error.contains("TARGET must"), "{error}");
        }
        match cfg!(feature = "https") {
            true => assert_eq!(parsed("https://host/a/").unwrap(), "https://host/a"),
            false => assert!(parsed("https://host").unwrap_err().contains("feature")),
        }
        let error = parsed("http://me:secret@host").unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn credentials_are_chosen_like_mlflow_does() {
        let found = |set: &[(&str, &str)]| {
            authorization(|name| {
                let mut all = set.iter();
                let value = all.find(|(known, _)| *known == name);
                value.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[(USERNAME, "me")]), None);
        assert_eq!(found(&[(TOKEN, "abc")]).unwrap(), "Bearer abc");
        // RFC 7617, section 2.
        let both = [
            (USERNAME, "Aladdin"),
            (PASSWORD, "open sesame"),
            (TOKEN, "abc"),
        ];
        assert_eq!(found(&both).unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
