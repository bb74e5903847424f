//! All of one stage kind for a person to read: like a page of a manual.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use stages::contract::KindInfo;

use super::choice::{Choice, choices};
use super::{Params, parameters, wording};

/// How a page is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Columns to wrap at.
    pub width: usize,
    /// Whether headings and names are bold.
    pub bold: bool,
}

/// The page of a kind: what it does, its ports, its parameters.
pub fn page(kind: &KindInfo, params: Params, layout: Layout) -> String {
    let schema = parameters(kind, params);
    let definitions = schema["$defs"].as_object().cloned().unwrap_or_default();
    let mut page = Page {
        layout,
        shared: shared(&schema),
        definitions,
        text: String::new(),
    };
    page.put(0, &format!("{}: {}", page.strong(kind.name), kind.doc));
    page.inputs(kind);
    page.outputs(kind);
    page.heading("Parameters");
    page.parameters(&schema, INDENT);
    for (name, definition) in page.definitions.clone() {
        if page.shared.contains_key(&name) {
            page.heading(&name);
            page.paragraphs(INDENT, text(&definition, "description"));
            page.details(&definition, INDENT);
        }
    }
    page.text
}

const INDENT: usize = 2;
/// Of a description under what it describes.
const DEEPER: usize = 4;

/// How often each definition is referred to, of those that have a section of their own: all that are
/// referred to twice, or are the items of a list.
fn shared(schema: &Value) -> BTreeMap<String, usize> {
    fn count(schema: &Value, weight: usize, found: &mut BTreeMap<String, usize>) {
        match schema {
            Value::Array(schemas) => schemas
                .iter()
                .for_each(|schema| count(schema, weight, found)),
            Value::Object(keywords) => {
                if let Some(name) = referred(schema) {
                    *found.entry(name.to_owned()).or_default() += weight;
                }
                for (keyword, schema) in keywords {
                    count(schema, if keyword == "items" { 2 } else { 1 }, found);
                }
            }
            _ => {}
        }
    }
    let mut found = BTreeMap::new();
    count(schema, 1, &mut found);
    found.retain(|_, uses| *uses > 1);
    found
}

/// The name of the definition that a schema refers to.
fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

fn text<'a>(schema: &'a Value, keyword: &str) -> &'a str {
    schema[keyword].as_str().unwrap_or_default()
}

struct Page {
    layout: Layout,
    definitions: Map<String, Value>,
    shared: BTreeMap<String, usize>,
    text: String,
}

impl Page {
    fn strong(&self, text: &str) -> String {
        if self.layout.bold {
            console::style(text).bold().force_styling(true).to_string()
        } else {
            text.to_owned()
        }
    }

    /// Puts a wrapped paragraph; its later lines stand two columns further in.
    fn put(&mut self, indent: usize, text: &str) {
        self.wrap(indent, indent + 2, text);
    }

    fn wrap(&mut self, first: usize, later: usize, text: &str) {
        let (first, later) = (" ".repeat(first), " ".repeat(later));
        let options = textwrap::Options::new(self.layout.width)
            .initial_indent(&first)
            .subsequent_indent(&later)
            .break_words(false);
        self.text.push_str(&textwrap::fill(text, options));
        self.text.push('\n');
    }

