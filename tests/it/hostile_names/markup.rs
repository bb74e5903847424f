//! Checks that pages and pictures have only elements and attributes of our own.

use roxmltree::{Document, ParsingOptions};

/// Elements that a hostile text would add.
const FOREIGN: [&str; 6] = ["b", "i", "iframe", "object", "embed", "foreignobject"];

/// A start tag: the element and its attributes. Names are in lower case.
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn attribute(&self, name: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter();
        Some(&attributes.find(|(key, _)| key == name)?.1)
    }
}

/// Checks a report or a picture, which are also well-formed XML.
pub(super) fn check(what: &str, text: &str) {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).unwrap_or_else(|error| panic!("{what}: {error}"));
    check_tags(what, text);
}

/// Checks that no element, handler or link comes from a name.
fn check_tags(what: &str, text: &str) {
    let tags = tags(text);
    assert!(tags.len() > 3, "{what}: {text}");
    for tag in tags {
        assert!(
            !FOREIGN.contains(&tag.name.as_str()),
            "{what}: {}",
            tag.name
        );
        if tag.name == "script" {
            let from = tag.attribute("src").unwrap_or_default();
            let is_own = tag.attribute("nonce").is_some() || from.starts_with('/');
            assert!(is_own, "{what}: a script");
        }
        for (key, value) in &tag.attributes {
            assert!(!key.starts_with("on"), "{what}: {key}={value}");
            let leads = ["href", "src", "action", "formaction"].contains(&key.as_str());
            let is_own = value.starts_with(['#', '/', '?', '.'])
                || value.starts_with("data:image/")
                || value.starts_with("images/")
                // The page has no icon.
                || value == "data:,";
            assert!(!leads || is_own, "{what}: {key}={value}");
        }
    }
    assert_eq!(crate::sandbox::acts_on_terminal(text), None, "{what}");
}

/// Reads all start tags as a browser does, except for those inside of scripts and styles.
fn tags(text: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if !rest.starts_with(|first: char| first.is_ascii_alphabetic()) {
            continue;
        }
        let end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '>' | '/'))
            .unwrap_or(rest.len());
        let name = rest[..end].to_lowercase();
        rest = &rest[end..];
        let attributes = attributes(&mut rest);
        if ["script", "style"].contains(&name.as_str()) {
            let end = rest.find(&format!("</{name}")).unwrap_or(rest.len());
            rest = &rest[end..];
        }
        tags.push(Tag { name, attributes });
    }
    tags
}

/// Reads attributes up to the end of a tag.
fn attributes(rest: &mut &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    loop {
        *rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if let Some(after) = rest.strip_prefix('>') {
            *rest = after;
            return found;
        }
        let end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/'))
            .unwrap_or(rest.len());
        assert!(end > 0, "an attribute without a name: {rest}");
        let key = rest[..end].to_lowercase();
        *rest = &rest[end..];
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let quote = after.chars().next().unwrap();
            assert!(matches!(quote, '"' | '\''), "no quotes: {after}");
            (value, *rest) = after[1..].split_once(quote).unwrap();
        }
        found.push((key, value.to_owned()));
    }
}

/// Follows all links of the served pages, and checks each page.
#[cfg(target_os = "linux")]
pub(super) fn served(sandbox: &crate::sandbox::Sandbox) {
    use std::collections::BTreeSet;

    let served = crate::serve::client::Served::start(sandbox, &["--allow-run"]);
    let (mut open, mut seen) = (vec!["/".to_owned()], BTreeSet::new());
    let mut pages = 0;
    while let Some(path) = open.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let answer = served.get(&path);
        assert_eq!(answer.status, 200, "{path}");
        if !answer.head.contains("text/html") {
            continue;
        }
        pages += 1;
        let page = answer.text();
        check_tags(&path, &page);
        let links = page.split("href=\"/").skip(1);
        let links = links.map(|rest| {
            let link = rest.split(['"', '#']).next().unwrap();
            format!("/{}", link.replace("&amp;", "&"))
        });
        open.extend(links);
    }
    // Three runs with their stages.
    assert!(pages > 20, "{seen:?}");
}
