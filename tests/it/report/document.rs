//! Checks that every report must pass, whatever it is about.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use roxmltree::{Document, Node, ParsingOptions};

/// Elements that may load or run something. A report has none of them, apart from its one script.
const ACTIVE: [&str; 12] = [
    "iframe",
    "object",
    "embed",
    "link",
    "base",
    "form",
    "audio",
    "video",
    "source",
    "image",
    "use",
    "foreignObject",
];

/// A report.
pub(crate) struct Report {
    pub text: String,
}

impl Report {
    /// Reads a report and checks it.
    pub(crate) fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap();
        // Places where long names may be broken would split their text.
        let text = text.replace("<wbr/>", "");
        let report = Self { text };
        report.check();
        report
    }

    pub(crate) fn document(&self) -> Document<'_> {
        let options = ParsingOptions {
            allow_dtd: true,
            ..ParsingOptions::default()
        };
        Document::parse_with_options(&self.text, options).unwrap_or_else(|error| {
            let line = self.text.lines().nth(error.pos().row as usize - 1);
            panic!("{error}: {line:?}")
        })
    }

    /// The text of the section with this id, with white space collapsed.
    pub(crate) fn section(&self, id: &str) -> String {
        let document = self.document();
        let section = by_id(&document, id).unwrap_or_else(|| panic!("no section `{id}`"));
        text(section)
    }

    /// Ids of the sections that the table of contents lists.
    pub(crate) fn contents(&self) -> Vec<String> {
        let document = self.document();
        let nav = document.descendants().find(|node| node.has_tag_name("nav"));
        let links = nav.unwrap().descendants().filter(|node| is(*node, "a"));
        let ids = links.map(|link| link.attribute("href").unwrap()[1..].to_owned());
        ids.collect()
    }

    fn check(&self) {
        let document = self.document();
        let ids: Vec<&str> = document
            .descendants()
            .filter_map(|node| node.attribute("id"))
            .collect();
        let distinct: HashSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), distinct.len(), "ids must be unique: {ids:?}");
        for node in document.descendants().filter(Node::is_element) {
            check_element(node, &distinct);
        }
        check_headings(&document);
        check_tables(&document);
        let policy = document
            .descendants()
            .find(|node| node.attribute("http-equiv") == Some("Content-Security-Policy"));
        let policy = policy.unwrap().attribute("content").unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        let scripts = document.descendants().filter(|node| is(*node, "script"));
        let nonces: Vec<_> = scripts
            .map(|script| script.attribute("nonce").unwrap())
            .collect();
        assert_eq!(nonces.len(), 1, "one script");
        assert!(policy.contains(&format!("script-src 'nonce-{}'", nonces[0])));
    }
}

/// The element has no handler, loads nothing from elsewhere, and refers to what exists.
fn check_element(node: Node<'_, '_>, ids: &HashSet<&str>) {
    let name = node.tag_name().name();
    assert!(!ACTIVE.contains(&name), "{name}");
    for attribute in node.attributes() {
        let (key, value) = (attribute.name(), attribute.value());
        assert!(!key.starts_with("on"), "{name} {key}={value}");
        match key {
            "href" => {
                let target = value.strip_prefix('#');
                assert!(target.is_some_and(|id| ids.contains(id)), "{name} {value}");
            }
            "src" => assert!(
                value.starts_with("data:image/png;base64,") || value.starts_with("images/"),
                "{value}"
            ),
            "style" => panic!("{name} has a style: {value}"),
            "aria-labelledby" => {
                assert!(value.split(' ').all(|id| ids.contains(id)), "{value}");
            }
            _ => {}
        }
    }
    if name == "img" {
        assert!(!node.attribute("alt").unwrap_or_default().is_empty());
    }
    if name == "button" {
        assert_eq!(node.attribute("type"), Some("button"));
    }
}

/// No level of headings is left out.
fn check_headings(document: &Document<'_>) {
    let level = |node: Node<'_, '_>| match node.tag_name().name() {
        "h1" => Some(1),
        "h2" => Some(2),
        "h3" => Some(3),
        "h4" => Some(4),
        _ => None,
    };
    let mut last = 0;
    for node in document.descendants() {
        if let Some(level) = level(node) {
            assert!(level <= last + 1, "after h{last}: {}", text(node));
            assert!(!text(node).is_empty());
            last = level;
        }
    }
    assert!(last > 0);
}

/// Every table has a caption, and headers with a scope.
fn check_tables(document: &Document<'_>) {
    for table in document.descendants().filter(|node| is(*node, "table")) {
        let caption = table.descendants().find(|node| is(*node, "caption"));
        assert!(!text(caption.unwrap()).is_empty());
        let mut headers = table.descendants().filter(|node| is(*node, "th"));
        assert!(headers.all(|header| header.attribute("scope").is_some()));
        let mut widths = table
            .descendants()
            .filter(|node| is(*node, "tr"))
            .map(|row| {
                let cells = row
                    .children()
                    .filter(|node| is(*node, "td") || is(*node, "th"));
                cells.count()
            });
        let first = widths.next().unwrap();
        assert!(widths.all(|width| width == first), "{}", text(table));
    }
}

fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

pub(crate) fn by_id<'a>(document: &'a Document<'a>, id: &str) -> Option<Node<'a, 'a>> {
    document
        .descendants()
        .find(|node| node.attribute("id") == Some(id))
}

/// The text of an element and of everything inside, with white space collapsed.
pub(crate) fn text(node: Node<'_, '_>) -> String {
    let texts = node.descendants().filter(Node::is_text);
    let all: Vec<&str> = texts.filter_map(|text| text.text()).collect();
    let all = all.join(" ");
    all.split_whitespace().collect::<Vec<_>>().join(" ")
}
