//! Decides who may ask: only the user who started the server, from pages of this server or from a program.
//!
//! Every other program on the machine can connect to the loopback interface, and so can every page that is open in a
//! browser. Each request passes all of these checks:
//!
//! | check | refuses |
//! | --- | --- |
//! | `Host` names the loopback interface | pages whose own name was made to lead here (DNS rebinding) |
//! | `Origin`, if sent, is this server | scripts and forms of other pages, also of other servers on this machine |
//! | `Sec-Fetch-Site`, if sent, is `same-origin` or `none` | the same, and links, pictures and frames in other pages |
//! | the token | other users of this machine |
//!
//! The token is in the address that is printed, which the first answer exchanges for a cookie. Programs send
//! `Authorization: Bearer TOKEN` instead.

use hyper::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, ORIGIN};
use hyper::http::request::Parts;

use crate::token::Token;

/// Name of the parameter of an address that holds the token.
pub(crate) const PARAMETER: &str = "token";

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The reason why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Host,
    Origin,
    Token,
}

impl Refusal {
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Host => {
                "the address must begin with `http://127.0.0.1`, `http://localhost` or `http://[::1]`"
            }
            Self::Origin => {
                "another site or page sent you here; open the address that `runner serve` printed by typing or pasting it"
            }
            Self::Token => {
                "this page belongs to the user who started the server; open the address that `runner serve` printed, which contains the token"
            }
        }
    }
}

/// A request that may be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// Port in the address that the browser uses, which differs from ours if a tunnel leads here.
    port: u16,
    /// `true` if the token came in the address, so that a cookie must replace it.
    pub(crate) by_address: bool,
}

impl Admitted {
    /// Name of the cookie. Browsers send cookies to all ports of a host, so the name tells servers apart.
    pub(crate) fn cookie(&self) -> String {
        cookie_name(self.port)
    }
}

/// Checks a request.
pub(crate) fn check(request: &Parts, token: &Token) -> Result<Admitted, Refusal> {
    let host = only(request, &HOST).ok_or(Refusal::Host)?;
    let port = loopback_port(host).ok_or(Refusal::Host)?;
    let is_ours = |authority: &hyper::http::uri::Authority| authority.as_str() == host;
    if !request.uri.authority().is_none_or(is_ours) {
        return Err(Refusal::Host);
    }
    if request.headers.contains_key(ORIGIN) {
        let origin = only(request, &ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
        if origin != Some(host) {
            return Err(Refusal::Origin);
        }
    }
    if request.headers.contains_key(SITE)
        && !matches!(only(request, &SITE), Some("same-origin" | "none"))
    {
        return Err(Refusal::Origin);
    }
    let address = address_token(request.uri.query().unwrap_or_default());
    let is_given = |given: &Option<String>| given.as_ref().is_some_and(|given| token.is(given));
    if !is_given(&given(request, port)) && !is_given(&address) {
        return Err(Refusal::Token);
    }
    Ok(Admitted {
        port,
        by_address: address.is_some(),
    })
}

/// The value of a header that is there exactly once.
fn only<'a>(request: &'a Parts, name: &HeaderName) -> Option<&'a str> {
    let mut values = request.headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

/// The port in a `Host` that names the loopback interface; 80 if it has none.
fn loopback_port(host: &str) -> Option<u16> {
    let names = ["127.0.0.1", "localhost", "[::1]"];
    let rest = names.iter().find_map(|name| host.strip_prefix(name))?;
    if rest.is_empty() {
        return Some(80);
    }
    let digits = rest.strip_prefix(':')?;
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| digits.parse().ok())?
}

/// The token in a header or a cookie.
fn given(request: &Parts, port: u16) -> Option<String> {
    if let Some(value) = only(request, &AUTHORIZATION) {
        return Some(value.strip_prefix("Bearer ")?.to_owned());
    }
    let name = cookie_name(port);
    let cookies = request.headers.get_all(COOKIE).iter();
    let cookies = cookies.filter_map(|cookies| cookies.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';'));
    let value = pairs.find_map(|pair| pair.trim().strip_prefix(&name)?.strip_prefix('='));
    value.map(str::to_owned)
}

