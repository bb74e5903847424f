//! Checks that pages and pictures have only elements and attributes of our own.

use roxmltree::{Document, Node, ParsingOptions};

/// Elements that a hostile text would add.
const FOREIGN: [&str; 6] = ["b", "i", "iframe", "object", "embed", "foreignObject"];

/// Checks a page or a picture: it is well-formed and has no element, handler or link that comes from a name.
pub(super) fn check(what: &str, text: &str) {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text, options).unwrap_or_else(|error| {
        panic!(
            "{what}: {error}: {:?}",
            text.lines().nth(error.pos().row as usize - 1)
        )
    });
    for node in document.descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        assert!(!FOREIGN.contains(&name), "{what}: {name}");
        if name == "script" {
            let is_own = node.attribute("nonce").is_some()
                || node
                    .attribute("src")
                    .is_some_and(|from| from.starts_with('/'));
            assert!(is_own, "{what}: {:?}", node.text());
        }
        for attribute in node.attributes() {
            let (key, value) = (attribute.name(), attribute.value());
            assert!(!key.starts_with("on"), "{what}: {key}={value}");
            let leads = ["href", "src", "action", "formaction"].contains(&key);
            assert!(
                !leads
                    || value.starts_with(['#', '/', '?', '.'])
                    || value.starts_with("data:image/")
                    || value.starts_with("images/"),
                "{what}: {key}={value}"
            );
        }
    }
    assert_eq!(crate::sandbox::acts_on_terminal(text), None, "{what}");
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
        check(&path, &page);
        let links = page.split("href=\"/").skip(1);
        let links = links.map(|rest| rest.split(['"', '#']).next().unwrap().replace("&amp;", "&"));
        open.extend(links.map(|link| format!("/{link}")));
    }
    // Three runs with their stages.
    assert!(pages > 20, "{seen:?}");
}