    fn paragraphs(&mut self, indent: usize, text: &str) {
        for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
            self.wrap(indent, indent, paragraph);
        }
    }

    fn heading(&mut self, heading: &str) {
        let heading = self.strong(heading);
        self.text.push_str(&format!("\n{heading}\n"));
    }

    fn inputs(&mut self, kind: &KindInfo) {
        self.heading("Inputs");
        if kind.declares_ports {
            self.put(INDENT, "any, by names of your own");
        } else if kind.inputs.is_empty() {
            self.put(INDENT, "none");
        }
        for input in kind.inputs {
            let name = self.strong(input.role);
            self.put(INDENT, &format!("{name}: {}", wording::port(input)));
            self.paragraphs(INDENT + DEEPER, input.doc);
        }
    }

    fn outputs(&mut self, kind: &KindInfo) {
        self.heading("Outputs");
        if kind.declares_ports {
            self.put(INDENT, "those that its parameters declare");
        }
        for (index, output) in kind.outputs.iter().enumerate() {
            let name = self.strong(output.port);
            let primary = if kind.has_primary && index == 0 {
                ", meant by the stage's name alone"
            } else {
                ""
            };
            self.put(INDENT, &format!("{name}: {}{primary}", output.yields));
            self.paragraphs(INDENT + DEEPER, output.doc);
        }
    }

    /// Everything that a schema of a map has.
    fn parameters(&mut self, schema: &Value, indent: usize) {
        let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
        for (name, parameter) in schema["properties"].as_object().into_iter().flatten() {
            let standing = match parameter.get("default") {
                _ if required.iter().any(|one| one == name) => "[required]".to_owned(),
                None => "[optional]".to_owned(),
                Some(default) => format!("[default: {}]", self.default(parameter, default)),
            };
            let name = self.strong(name);
            let line = format!("{name}: {} {standing}", self.what(parameter));
            self.put(indent, &line);
            self.paragraphs(indent + DEEPER, text(parameter, "description"));
            if self.section(parameter).is_none() {
                let resolved = self.resolved(parameter).clone();
                self.details(&resolved, indent + DEEPER);
            }
        }
    }

    /// What a schema takes, in a few words.
    fn what(&self, schema: &Value) -> String {
        if let Some(section) = self.section(schema) {
            return format!("see {section}");
        }
        let resolved = self.resolved(schema);
        if resolved.get("oneOf").or(resolved.get("anyOf")).is_some() {
            return "one of".to_owned();
        }
        if let Some(section) = self.section(&resolved["items"]) {
            return format!("list, for its items see {section}");
        }
        wording::kind_of_value(resolved)
    }

    /// The section of its own that a schema refers to.
    fn section<'a>(&self, schema: &'a Value) -> Option<&'a str> {
        referred(schema).filter(|name| self.shared.contains_key(*name))
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        referred(schema)
            .and_then(|name| self.definitions.get(name))
            .unwrap_or(schema)
    }

    /// What is in a schema: parameters of a map, choices.
    fn details(&mut self, schema: &Value, indent: usize) {
        self.parameters(schema, indent);
        for choice in choices(schema) {
            self.choice(&choice, indent);
        }
    }

    fn choice(&mut self, choice: &Choice<'_>, indent: usize) {
        match choice {
            Choice::Name { name, doc } => {
                let name = self.strong(name);
                let line = if doc.is_empty() {
                    name
                } else {
                    format!("{name}: {doc}")
                };
                self.wrap_item(indent, &line);
            }
            Choice::Value(schema) => {
                let doc = text(schema, "description");
                let what = self.what(schema);
                let line = if doc.is_empty() {
                    what
                } else {
                    format!("{what}: {doc}")
                };
                self.wrap_item(indent, &line);
                self.parameters(schema, indent + DEEPER);
            }
            Choice::Tagged {
                name,
                payload,
                alone,
            } => {
                let line = self.written(name, payload, *alone);
                self.wrap_item(indent, &line);
                self.paragraphs(indent + DEEPER, text(payload, "description"));
                if self.section(payload).is_none() {
                    let resolved = self.resolved(payload).clone();
                    self.details(&resolved, indent + DEEPER);
                }
            }
        }
    }

    fn wrap_item(&mut self, indent: usize, line: &str) {
        self.wrap(indent, indent + DEEPER, &format!("- {line}"));
    }

    /// How a choice with parameters is written: `step: { every, factor }`.
    fn written(&self, name: &str, payload: &Value, alone: bool) -> String {
        let name = self.strong(name);
        let resolved = self.resolved(payload);
        if self.section(payload).is_some() || wording::the_type(resolved) != "object" {
            return format!("{name}: {}", self.what(payload));
        }
        let all = resolved["properties"].as_object();
        let required: Vec<&str> = resolved["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let more = all.map_or(0, Map::len) > required.len();
        match (alone, more) {
            (true, false) => name,
            (true, true) => format!("{name}, or {name}: {{ … }}"),
            (false, _) => {
                let rest = if more { &["…"][..] } else { &[] };
                format!(
                    "{name}: {{ {} }}",
                    [&required[..], rest].concat().join(", ")
                )
            }
        }
    }

    /// A default as one would write it, without what is the default within it.
    fn default(&self, parameter: &Value, default: &Value) -> String {
        let entry = default.as_object().filter(|map| map.len() == 1);
        let Some((name, chosen)) = entry.and_then(|map| map.iter().next()) else {
            return wording::value(default);
        };
        for choice in choices(self.resolved(parameter)) {
            if let Choice::Tagged {
                name: tag,
                payload,
                alone,
            } = choice
                && tag == name
                && is_default(self.resolved(payload), chosen)
            {
                return if alone {
                    name.clone()
                } else {
                    format!("{name}: {{}}")
                };
            }
        }
        wording::value(default)
    }
}

/// Whether a value is what a schema's parameters are by default.
fn is_default(schema: &Value, value: &Value) -> bool {
    let mut entries = value.as_object().into_iter().flatten();
    entries.all(|(key, value)| schema["properties"][key]["default"] == *value)
}