fn address_token(query: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let (_, value) = pairs.find(|(name, _)| name == PARAMETER)?;
    Some(value.into_owned())
}

fn cookie_name(port: u16) -> String {
    format!("runner-{port}")
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn checked(uri: &str, headers: &[(&str, &str)]) -> Result<bool, Refusal> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let token = Token::parse(TOKEN).unwrap();
        check(&parts, &token).map(|admitted| admitted.by_address)
    }

    fn bearer() -> (&'static str, String) {
        ("authorization", format!("Bearer {TOKEN}"))
    }

    #[test]
    fn only_names_of_the_loopback_interface_are_hosts() {
        let (name, value) = bearer();
        let with = |host: &str| checked("/", &[("host", host), (name, &value)]);
        for host in ["127.0.0.1:7417", "localhost", "localhost:1", "[::1]:65535"] {
            assert_eq!(with(host), Ok(false), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:7417",
            "localhost:",
            "localhost:99999",
            "localhost:+1",
            "localhost:1@evil.example",
            "127.0.0.2",
            "0.0.0.0:7417",
            "[::1",
            "LOCALHOST",
        ] {
            assert_eq!(with(host), Err(Refusal::Host), "{host}");
        }
        assert_eq!(checked("/", &[(name, &value)]), Err(Refusal::Host));
        let twice = [("host", "localhost"), ("host", "localhost"), (name, &value)];
        assert_eq!(checked("/", &twice), Err(Refusal::Host));
        let other = [("host", "localhost"), (name, &value)];
        assert_eq!(checked("http://evil.example/", &other), Err(Refusal::Host));
        assert_eq!(checked("http://localhost/", &other), Ok(false));
    }

    #[test]
    fn other_pages_are_refused_even_with_the_token() {
        let (name, value) = bearer();
        let with = |header: &str, content: &str| {
            let host = ("host", "localhost:7417");
            checked("/", &[host, (name, &value), (header, content)])
        };
        assert_eq!(with("origin", "http://localhost:7417"), Ok(false));
        for origin in [
            "null",
            "",
            "http://localhost",
            "http://localhost:7418",
            "https://localhost:7417",
            "http://127.0.0.1:7417",
            "http://evil.example",
        ] {
            assert_eq!(with("origin", origin), Err(Refusal::Origin), "{origin}");
        }
        for site in ["same-origin", "none"] {
            assert_eq!(with("sec-fetch-site", site), Ok(false));
        }
        // Another port of this machine is the same site, but not the same origin.
        for site in ["cross-site", "same-site", "", "unknown"] {
            assert_eq!(with("sec-fetch-site", site), Err(Refusal::Origin), "{site}");
        }
    }

    #[test]
    fn the_token_comes_in_a_header_a_cookie_or_the_address() {
        let host = ("host", "localhost:7417");
        let cookie = |value: &str| checked("/", &[host, ("cookie", value)]);
        assert_eq!(cookie(&format!("a=b; runner-7417={TOKEN}")), Ok(false));
        assert_eq!(cookie(&format!("runner-7418={TOKEN}")), Err(Refusal::Token));
        assert_eq!(cookie("runner-7417="), Err(Refusal::Token));
        let address = |query: &str| checked(&format!("/runs?{query}"), &[host]);
        assert_eq!(address(&format!("a=1&token={TOKEN}")), Ok(true));
        for query in ["", "token=", "token=0", &format!("token={TOKEN}0")] {
            assert_eq!(address(query), Err(Refusal::Token), "{query}");
        }
        let wrong = ("authorization", "Bearer 0123456789abcdef0123456789abcdee");
        assert_eq!(checked("/", &[host, wrong]), Err(Refusal::Token));
    }
}
